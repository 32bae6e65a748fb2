// Weights in half precision, two to a word. No `shader-f16` is needed: a word is opened into two numbers of 32 bits.
@group(0) @binding(1) var<storage, read> weights: array<u32>;

// The weights of input `k` for the four columns of this lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    let at = k * (shape.padded / 2u) + group * 2u * LANES + lane;
    return vec4<f32>(unpack2x16float(weights[at]), unpack2x16float(weights[at + LANES]));
}

// The output that column `c` of this lane computes.
fn output_of(group: u32, lane: u32, c: u32) -> u32 {
    return ((group * 2u + c / 2u) * LANES + lane) * 2u + c % 2u;
}

// The weight of input `k` for `output`.
fn weight_of(k: u32, output: u32) -> f32 {
    return unpack2x16float(weights[(k * shape.padded + output) / 2u])[output % 2u];
}
