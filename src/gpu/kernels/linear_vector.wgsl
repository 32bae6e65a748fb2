// The form for a few rows, one token's above all: LANES times SLICES invocations compute four columns for each lane, of one
// row. The slices share the inputs among each other, neighbours at neighbouring inputs, so that a wide processor has enough to
// do; each has four inputs on their way at a time, since the way from memory is long.
//
// Grid: [rows, column groups of 4 * LANES outputs], workgroups of LANES * SLICES invocations.

// Halves are taken of them.
const_assert((SLICES & (SLICES - 1u)) == 0u);

var<workgroup> shared_products: array<vec4<f32>, SHARED>;
var<workgroup> shared_sums: array<vec2<f32>, SHARED>;

// The number of x at input `k` of the row that begins at `at`; 0 beyond the last, where weights may be any.
fn input_of(at: u32, k: u32) -> f32 {
    return select(0.0, arena[at + k], k < shape.inputs);
}

@compute @workgroup_size(LANES * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let r = group.x;
    let slice = local.x % SLICES;
    let lane = local.x / SLICES;
    let at = shape.x + row_in(r) * shape.inputs;
    let norm = normed();
    var product: vec4<f32>;
    var sums: vec2<f32>;
    for (var k = slice; k < shape.inputs; k += 4u * SLICES) {
        let k_1 = k + SLICES;
        let k_2 = k_1 + SLICES;
        let k_3 = k_2 + SLICES;
        let x = vec4<f32>(arena[at + k], input_of(at, k_1), input_of(at, k_2), input_of(at, k_3));
        let gamma = vec4<f32>(gamma_of(k, norm), gamma_of(k_1, norm), gamma_of(k_2, norm), gamma_of(k_3, norm));
        let scaled = x * gamma;
        sums += vec2<f32>(dot(x, vec4<f32>(1.0)), dot(x, x));
        let w = weights_of(k, group.y, lane);
        let w_1 = weights_of(k_1, group.y, lane);
        let w_2 = weights_of(k_2, group.y, lane);
        let w_3 = weights_of(k_3, group.y, lane);
        // One after the other, as a tile adds: what the cache holds of a token is then what a whole text computes.
        product += scaled.x * w;
        product += scaled.y * w_1;
        product += scaled.z * w_2;
        product += scaled.w * w_3;
    }

    if (SLICES > 1u) {
        let own = local.x;
        shared_products[own] = product;
        shared_sums[own] = sums;
        // Half of the slices take over from the other half, and half of them again.
        for (var half = SLICES / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (slice < half) {
                shared_products[own] += shared_products[own + half];
                shared_sums[own] += shared_sums[own + half];
            }
        }
        workgroupBarrier();
        product = shared_products[lane * SLICES];
        sums = shared_sums[lane * SLICES];
    }

    var stats: Statistics;
    if (norm) {
        stats = statistics(vec4<f32>(sums.x), vec4<f32>(sums.y));
    }
    var products = product;
    for (var c = slice; c < 4u; c += SLICES) {
        let output = output_of(group.y, lane, c);
        if (output < shape.outputs) {
            finish(r, 1u, output, vec4<f32>(products[c]), stats);
        }
    }
}
