// Weights as they are.
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;

fn four_weights(at: u32) -> vec4<f32> {
    return weights[at];
}
