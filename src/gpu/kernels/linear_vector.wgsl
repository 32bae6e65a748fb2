// The form for one token: every invocation computes four columns of one row, and SLICES of them share the inputs
// among each other, so that a wide processor has enough to do.
//
// Grid: [column groups of 4 * LANES outputs, rows], workgroups of LANES by SLICES invocations.

var<workgroup> shared_products: array<vec4<f32>, SHARED>;
var<workgroup> shared_sums: array<vec2<f32>, SHARED>;

@compute @workgroup_size(LANES, SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let r = group.y;
    let at = shape.x + row_in(r) * shape.inputs;
    var product: vec4<f32>;
    var sums: vec2<f32>;
    let norm = normed();
    for (var k = local.y; k < shape.inputs; k += SLICES) {
        let x = arena[at + k];
        sums += vec2<f32>(x, x * x);
        product += x * gamma_of(k, norm) * weights_of(k, group.x, local.x);
    }

    if (SLICES > 1u) {
        let own = local.y * LANES + local.x;
        shared_products[own] = product;
        shared_sums[own] = sums;
        workgroupBarrier();
        if (local.y > 0u) {
            return;
        }
        for (var slice = 1u; slice < SLICES; slice++) {
            product += shared_products[slice * LANES + local.x];
            sums += shared_sums[slice * LANES + local.x];
        }
    }

    var stats: Statistics;
    if (norm) {
        stats = statistics(vec4<f32>(sums.x), vec4<f32>(sums.y));
        if (group.x == 0u && local.x == 0u) {
            keep(r, 1u, stats);
        }
    }
    var products = product;
    for (var c = 0u; c < 4u; c++) {
        let output = output_of(group.x, local.x, c);
        if (output < shape.outputs) {
            finish(r, 1u, output, vec4<f32>(products[c]), stats);
        }
    }
}
