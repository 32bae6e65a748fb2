// What all types of weights have in common. A matrix lies row after row, with all outputs of an input side by side; every
// invocation has four neighbouring outputs, which one read brings, and neighbouring invocations have neighbouring fours.

// The weights of input `k` for the four columns of this lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    return four_weights(k * (shape.padded / 4u) + group * LANES + lane);
}

// The output that column `c` of this lane computes.
fn output_of(group: u32, lane: u32, c: u32) -> u32 {
    return (group * LANES + lane) * 4u + c;
}

// The weight of input `k` for `output`.
fn weight_of(k: u32, output: u32) -> f32 {
    return four_weights((k * shape.padded + output) / 4u)[output % 4u];
}
