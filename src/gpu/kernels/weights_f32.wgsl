// Weights as they are: each invocation's four columns lie LANES apart, so that neighbouring invocations read
// neighbouring numbers.
@group(0) @binding(1) var<storage, read> weights: array<f32>;

// The weights of input `k` for the four columns of this lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    let at = k * shape.padded + group * 4u * LANES + lane;
    return vec4<f32>(weights[at], weights[at + LANES], weights[at + 2u * LANES], weights[at + 3u * LANES]);
}

// The output that column `c` of this lane computes.
fn output_of(group: u32, lane: u32, c: u32) -> u32 {
    return (group * 4u + c) * LANES + lane;
}

// The weight of input `k` for `output`.
fn weight_of(k: u32, output: u32) -> f32 {
    return weights[k * shape.padded + output];
}
