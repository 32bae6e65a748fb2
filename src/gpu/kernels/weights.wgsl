// What all types of weights have in common. A matrix lies in panels of PANEL fours of neighbouring outputs: in a panel, input
// after input, the weights of its outputs side by side. One read brings four outputs of an input. Where invocations stand side
// by side along the outputs, a panel is as wide as their workgroup; where they do along the inputs, it is one four wide: they
// read memory as it lies either way.

// Where the weights of input `k`, of as many as there are, for the four outputs numbered `four` lie.
fn weights_at(k: u32, inputs: u32, four: u32) -> u32 {
    return (four / PANEL * inputs + k) * PANEL + four % PANEL;
}

// The output that column `c` of a lane computes.
fn output_of(group: u32, lane: u32, c: u32) -> u32 {
    return (group * LANES + lane) * 4u + c;
}
