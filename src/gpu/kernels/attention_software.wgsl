// The form for software, which runs a handful of invocations as one: each has a query of a head to itself, so that nothing is
// shared and none waits for another. It takes four keys at a time: a number of q that was read serves all four, and the sum over
// the keys, which lies in the arena, is taken up again once for four.
//
// Grid: [ceil(heads / LANES), rows], workgroups of LANES invocations, one for each head.

fn four(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(arena[at.x], arena[at.y], arena[at.z], arena[at.w]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let head = group.x * LANES + local.x;
    let row = group.y;
    if (head >= shape.heads) {
        return;
    }
    let size = shape.head_size;
    let hidden = shape.heads * size;
    let position = run[RUN_PAST] + row;
    let keys = run[RUN_PAST] + run[RUN_ROWS];
    let edited = (run[RUN_CHANGES] & MASK_EDITED) != 0u;
    // The keys after these are not seen.
    let reach = select(keys, position + 1u, shape.window != 0u && !edited);
    let q = shape.q + position * hidden + head * size;
    let k = shape.keys + head * size * shape.capacity;
    let v = shape.values + head * size;
    let z = shape.z + position * hidden + head * size;

    // Where this row of the scores and of the pattern goes, if it goes anywhere.
    let scores_wanted = run[shape.want_scores] != NONE;
    let pattern_wanted = run[shape.want_pattern] != NONE;
    let map_row = (head * run[RUN_ROWS] + row) * keys;
    let scores_at = run[shape.want_scores] + map_row;
    let pattern_at = run[shape.want_pattern] + map_row;

    for (var d = 0u; d < size; d++) {
        arena[z + d] = 0.0;
    }
    let scored = select(reach, keys, scores_wanted);
    var largest = UNSEEN;
    var sum = 0.0;
    for (var first = 0u; first < scored; first += 4u) {
        // Beyond the last key it is read again, and weighs nothing.
        let own = min(first + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(scored - 1u));
        // Zero by word: SwiftShader gives a variable that is merely declared its zeros once, not in every turn.
        var scores = vec4<f32>(0.0);
        for (var d = 0u; d < size; d++) {
            scores += arena[q + d] * shape.scale * four(k + d * shape.capacity + own);
        }
        var seen = vec4<f32>(UNSEEN);
        for (var j = 0u; j < min(4u, scored - first); j++) {
            let key = first + j;
            if (key < reach && sees(position, key, edited)) {
                seen[j] = scores[j];
            }
            if (scores_wanted) {
                trace[scores_at + key] = scores[j];
            }
            if (pattern_wanted) {
                trace[pattern_at + key] = seen[j];
            }
        }

        let now_largest = max(largest, max(max(seen.x, seen.y), max(seen.z, seen.w)));
        let shrink = exp(largest - now_largest);
        largest = now_largest;
        let weights = select(exp(seen - largest), vec4<f32>(0.0), seen == vec4<f32>(UNSEEN));
        sum = sum * shrink + dot(weights, vec4<f32>(1.0));
        for (var d = 0u; d < size; d++) {
            arena[z + d] = arena[z + d] * shrink + dot(weights, four(v + own * hidden + d));
        }
    }
    // A query that sees nothing gets nothing.
    let reciprocal = select(0.0, 1.0 / sum, sum > 0.0);

    if (pattern_wanted) {
        for (var key = 0u; key < keys; key++) {
            var pattern = 0.0;
            if (key < scored) {
                let score = trace[pattern_at + key];
                pattern = select(exp(score - largest) * reciprocal, 0.0, score == UNSEEN);
            }
            trace[pattern_at + key] = pattern;
        }
    }
    let off = extractBits(run[shape.heads_off + head / 32u], head % 32u, 1u) == 1u;
    for (var d = 0u; d < size; d++) {
        arena[z + d] = select(arena[z + d] * reciprocal, 0.0, off);
    }
}
