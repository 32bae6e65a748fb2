// The form for a text, on a GPU: a workgroup computes a tile of 32 rows by 64 columns. It brings DEPTH inputs of its rows and
// of its columns at a time into memory that its invocations share, so that a number read from afar serves all of them
// (Volkov and Demmel 2008, "Benchmarking GPUs to tune dense linear algebra"). While they multiply, the next ones are on their
// way. Every invocation has four rows by four columns; for each of them there are two, which have half of the inputs each.
// What it adds up are variables of their own, and loops are rolled out, for registers have no index.
//
// Grid: [column groups of 4 * LANES outputs, ceil(rows / 32)], workgroups of LANES by ROW_FOURS by PARTS invocations.

const DEPTH = 32u;
const ROW_FOURS = 8u;
const PARTS = 2u;
// Every invocation brings one four of rows and two fours of columns: other numbers do not come out even.
const_assert(LANES == 16u);
// Invocations of a part: one for each four rows by four columns.
const IN_PART = LANES * ROW_FOURS;
// From one input to the next in shared memory: one more than there are, so that neighbouring inputs lie in different banks.
const PITCH_X = ROW_FOURS + 1u;
const PITCH_W = LANES + 1u;

// [input, four of rows] and [input, four of columns].
var<workgroup> shared_x: array<vec4<f32>, DEPTH * PITCH_X>;
var<workgroup> shared_w: array<vec4<f32>, DEPTH * PITCH_W>;

// Where four rows of x begin. Beyond the last row it is read again and its result dropped.
fn begins_of(r: u32, last: u32) -> vec4<u32> {
    let rows = min(vec4<u32>(r, r + 1u, r + 2u, r + 3u), vec4<u32>(last));
    return vec4<u32>(row_in(rows.x), row_in(rows.y), row_in(rows.z), row_in(rows.w)) * shape.inputs + shape.x;
}

// The numbers of four rows at input `k`.
fn inputs_of(begins: vec4<u32>, k: u32) -> vec4<f32> {
    return vec4<f32>(arena[begins.x + k], arena[begins.y + k], arena[begins.z + k], arena[begins.w + k]);
}

@compute @workgroup_size(LANES, ROW_FOURS, PARTS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first = group.y * 4u * ROW_FOURS;
    let last = row_count() - 1u;
    let norm = normed();

    // Every invocation brings a four of rows and two fours of columns, all at the same input. They are left as they came until
    // they are shared: whoever touches a number waits for it.
    let depth = invocation % DEPTH;
    let own = invocation / DEPTH;
    let begins = begins_of(first + own * 4u, last);
    let at_0 = weights_at(depth, shape.inputs, group.x * LANES + own);
    let at_1 = weights_at(depth, shape.inputs, group.x * LANES + own + LANES / 2u);
    let at_gamma = select(0u, shape.gamma, norm) + depth;
    var x = inputs_of(begins, depth);
    var w_0 = weights[at_0];
    var w_1 = weights[at_1];
    var gamma = vectors[at_gamma];
    // Of what it brings, for the norm.
    var sums: vec4<f32>;
    var squares: vec4<f32>;

    // Four rows for each of four columns.
    var product_0: vec4<f32>;
    var product_1: vec4<f32>;
    var product_2: vec4<f32>;
    var product_3: vec4<f32>;
    for (var begin = 0u; begin < shape.inputs; begin += DEPTH) {
        // Beyond the last input there may be any weights.
        let inputs = select(vec4<f32>(0.0), x, begin + depth < shape.inputs);
        let by = select(1.0, gamma, norm);
        shared_x[depth * PITCH_X + own] = inputs;
        shared_w[depth * PITCH_W + own] = opened(w_0) * by;
        shared_w[depth * PITCH_W + own + LANES / 2u] = opened(w_1) * by;
        sums += inputs;
        squares += inputs * inputs;
        workgroupBarrier();

        let next = begin + DEPTH;
        x = inputs_of(begins, next + depth);
        w_0 = weights[at_0 + next * PANEL];
        w_1 = weights[at_1 + next * PANEL];
        gamma = vectors[at_gamma + next];

        let k_0 = local.z * (DEPTH / PARTS);
        for (var k = k_0; k < k_0 + DEPTH / PARTS; k += 4u) {
            let at_x = k * PITCH_X + local.y;
            let at_w = k * PITCH_W + local.x;
            let a_0 = shared_x[at_x];
            let b_0 = shared_w[at_w];
            let a_1 = shared_x[at_x + PITCH_X];
            let b_1 = shared_w[at_w + PITCH_W];
            let a_2 = shared_x[at_x + 2u * PITCH_X];
            let b_2 = shared_w[at_w + 2u * PITCH_W];
            let a_3 = shared_x[at_x + 3u * PITCH_X];
            let b_3 = shared_w[at_w + 3u * PITCH_W];
            product_0 += a_0 * b_0.x;
            product_1 += a_0 * b_0.y;
            product_2 += a_0 * b_0.z;
            product_3 += a_0 * b_0.w;
            product_0 += a_1 * b_1.x;
            product_1 += a_1 * b_1.y;
            product_2 += a_1 * b_1.z;
            product_3 += a_1 * b_1.w;
            product_0 += a_2 * b_2.x;
            product_1 += a_2 * b_2.y;
            product_2 += a_2 * b_2.z;
            product_3 += a_2 * b_2.w;
            product_0 += a_3 * b_3.x;
            product_1 += a_3 * b_3.y;
            product_2 += a_3 * b_3.z;
            product_3 += a_3 * b_3.w;
        }
        workgroupBarrier();
    }

    var stats: Statistics;
    if (norm) {
        let at_x = depth * PITCH_X + own;
        let at_w = depth * PITCH_W + own;
        shared_x[at_x] = sums;
        shared_w[at_w] = squares;
        for (var half = DEPTH / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (depth < half) {
                shared_x[at_x] += shared_x[at_x + half * PITCH_X];
                shared_w[at_w] += shared_w[at_w + half * PITCH_W];
            }
        }
        workgroupBarrier();
        stats = statistics(shared_x[local.y], shared_w[local.y]);
        workgroupBarrier();
    }

    // Each part gives two columns away and finishes the other two.
    let inner = local.y * LANES + local.x;
    let is_first = local.z == 0u;
    shared_w[local.z * 2u * IN_PART + inner] = select(product_0, product_2, is_first);
    shared_w[(local.z * 2u + 1u) * IN_PART + inner] = select(product_1, product_3, is_first);
    workgroupBarrier();
    let theirs = (1u - local.z) * 2u * IN_PART + inner;
    var products = array<vec4<f32>, 2>(
        select(product_2, product_0, is_first) + shared_w[theirs],
        select(product_3, product_1, is_first) + shared_w[theirs + IN_PART],
    );
    let r = first + local.y * 4u;
    if (r > last) {
        return;
    }
    let count = min(last + 1u - r, 4u);
    for (var c = 0u; c < 2u; c++) {
        let output = output_of(group.x, local.x, local.z * 2u + c);
        if (output < shape.outputs) {
            finish(r, count, output, products[c], stats);
        }
    }
}
