// Layer norm of rows (Ba et al. 2016), for the trace only: the maps that need a norm compute it on their way.
//
// Shapes: x [position, hidden] -> [row, hidden].
// Grid:   [rows], a workgroup of LANES invocations for each row.

struct Shape {
    hidden: u32,
    x: u32,
    gamma: u32,
    beta: u32,
    epsilon: f32,
    // Where `run` says where the rows go.
    want: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

var<workgroup> lanes: array<f32, LANES>;

// The sum over all lanes of `value`.
fn sum_of(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    lanes[lane] = value;
    workgroupBarrier();
    var sum = 0.0;
    for (var other = 0u; other < LANES; other++) {
        sum += lanes[other];
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.x;
    let lane = local.x;
    let x = shape.x + (run[RUN_PAST] + row) * shape.hidden;
    let count = f32(shape.hidden);
    var sum = 0.0;
    for (var d = lane; d < shape.hidden; d += LANES) {
        sum += arena[x + d];
    }
    let mean = sum_of(lane, sum) / count;
    var squares = 0.0;
    for (var d = lane; d < shape.hidden; d += LANES) {
        let off = arena[x + d] - mean;
        squares += off * off;
    }
    let inverse = inverseSqrt(sum_of(lane, squares) / count + shape.epsilon);
    for (var d = lane; d < shape.hidden; d += LANES) {
        let y = (arena[x + d] - mean) * inverse * vectors[shape.gamma + d] + vectors[shape.beta + d];
        trace[run[shape.want] + row * shape.hidden + d] = y;
    }
}
