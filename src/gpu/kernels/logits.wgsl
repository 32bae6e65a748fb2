// What the kernels share that read logits. Their shapes tell how long a row is, `vocabulary`, and where the first one begins,
// `logits`.

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;

// What stands where there is no finite logit.
const LOWEST = -3.4028234e38;

var<workgroup> lanes: array<vec3<f32>, LANES>;

// The logit of a piece, or LOWEST.
fn logit_of(row: u32, id: u32) -> f32 {
    let logit = arena[shape.logits + row * shape.vocabulary + id];
    return select(LOWEST, logit, is_finite(logit));
}

// By its bits: a compiler may take for granted that numbers are finite.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// The sum over all lanes of `value`.
fn sum_of(lane: u32, value: vec3<f32>) -> vec3<f32> {
    workgroupBarrier();
    lanes[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            lanes[lane] += lanes[lane + half];
        }
    }
    return workgroupUniformLoad(&lanes[0]);
}
