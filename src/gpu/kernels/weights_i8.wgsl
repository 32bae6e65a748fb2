// Weights as whole numbers from -128 to 127, four to a word; the scale of each output is multiplied in at the end.
@group(0) @binding(1) var<storage, read> weights: array<u32>;

alias Four = u32;

// Each byte is moved to the top of a word of its own, whose sign is the byte's then. (`unpack4x8snorm` takes -128 for -127.)
fn opened(four: Four) -> vec4<f32> {
    let tops = vec4<u32>(four << 24u, four << 16u, four << 8u, four) & vec4<u32>(0xff000000u);
    return vec4<f32>(bitcast<vec4<i32>>(tops)) / 16777216.0;
}
