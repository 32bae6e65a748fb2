// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), scores, probabilities and context in one pass:
//
//     score[key] = q · k[key] * scale,   pattern = softmax(score),   z = sum over keys of pattern[key] * v[key]
//
// Shapes: q, v, z [position, head, head size]; keys [head, head size, position].
// Grid:   [heads, rows], a workgroup of LANES invocations for each query of each head. They share the keys among each
//         other for the scores, and the dimensions of the head for the context.
// Scores and pattern, [head, query, key], are written where `wants` says so. Under a causal mask a query sees its own
// position and those before it; the score of an unseen key is written as it is, its probability is 0. A run may flip
// cells of the mask and switch heads off.

struct Shape {
    heads: u32,
    head_size: u32,
    scale: f32,
    causal: u32,
    q: u32,
    keys: u32,
    values: u32,
    z: u32,
    want_scores: u32,
    want_pattern: u32,
    // Which word of `run` has a bit for each head of this block that is switched off; 32 heads to a word.
    heads_off: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

var<workgroup> weight: array<f32, CAPACITY>;
var<workgroup> lanes: array<f32, LANES>;

// Whether a query sees a key.
fn sees(query: u32, key: u32, edited: bool) -> bool {
    var seen = shape.causal == 0u || key <= query;
    if (edited) {
        let word = run[RUN_EDITS + query * EDIT_WORDS + key / 32u];
        seen = seen != (extractBits(word, key % 32u, 1u) == 1u);
    }
    return seen;
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
    let reach = select(keys, position + 1u, shape.causal != 0u && !edited);
    let q = shape.q + position * hidden + head * size;
    let k = shape.keys + head * size * CAPACITY;

    // Where this row of the scores and of the pattern goes, if it goes anywhere.
    let scores_wanted = run[RUN_WANTS + shape.want_scores] != NONE;
    let pattern_wanted = run[RUN_WANTS + shape.want_pattern] != NONE;
    let map_row = (head * run[RUN_ROWS] + row) * keys;
    let scores_at = run[RUN_WANTS + shape.want_scores] + map_row;
    let pattern_at = run[RUN_WANTS + shape.want_pattern] + map_row;

    // Scores, and the largest of those that are seen: softmax stays the same and finite when it is taken off.
    var largest = -3.4e38;
    let scored = select(reach, keys, scores_wanted);
    for (var key = lane; key < scored; key += LANES) {
        var score = 0.0;
        for (var d = 0u; d < size; d++) {
            score += arena[q + d] * arena[k + d * CAPACITY + key];
        }
        score *= shape.scale;
        if (scores_wanted) {
            trace[scores_at + key] = score;
        }
        weight[key] = score;
        if (sees(position, key, edited)) {
            largest = max(largest, score);
        }
    }
    lanes[lane] = largest;
    workgroupBarrier();
    for (var other = 0u; other < LANES; other++) {
        largest = max(largest, lanes[other]);
    }
    workgroupBarrier();

    var sum = 0.0;
    for (var key = lane; key < reach; key += LANES) {
        let e = select(0.0, exp(weight[key] - largest), sees(position, key, edited));
        weight[key] = e;
        sum += e;
    }
    lanes[lane] = sum;
    workgroupBarrier();
    sum = 0.0;
    for (var other = 0u; other < LANES; other++) {
        sum += lanes[other];
    }
    // A query that sees nothing gets nothing.
    let reciprocal = select(0.0, 1.0 / sum, sum > 0.0);

    if (pattern_wanted) {
        for (var key = lane; key < keys; key += LANES) {
            trace[pattern_at + key] = select(0.0, weight[key] * reciprocal, key < reach);
        }
    }
    let off = extractBits(run[RUN_HEADS + shape.heads_off + head / 32u], head % 32u, 1u) == 1u;
    let v = shape.values + head * size;
    for (var d = lane; d < size; d += LANES) {
        var z = 0.0;
        for (var key = 0u; key < reach; key++) {
            z += weight[key] * arena[v + key * hidden + d];
        }
        arena[shape.z + position * hidden + head * size + d] = select(z * reciprocal, 0.0, off);
    }
}
