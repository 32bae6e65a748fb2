// The best of each row of logits, and what softmax needs to give them probabilities, so that nobody has to read the
// whole row.
//
// Shapes: logits [row, vocabulary] -> best [row, LIST], by way of maxima [row, group] and parts [row, part, 4].
// Of equal logits the lower id comes first. A list has LIST numbers: the largest logit, the sum of e^(logit - largest),
// the same at the run's temperature, how many logits are no finite numbers, the TOP best logits, and their ids as
// numbers, which f32 holds exactly up to 2^24. (As bits they would be denormal, and a GPU may take those for 0.)
//
// There are two steps, since workgroups cannot wait for each other. The first (top_part.wgsl) reads all logits, and
// leaves the largest of each group of GROUP neighbours. The TOP best logits lie in the TOP groups with the best of
// these: were one of them in another group, each of those groups would hold a better one. So the second step
// (top_row.wgsl) sorts a sixteenth of the row and what those groups hold, and nothing else (Gaihre et al. 2021,
// "Dr. Top-k: delegate-centric top-k on GPUs").

struct Shape {
    vocabulary: u32,
    // Where things begin in `arena`.
    logits: u32,
    maxima: u32,
    parts: u32,
    best: u32,
    // Where entries are sorted, if not in memory that invocations share.
    sorted: u32,
}

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
    workgroupBarrier();
    return lanes[0];
}

// e^difference at temperature 1 and at the run's. The bounds keep infinities out, about which GPUs may do as they like;
// e^-100 adds nothing to a sum that begins with e^0.
fn weights_of(difference: f32) -> vec2<f32> {
    let finite = max(difference, LOWEST);
    let heated = finite * bitcast<f32>(run[RUN_INVERSE_TEMPERATURE]);
    return exp(max(vec2<f32>(finite, heated), vec2<f32>(-100.0)));
}
