// Weights as whole numbers from -127 to 127, four to a word; the scale of each output is multiplied in at the end.
@group(0) @binding(1) var<storage, read> weights: array<u32>;

alias Four = u32;

fn opened(four: Four) -> vec4<f32> {
    return unpack4x8snorm(four) * 127.0;
}
