// The form for a GPU: a workgroup has four queries of a head, so that a key or a value that was read serves all four. Where
// a line of numbers is added up, several of them are on their way at a time, since the way from memory is long.
//
// Grid: [heads, ceil(rows / 4)], workgroups of LANES invocations, each with one key of a block for the scores, and for the
//       context one dimension of the head and a share of the keys.

// Dimensions of queries that are kept at hand at a time.
const DEPTH = 64u;
// Every lane has one key of a block, and halves are taken of lanes.
const_assert(BLOCK == LANES && (LANES & (LANES - 1u)) == 0u);

// Of four queries, in each vector here and below: [dimension].
var<workgroup> queries: array<vec4<f32>, DEPTH>;
// What each key of the block weighs.
var<workgroup> weight: array<vec4<f32>, BLOCK>;
var<workgroup> lanes: array<vec4<f32>, LANES>;

// Four dimensions of a key from `d` on, which lie `capacity` apart; beyond the last, which is read again, queries are 0.
fn four_of_key(at: u32, d: u32, depth: u32) -> vec4<f32> {
    let dims = min(vec4<u32>(d, d + 1u, d + 2u, d + 3u), vec4<u32>(depth - 1u)) * shape.capacity + at;
    return vec4<f32>(arena[dims.x], arena[dims.y], arena[dims.z], arena[dims.w]);
}

// The products of four queries with a key, over four dimensions from `d` on.
fn products_of(d: u32, key: vec4<f32>) -> vec4<f32> {
    return queries[d] * key.x + queries[d + 1u] * key.y + queries[d + 2u] * key.z + queries[d + 3u] * key.w;
}

// The largest of all lanes' numbers, for each query.
fn largest_of(lane: u32, value: vec4<f32>) -> vec4<f32> {
    lanes[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            lanes[lane] = max(lanes[lane], lanes[lane + half]);
        }
    }
    workgroupBarrier();
    let largest = lanes[0];
    workgroupBarrier();
    return largest;
}

// The sum of the lanes' numbers `apart` from each other, the first of which is this one's; both are powers of 2.
fn sum_of(lane: u32, apart: u32, value: vec4<f32>) -> vec4<f32> {
    lanes[lane] = value;
    for (var half = LANES / 2u; half >= apart; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            lanes[lane] += lanes[lane + half];
        }
    }
    workgroupBarrier();
    let sum = lanes[lane % apart];
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let head = group.x;
    let lane = local.x;
    let size = shape.head_size;
    let hidden = shape.heads * size;
    let past = run[RUN_PAST];
    let keys = past + run[RUN_ROWS];
    // Beyond the last row there are none: the last is computed again, and dropped.
    let row = group.y * 4u;
    let count = min(run[RUN_ROWS] - row, 4u);
    let rows = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(run[RUN_ROWS] - 1u));
    let positions = rows + past;
    let edited = (run[RUN_CHANGES] & MASK_EDITED) != 0u;
    // The keys after these are not seen.
    let reach = select(keys, positions.w + 1u, shape.window != 0u && !edited);
    let q = positions * hidden + shape.q + head * size;
    let k = shape.keys + head * size * shape.capacity;
    let v = shape.values + head * size;
    let z = positions * hidden + shape.z + head * size;

    // Where these rows of the scores and of the pattern go, if they go anywhere.
    let scores_wanted = run[shape.want_scores] != NONE;
    let pattern_wanted = run[shape.want_pattern] != NONE;
    let map_row = (head * run[RUN_ROWS] + row) * keys;
    let scores_at = run[shape.want_scores] + map_row;
    let pattern_at = run[shape.want_pattern] + map_row;
    let scored = select(reach, keys, scores_wanted);

    // So many lanes have a dimension each, and as many others the same dimensions of other keys.
    let span = 1u << (32u - countLeadingZeros(min(size, LANES) - 1u));
    let slices = LANES / span;
    let slice = lane / span;

    var largest = vec4<f32>(UNSEEN);
    // Of this lane's keys.
    var sums: vec4<f32>;
    for (var first = 0u; first < scored; first += BLOCK) {
        let key = first + lane;
        // A variable of the loop's own would be zero in the first round only, on software.
        var products = vec4<f32>(0.0);
        for (var low = 0u; low < size; low += DEPTH) {
            let depth = min(DEPTH, size - low);
            for (var d = lane; d < DEPTH; d += LANES) {
                let at = q + low + min(d, depth - 1u);
                let numbers = vec4<f32>(arena[at.x], arena[at.y], arena[at.z], arena[at.w]);
                queries[d] = select(vec4<f32>(0.0), numbers, d < depth);
            }
            workgroupBarrier();
            // Keys beyond the last may be anything; they are dropped.
            let at = k + low * shape.capacity + key;
            for (var d = 0u; d < depth; d += 16u) {
                let k_0 = four_of_key(at, d, depth);
                let k_1 = four_of_key(at, d + 4u, depth);
                let k_2 = four_of_key(at, d + 8u, depth);
                let k_3 = four_of_key(at, d + 12u, depth);
                products += products_of(d, k_0) + products_of(d + 4u, k_1) + products_of(d + 8u, k_2)
                    + products_of(d + 12u, k_3);
            }
            workgroupBarrier();
        }
        // Variables that are reached by an index have no registers: what is added up is not.
        let scores = products * shape.scale;
        var seen = vec4<f32>(UNSEEN);
        if (key < scored) {
            for (var j = 0u; j < 4u; j++) {
                if (key < reach && sees(positions[j], key, edited)) {
                    seen[j] = scores[j];
                }
                if (j < count && scores_wanted) {
                    trace[scores_at + j * keys + key] = scores[j];
                }
                if (j < count && pattern_wanted) {
                    trace[pattern_at + j * keys + key] = seen[j];
                }
            }
        }
        let now_largest = max(largest, largest_of(lane, seen));
        let shrink = exp(largest - now_largest);
        largest = now_largest;
        let weights = select(exp(seen - largest), vec4<f32>(0.0), seen == vec4<f32>(UNSEEN));
        weight[lane] = weights;
        sums = sums * shrink + weights;
        workgroupBarrier();

        let block = min(BLOCK, scored - first);
        for (var low = 0u; low < size; low += span) {
            let d = low + lane % span;
            // Dimensions beyond the last are those of another head, and dropped.
            let at = v + first * hidden + d;
            var share = vec4<f32>(0.0);
            var i = slice;
            for (; i + 3u * slices < block; i += 4u * slices) {
                let i_1 = i + slices;
                let i_2 = i_1 + slices;
                let i_3 = i_2 + slices;
                let v_0 = arena[at + i * hidden];
                let v_1 = arena[at + i_1 * hidden];
                let v_2 = arena[at + i_2 * hidden];
                let v_3 = arena[at + i_3 * hidden];
                share += weight[i] * v_0 + weight[i_1] * v_1 + weight[i_2] * v_2 + weight[i_3] * v_3;
            }
            for (; i < block; i += slices) {
                share += weight[i] * arena[at + i * hidden];
            }
            let context = sum_of(lane, span, share);
            if (slice == 0u && d < size) {
                for (var j = 0u; j < count; j++) {
                    var sum = context[j];
                    if (first > 0u) {
                        sum += arena[z[j] + d] * shrink[j];
                    }
                    arena[z[j] + d] = sum;
                }
            }
        }
    }
    // A query that sees nothing gets nothing.
    let sum = sum_of(lane, 1u, sums);
    let reciprocal = select(vec4<f32>(0.0), 1.0 / sum, sum > vec4<f32>(0.0));

    if (pattern_wanted) {
        let taken_off = largest;
        // Every lane finds what it wrote itself.
        for (var key = lane; key < keys; key += BLOCK) {
            for (var j = 0u; j < count; j++) {
                let at = pattern_at + j * keys + key;
                var pattern = 0.0;
                if (key < scored) {
                    let score = trace[at];
                    pattern = select(exp(score - taken_off[j]) * reciprocal[j], 0.0, score == UNSEEN);
                }
                trace[at] = pattern;
            }
        }
    }
    let off = extractBits(run[shape.heads_off + head / 32u], head % 32u, 1u) == 1u;
    if (slice == 0u) {
        for (var d = lane; d < size; d += span) {
            for (var j = 0u; j < count; j++) {
                arena[z[j] + d] = select(arena[z[j] + d] * reciprocal[j], 0.0, off);
            }
        }
    }
}
