// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), scores, probabilities and context in one pass:
//
//     score[key] = q · k[key] * scale,   pattern = softmax(score),   z = sum over keys of pattern[key] * v[key]
//
// Shapes: q, v, z [position, head, head size]; keys [head, head size, position].
// Scores and pattern, [head, query, key], are written where `wants` says so. Under a causal mask a query sees its own
// position and those before it; the score of an unseen key is written as it is, its probability is 0. A run may flip
// cells of the mask and switch heads off.
//
// Both forms of the kernel take some keys at a time (Milakov and Gimelshein 2018, "Online normalizer calculation for
// softmax"): with the largest score so far taken off, exponentials stay finite, and what was summed up before a larger one
// came is shrunk by as much. This file holds what they share: four queries at a time (attention_tile.wgsl) on a GPU, and
// four keys at a time (attention_software.wgsl) where each number read is dear.

struct Shape {
    heads: u32,
    head_size: u32,
    scale: f32,
    // How many positions a query sees at most: its own and those before it. 0 where it sees every position.
    window: u32,
    q: u32,
    keys: u32,
    values: u32,
    z: u32,
    // Where `run` says where these go.
    want_scores: u32,
    want_pattern: u32,
    // In `run`: where the words begin that have a bit for each head of this block that is switched off, 32 heads to a word;
    // and those that have one for each cell of the mask that is flipped, words of their own for each query.
    heads_off: u32,
    edits: u32,
    // Positions that there is room for.
    capacity: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

// What stands in the place of a score that is not seen.
const UNSEEN = -3.4e38;

// Whether a query sees a key.
fn sees(query: u32, key: u32, edited: bool) -> bool {
    var seen = shape.window == 0u || (key <= query && query - key < shape.window);
    if (edited) {
        let word = run[shape.edits + query * ((shape.capacity + 31u) / 32u) + key / 32u];
        seen = seen != (extractBits(word, key % 32u, 1u) == 1u);
    }
    return seen;
}
