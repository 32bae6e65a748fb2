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

    // For each column, rows 0 to 3 and rows 4 to 7.
    var upper: mat4x4<f32>;
    var lower: mat4x4<f32>;
    var sum_upper: vec4<f32>;
    var sum_lower: vec4<f32>;
    var squares_upper: vec4<f32>;
    var squares_lower: vec4<f32>;
    for (var k = 0u; k < n; k++) {
        var a = vec4<f32>(arena[at_0 + k], arena[at_1 + k], arena[at_2 + k], arena[at_3 + k]);
        var b = vec4<f32>(arena[at_4 + k], arena[at_5 + k], arena[at_6 + k], arena[at_7 + k]);
        if (NORM) {
            sum_upper += a;
            sum_lower += b;
            squares_upper += a * a;
            squares_lower += b * b;
            let gamma = vectors[shape.gamma + k];
            a *= gamma;
            b *= gamma;
        }
        let w = weights_of(k, group.x, local.x);
        upper[0] += a * w.x;
        upper[1] += a * w.y;
        upper[2] += a * w.z;
        upper[3] += a * w.w;
        lower[0] += b * w.x;
        lower[1] += b * w.y;
        lower[2] += b * w.z;
        lower[3] += b * w.w;
    }

    for (var i = 0u; i < 8u; i++) {
        let r = first + i;
        if (r > last) {
            break;
        }
        var stats: vec2<f32>;
        if (NORM) {
            let sum = select(sum_lower[i % 4u], sum_upper[i % 4u], i < 4u);
            let squares = select(squares_lower[i % 4u], squares_upper[i % 4u], i < 4u);
            stats = statistics(sum, squares);
            if (group.x == 0u && local.x == 0u && shape.stats != NONE) {
                arena[shape.stats + row_out(r) * 2u] = stats.x;
                arena[shape.stats + row_out(r) * 2u + 1u] = stats.y;
            }
        }
        for (var c = 0u; c < 4u; c++) {
            let output = output_of(group.x, local.x, c);
            if (output < shape.outputs) {
                finish(r, output, select(lower[c][i % 4u], upper[c][i % 4u], i < 4u), stats);
            }
        }
    }
}
