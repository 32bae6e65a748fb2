// Draws the next token from the best of a row of logits: temperature, top-k (Fan et al. 2018), top-p (Holtzman et al.
// 2019), rescaling, and a draw by a uniform number, in the order of `lesson::sampling`.
//
// Shapes: best [LIST], as top.wgsl leaves it -> drawn [2], an id as a number, and 1 if it is decided or 0.
// Grid:   [1, 1], a single invocation: it has little to do.
//
// The draw is not decided where it lies beyond the TOP best, where a logit is no finite number, and where it lies so
// near to the border between two candidates that rounding could decide it: `lesson::sampling` computes in f64. All of
// these come out alike: the draw is done twice, with everything that is not known exactly taken as small and as large
// as it may be. A larger sum can only move the draw to a later candidate, so it is decided if both say the same.
//
// A draw that is not decided names the most probable piece, so that whatever goes on from it reads within its tables.

struct Shape {
    vocabulary: u32,
    // Where things begin in `arena`.
    best: u32,
    drawn: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;

// How far a sum of e^x over a vocabulary may be off, relative to itself. WGSL allows e^x to be off by 3 + 2 |x| units
// in the last place; where 50,000 pieces have a part in the sum, |x| is about 11 in the mean: 3e-6, and as much again
// for x.
const ROUNDING = 2e-5;
const LOWEST = -3.4028234e38;

// For each listed candidate the sum of its weight and of those before it.
var<private> sums: array<f32, TOP>;

// The rank that is drawn if the candidates within k weigh `pool` together; the nucleus weighs up to `overshoot` more
// than it must, and sums are off by the factor `rounding`. `listed` if the draw lies beyond the listed ones.
fn rank_of(listed: u32, all_listed: bool, pool: f32, overshoot: f32, rounding: f32) -> u32 {
    // The fewest candidates that reach p together. What lies beyond the list adds one candidate too many at most.
    let reach = bitcast<f32>(run[RUN_TOP_P]) * pool * rounding;
    var total = min(reach + overshoot, pool);
    var kept = listed;
    var all_kept_listed = all_listed;
    for (var rank = 0u; rank < listed; rank++) {
        if (sums[rank] >= reach) {
            total = sums[rank];
            kept = rank + 1u;
            all_kept_listed = true;
            break;
        }
    }
    let threshold = bitcast<f32>(run[RUN_UNIFORM]) * total * rounding;
    for (var rank = 0u; rank < kept; rank++) {
        if (sums[rank] > threshold) {
            return rank;
        }
    }
    return select(listed, kept - 1u, all_kept_listed);
}

@compute @workgroup_size(1)
fn main() {
    let inverse_temperature = bitcast<f32>(run[RUN_INVERSE_TEMPERATURE]);
    let top_k = run[RUN_TOP_K];
    let within_k = select(min(top_k, shape.vocabulary), shape.vocabulary, top_k == 0u);
    let listed = min(within_k, TOP);
    let largest = arena[shape.best];
    var weight = 0.0;
    var sum = 0.0;
    for (var rank = 0u; rank < listed; rank++) {
        let difference = max(arena[shape.best + 4u + rank] - largest, LOWEST);
        weight = exp(max(difference * inverse_temperature, -100.0));
        sum += weight;
        sums[rank] = sum;
    }

    // What the candidates within k weigh: known if all of them are listed, or all of the vocabulary is within k;
    // otherwise those that are not listed weigh nothing at least, and as much as the last listed one at most.
    var least = sum;
    var most = sum;
    if (listed < within_k) {
        let everything = max(sum, arena[shape.best + 2u]);
        least = select(sum, everything, within_k == shape.vocabulary);
        most = min(everything, sum + f32(within_k - listed) * weight);
    }
    let all_listed = listed == within_k;
    let rank = rank_of(listed, all_listed, least, 0.0, 1.0 - ROUNDING);
    let other = rank_of(listed, all_listed, max(least, most), weight, 1.0 + ROUNDING);
    let decided = rank == other && rank < listed && arena[shape.best + 3u] == 0.0;
    arena[shape.drawn] = arena[shape.best + 4u + TOP + select(0u, rank, decided)];
    arena[shape.drawn + 1u] = select(0.0, 1.0, decided);
}
