// The form for software: a number of q that was read serves four keys, a weight four dimensions.
//
// Grid: [heads, rows], a workgroup of LANES invocations for each query of each head. They share the keys among each other for
//       the scores, and the dimensions of the head for the context.

var<workgroup> weight: array<f32, BLOCK>;
var<workgroup> lanes: array<f32, LANES>;

// Four numbers that lie LANES apart: neighbouring invocations read neighbouring numbers.
fn four(at: u32) -> vec4<f32> {
    return vec4<f32>(arena[at], arena[at + LANES], arena[at + 2u * LANES], arena[at + 3u * LANES]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let head = group.x;
    let row = group.y;
    let lane = local.x;
    let size = shape.head_size;
    let hidden = shape.heads * size;
    let position = run[RUN_PAST] + row;
    let keys = run[RUN_PAST] + run[RUN_ROWS];
    let edited = (run[RUN_CHANGES] & MASK_EDITED) != 0u;
    // The keys after these are not seen.
    let reach = select(keys, position + 1u, shape.window != 0u && !edited);
    let q = shape.q + position * hidden + head * size;
    let pitch = shape.capacity;
    let k = shape.keys + head * size * pitch;

    // Where this row of the scores and of the pattern goes, if it goes anywhere.
    let scores_wanted = run[shape.want_scores] != NONE;
    let pattern_wanted = run[shape.want_pattern] != NONE;
    let map_row = (head * run[RUN_ROWS] + row) * keys;
    let scores_at = run[shape.want_scores] + map_row;
    let pattern_at = run[shape.want_pattern] + map_row;

    let z = shape.z + position * hidden + head * size;
    let v = shape.values + head * size;
    let scored = select(reach, keys, scores_wanted);
    var largest = UNSEEN;
    var sum = 0.0;
    for (var first = 0u; first < scored; first += BLOCK) {
        let count = min(BLOCK, scored - first);
        var now_largest = largest;
        // Four keys at a time, so that a number of q is read once for all of them. Beyond the last key there may be
        // anything; it is dropped.
        for (var i = lane; i < count; i += 4u * LANES) {
            // Zero by word: SwiftShader gives a variable that is merely declared its zeros once, not in every turn.
            var scores = vec4<f32>(0.0);
            for (var d = 0u; d < size; d++) {
                let at = k + d * pitch + first + i;
                scores += arena[q + d] * four(at);
            }
            scores *= shape.scale;
            for (var j = 0u; j < 4u && i + j * LANES < count; j++) {
                let key = first + i + j * LANES;
                if (scores_wanted) {
                    trace[scores_at + key] = scores[j];
                }
                let seen = select(UNSEEN, scores[j], key < reach && sees(position, key, edited));
                weight[key - first] = seen;
                if (pattern_wanted) {
                    trace[pattern_at + key] = seen;
                }
                now_largest = max(now_largest, seen);
            }
        }
        lanes[lane] = now_largest;
        workgroupBarrier();
        for (var other = 0u; other < LANES; other++) {
            now_largest = max(now_largest, lanes[other]);
        }
        workgroupBarrier();

        let shrink = exp(largest - now_largest);
        largest = now_largest;
        var part = 0.0;
        for (var i = lane; i < count; i += LANES) {
            let e = select(exp(weight[i] - largest), 0.0, weight[i] == UNSEEN);
            weight[i] = e;
            part += e;
        }
        lanes[lane] = part;
        workgroupBarrier();
        sum *= shrink;
        for (var other = 0u; other < LANES; other++) {
            sum += lanes[other];
        }
        // Four dimensions at a time, so that a weight is read once for all of them.
        for (var d = lane; d < size; d += 4u * LANES) {
            var context = vec4<f32>(0.0);
            for (var i = 0u; i < count; i++) {
                context += weight[i] * four(v + (first + i) * hidden + d);
            }
            for (var j = 0u; j < 4u && d + j * LANES < size; j++) {
                let at = z + d + j * LANES;
                if (first > 0u) {
                    context[j] += arena[at] * shrink;
                }
                arena[at] = context[j];
            }
        }
        workgroupBarrier();
    }
    // A query that sees nothing gets nothing.
    let reciprocal = select(0.0, 1.0 / sum, sum > 0.0);

    if (pattern_wanted) {
        // Every lane finds what it wrote itself.
        for (var key = lane; key < keys; key += LANES) {
            var pattern = 0.0;
            if (key < scored) {
                let score = trace[pattern_at + key];
                pattern = select(exp(score - largest) * reciprocal, 0.0, score == UNSEEN);
            }
            trace[pattern_at + key] = pattern;
        }
    }
    let off = extractBits(run[shape.heads_off + head / 32u], head % 32u, 1u) == 1u;
    for (var d = lane; d < size; d += LANES) {
        arena[z + d] = select(arena[z + d] * reciprocal, 0.0, off);
    }
}
