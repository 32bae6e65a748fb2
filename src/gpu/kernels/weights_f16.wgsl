// Weights in half precision, two to a word. No `shader-f16` is needed: a word is opened into two numbers of 32 bits.
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

alias Four = vec2<u32>;

fn opened(four: Four) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(four.x), unpack2x16float(four.y));
}
