// The form for a text, in software, to which a number read costs as much as ten products, and memory that invocations
// share has to be cleared number by number: every invocation computes eight rows by sixteen columns. A weight that was
// read serves eight rows, a number of x all columns. How invocations come by eight rows is said in rows_alone.wgsl and
// rows_subgroup.wgsl.
//
// Grid: [column groups of 4 * LANES outputs, ceil(rows / 8)], workgroups of LANES / 4 invocations.

const INVOCATIONS = LANES / 4u;

// The products of four rows of x with four columns of W: a vector of the rows for each column.
fn outer(x: vec4<f32>, w: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(x * w.x, x * w.y, x * w.z, x * w.w);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first = group.y * 8u;
    let last = row_count() - 1u;
    let begins = begins_of(first, last);

    // For each four of the columns, rows 0 to 3 and rows 4 to 7. Variables of their own stay in registers.
    var upper_0: mat4x4<f32>;
    var upper_1: mat4x4<f32>;
    var upper_2: mat4x4<f32>;
    var upper_3: mat4x4<f32>;
    var lower_0: mat4x4<f32>;
    var lower_1: mat4x4<f32>;
    var lower_2: mat4x4<f32>;
    var lower_3: mat4x4<f32>;
    // Of the rows that it reads the sums and the sums of squares, which a norm needs. They are made without one too: a branch
    // costs this loop more.
    var sums: Own;
    var squares: Own;
    let norm = normed();
    for (var k = 0u; k < shape.inputs; k++) {
        let own = own_of(begins, k);
        sums += own;
        squares += squared(own);
        let x = rows_of(own * gamma_of(k, norm));
        let w_0 = weights_of(k, group.x, local.x);
        upper_0 += outer(x[0], w_0);
        lower_0 += outer(x[1], w_0);
        let w_1 = weights_of(k, group.x, local.x + INVOCATIONS);
        upper_1 += outer(x[0], w_1);
        lower_1 += outer(x[1], w_1);
        let w_2 = weights_of(k, group.x, local.x + 2u * INVOCATIONS);
        upper_2 += outer(x[0], w_2);
        lower_2 += outer(x[1], w_2);
        let w_3 = weights_of(k, group.x, local.x + 3u * INVOCATIONS);
        upper_3 += outer(x[0], w_3);
        lower_3 += outer(x[1], w_3);
    }

    var products = array<mat4x4<f32>, 8>(
        upper_0, upper_1, upper_2, upper_3, lower_0, lower_1, lower_2, lower_3,
    );
    let all_sums = rows_of(sums);
    let all_squares = rows_of(squares);
    // One call in a loop, since every call is compiled anew.
    for (var half = 0u; half < 2u && first + half * 4u <= last; half++) {
        let r = first + half * 4u;
        let count = min(last + 1u - r, 4u);
        var stats: Statistics;
        if (norm) {
            stats = statistics(all_sums[half], all_squares[half]);
        }
        for (var c = 0u; c < 16u; c++) {
            let output = output_of(group.x, local.x + c / 4u * INVOCATIONS, c % 4u);
            if (output < shape.outputs) {
                finish(r, count, output, products[half * 4u + c / 4u][c % 4u], stats);
            }
        }
    }
}
