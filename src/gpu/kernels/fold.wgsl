// What a layer norm adds to the map behind it, found once when the weights have arrived (`linear.wgsl` says what for):
// for each output the sum of its weights times gamma, and the bias with beta's share in it.
//
// Shapes: W [inputs, outputs], gamma and beta [inputs], bias [outputs] -> [2, outputs].
// Grid:   [column groups of 4 * LANES outputs], workgroups of LANES invocations, each for four columns.

struct Shape {
    inputs: u32,
    outputs: u32,
    // Where things begin in `vectors`; NONE where there is none.
    gamma: u32,
    beta: u32,
    bias: u32,
    scale: u32,
    // Where the results begin in `arena`.
    y: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;

// The weights of input `k` for the four columns of a lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    return opened(weights[weights_at(k, shape.inputs, group * LANES + lane)]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    var gamma_sum: vec4<f32>;
    var beta_sum: vec4<f32>;
    for (var k = 0u; k < shape.inputs; k++) {
        let w = weights_of(k, group.x, local.x);
        gamma_sum += vectors[shape.gamma + k] * w;
        beta_sum += vectors[shape.beta + k] * w;
    }
    var gamma_weights = gamma_sum;
    var beta_weights = beta_sum;
    for (var c = 0u; c < 4u; c++) {
        let output = output_of(group.x, local.x, c);
        if (output < shape.outputs) {
            var scale = 1.0;
            if (shape.scale != NONE) {
                scale = vectors[shape.scale + output];
            }
            var bias = 0.0;
            if (shape.bias != NONE) {
                bias = vectors[shape.bias + output];
            }
            // The map multiplies its products by the scale before it takes the first of these off.
            arena[shape.y + output] = gamma_weights[c] * scale;
            arena[shape.y + shape.outputs + output] = beta_weights[c] * scale + bias;
        }
    }
}
