// The form for a text: every invocation computes eight rows by four columns. A weight that was read serves eight rows,
// a number of x four columns, and neighbouring invocations read neighbouring weights.
//
// Grid: [column groups of 4 * LANES outputs, ceil(rows / 8)], workgroups of LANES invocations.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first = group.y * 8u;
    let last = row_count() - 1u;
    // Where each of the eight rows of x begins. Beyond the last row it is read again and its result dropped.
    let x = shape.x;
    let n = shape.inputs;
    let at_0 = x + row_in(min(first, last)) * n;
    let at_1 = x + row_in(min(first + 1u, last)) * n;
    let at_2 = x + row_in(min(first + 2u, last)) * n;
    let at_3 = x + row_in(min(first + 3u, last)) * n;
    let at_4 = x + row_in(min(first + 4u, last)) * n;
    let at_5 = x + row_in(min(first + 5u, last)) * n;
    let at_6 = x + row_in(min(first + 6u, last)) * n;
    let at_7 = x + row_in(min(first + 7u, last)) * n;

    // For each of the four columns, rows 0 to 3 and rows 4 to 7. Variables of their own stay in registers.
    var a_0: vec4<f32>;
    var a_1: vec4<f32>;
    var a_2: vec4<f32>;
    var a_3: vec4<f32>;
    var b_0: vec4<f32>;
    var b_1: vec4<f32>;
    var b_2: vec4<f32>;
    var b_3: vec4<f32>;
    var sum_a: vec4<f32>;
    var sum_b: vec4<f32>;
    var squares_a: vec4<f32>;
    var squares_b: vec4<f32>;
    let norm = normed();
    for (var k = 0u; k < n; k++) {
        var a = vec4<f32>(arena[at_0 + k], arena[at_1 + k], arena[at_2 + k], arena[at_3 + k]);
        var b = vec4<f32>(arena[at_4 + k], arena[at_5 + k], arena[at_6 + k], arena[at_7 + k]);
        if (norm) {
            sum_a += a;
            sum_b += b;
            squares_a += a * a;
            squares_b += b * b;
            let gamma = vectors[shape.gamma + k];
            a *= gamma;
            b *= gamma;
        }
        let w = weights_of(k, group.x, local.x);
        a_0 += a * w.x;
        a_1 += a * w.y;
        a_2 += a * w.z;
        a_3 += a * w.w;
        b_0 += b * w.x;
        b_1 += b * w.y;
        b_2 += b * w.z;
        b_3 += b * w.w;
    }

    var upper: Statistics;
    var lower: Statistics;
    if (norm) {
        upper = statistics(sum_a, squares_a);
        lower = statistics(sum_b, squares_b);
        if (group.x == 0u && local.x < 8u && first + local.x <= last) {
            var means = array<vec4<f32>, 2>(upper.mean, lower.mean);
            var inverses = array<vec4<f32>, 2>(upper.inverse, lower.inverse);
            let half = local.x / 4u;
            keep(first + local.x, means[half][local.x % 4u], inverses[half][local.x % 4u]);
        }
    }
    let rows = last - first + 1u;
    // One call in a loop, since every call is compiled anew: with two of them software takes twice as long to begin.
    var products = array<vec4<f32>, 8>(a_0, a_1, a_2, a_3, b_0, b_1, b_2, b_3);
    for (var i = 0u; i < 8u; i++) {
        let row = i / 4u * 4u;
        let output = output_of(group.x, local.x, i % 4u);
        if (output < shape.outputs && row < rows) {
            var stats = upper;
            if (row > 0u) {
                stats = lower;
            }
            finish(first + row, min(rows - row, 4u), output, products[i], stats);
        }
    }
}
