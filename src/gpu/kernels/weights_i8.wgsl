// Weights as whole numbers from -127 to 127, four to a word; the scale of each output is multiplied in at the end.
@group(0) @binding(1) var<storage, read> weights: array<u32>;

// The weights of input `k` for the four columns of this lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    return unpack4x8snorm(weights[k * (shape.padded / 4u) + group * LANES + lane]) * 127.0;
}

// The output that column `c` of this lane computes.
fn output_of(group: u32, lane: u32, c: u32) -> u32 {
    return (group * LANES + lane) * 4u + c;
}

// The weight of input `k` for `output`.
fn weight_of(k: u32, output: u32) -> f32 {
    return unpack4x8snorm(weights[(k * shape.padded + output) / 4u])[output % 4u] * 127.0;
}
