// The form for a text, in software, to which a number read costs as much as ten products, and memory that invocations
// share has to be cleared number by number: every invocation computes eight rows by sixteen columns. A weight that was
// read serves eight rows, a number of x all columns.
//
// Grid: [column groups of 4 * LANES outputs, ceil(rows / 8)], workgroups of LANES / 4 invocations.

const INVOCATIONS = LANES / 4u;

// The numbers of four rows.
fn four(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(arena[at.x], arena[at.y], arena[at.z], arena[at.w]);
}

// The products of four rows of x with four columns of W: a vector of the rows for each column.
fn outer(x: vec4<f32>, w: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(x * w.x, x * w.y, x * w.z, x * w.w);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first = group.y * 8u;
    let last = row_count() - 1u;
    // Where each of the eight rows of x begins. Beyond the last row it is read again and its result dropped.
    var begins: array<u32, 8>;
    for (var r = 0u; r < 8u; r++) {
        begins[r] = shape.x + row_in(min(first + r, last)) * shape.inputs;
    }
    let upper = vec4<u32>(begins[0], begins[1], begins[2], begins[3]);
    let lower = vec4<u32>(begins[4], begins[5], begins[6], begins[7]);

    // For each four of the columns, rows 0 to 3 and rows 4 to 7. Variables of their own stay in registers.
    var upper_0: mat4x4<f32>;
    var upper_1: mat4x4<f32>;
    var upper_2: mat4x4<f32>;
    var upper_3: mat4x4<f32>;
    var lower_0: mat4x4<f32>;
    var lower_1: mat4x4<f32>;
    var lower_2: mat4x4<f32>;
    var lower_3: mat4x4<f32>;
    // Of each row the sum and the sum of squares, which a norm needs. They are made without one too: a branch costs this loop
    // more.
    var upper_sum: vec4<f32>;
    var lower_sum: vec4<f32>;
    var upper_squares: vec4<f32>;
    var lower_squares: vec4<f32>;
    let norm = normed();
    for (var k = 0u; k < shape.inputs; k++) {
        let gamma = gamma_of(k, norm);
        let upper_x = four(upper + k);
        let lower_x = four(lower + k);
        upper_sum += upper_x;
        lower_sum += lower_x;
        upper_squares += upper_x * upper_x;
        lower_squares += lower_x * lower_x;
        let a = upper_x * gamma;
        let b = lower_x * gamma;
        let w_0 = weights_of(k, group.x, local.x);
        upper_0 += outer(a, w_0);
        lower_0 += outer(b, w_0);
        let w_1 = weights_of(k, group.x, local.x + INVOCATIONS);
        upper_1 += outer(a, w_1);
        lower_1 += outer(b, w_1);
        let w_2 = weights_of(k, group.x, local.x + 2u * INVOCATIONS);
        upper_2 += outer(a, w_2);
        lower_2 += outer(b, w_2);
        let w_3 = weights_of(k, group.x, local.x + 3u * INVOCATIONS);
        upper_3 += outer(a, w_3);
        lower_3 += outer(b, w_3);
    }

    var products = array<mat4x4<f32>, 8>(
        upper_0, upper_1, upper_2, upper_3, lower_0, lower_1, lower_2, lower_3,
    );
    // One call in a loop, since every call is compiled anew.
    for (var half = 0u; half < 2u && first + half * 4u <= last; half++) {
        let r = first + half * 4u;
        let count = min(last + 1u - r, 4u);
        var stats: Statistics;
        if (norm) {
            let is_lower = half == 1u;
            stats = statistics(
                select(upper_sum, lower_sum, is_lower),
                select(upper_squares, lower_squares, is_lower),
            );
        }
        for (var c = 0u; c < 16u; c++) {
            let output = output_of(group.x, local.x + c / 4u * INVOCATIONS, c % 4u);
            if (output < shape.outputs) {
                finish(r, count, output, products[half * 4u + c / 4u][c % 4u], stats);
            }
        }
    }
}
