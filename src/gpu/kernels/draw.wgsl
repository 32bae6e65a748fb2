// Draws the next token from a row of logits: temperature, top-k (Fan et al. 2018), top-p (Holtzman et al. 2019), and a draw
// from what they leave, in the order of `lesson::sampling`.
//
// Shapes: logits [vocabulary], with maxima [group] and best [LIST] as top.wgsl leaves them -> drawn [1], an id as a number.
// Grid:   [1, 1], a workgroup of LANES invocations.
//
// The draw is a race. A candidate takes a time that is exponentially distributed with mean 1 / weight, and the first to
// arrive is drawn: each with the probability weight / sum of all weights (Efraimidis and Spirakis 2006, "Weighted random
// sampling with a reservoir"; in logarithms it is the Gumbel-max trick). So the draw puts nobody in order and sums nothing
// up, and the filters need to be known for the winner only: if it is not among those that they leave, the race is run again
// among those before it, since what they leave is the beginning of an order.

struct Shape {
    vocabulary: u32,
    // Where things begin in `arena`.
    logits: u32,
    maxima: u32,
    best: u32,
    drawn: u32,
}

// Who runs: when they arrive, their id, and their logit. This one never arrives, and comes after everybody in the order of
// candidates.
const NOBODY = vec3<f32>(3.4028234e38, f32(NONE), LOWEST);

// e^((logit - largest) / temperature). Infinities are kept out, about which GPUs may do as they like. At e^-80 nobody wins:
// luck lies between 1e-10 and 23.
fn weight_of(logit: f32) -> f32 {
    let difference = max(logit - arena[shape.best], LOWEST);
    return exp(max(difference * bitcast<f32>(run[RUN_INVERSE_TEMPERATURE]), -80.0));
}

// A number that is exponentially distributed with mean 1, by the seed, the step and the candidate alone. Integers are the
// same everywhere: the last component of pcg3d (Jarzynski and Olano 2020, "Hash functions for GPU rendering").
fn luck_of(id: u32) -> f32 {
    var v = vec3<u32>(run[RUN_SEED], run[RUN_STEP], id) * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3<u32>(16u);
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    // -log(1 - u) of a uniform u. Winners have a small u, for which log(1 - u) would be off by more than they differ; there
    // it is 2 atanh(s), as a series.
    let u = (f32(v.z) + 0.5) * 0x1p-32;
    let s = u / (2.0 - u);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0))));
    let rest = (f32(~v.z) + 0.5) * 0x1p-32;
    return select(-log(rest), 2.0 * s * series, u < 0.5);
}

fn runner(id: u32, logit: f32) -> vec3<f32> {
    return vec3<f32>(luck_of(id) / weight_of(logit), f32(id), logit);
}

// Who arrives earlier; of two at once the one with the lower id.
fn earlier(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    return select(a, b, b.x < a.x || (b.x == a.x && b.y < a.y));
}

// The earliest of all lanes'.
fn earliest(lane: u32, first: vec3<f32>) -> vec3<f32> {
    lanes[lane] = first;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            lanes[lane] = earlier(lanes[lane], lanes[lane + half]);
        }
    }
    return workgroupUniformLoad(&lanes[0]);
}

struct Race {
    // The first to arrive.
    first: vec3<f32>,
    // How many ran, and what they weigh together.
    runners: f32,
    weight: f32,
}

// A race of the candidates that come before `end`. Groups without any are passed over.
fn race_before(lane: u32, end: vec3<f32>) -> Race {
    var first = NOBODY;
    var sums: vec3<f32>;
    for (var group = lane; group * GROUP < shape.vocabulary; group += LANES) {
        if (arena[shape.maxima + group] < end.z) {
            continue;
        }
        for (var id = group * GROUP; id < min((group + 1u) * GROUP, shape.vocabulary); id++) {
            let logit = logit_of(0u, id);
            if (logit > end.z || (logit == end.z && f32(id) < end.y)) {
                first = earlier(first, runner(id, logit));
                sums += vec3<f32>(1.0, weight_of(logit), 0.0);
            }
        }
    }
    first = earliest(lane, first);
    sums = sum_of(lane, sums);
    return Race(first, sums.x, sums.y);
}

// A number that grows as a logit does.
fn key_of(logit: f32) -> u32 {
    let bits = bitcast<u32>(logit);
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// The key of a piece, or 0, which no logit has.
fn key_at(id: u32) -> u32 {
    return select(0u, key_of(logit_of(0u, id)), id < shape.vocabulary);
}

fn as_large(keys: vec4<u32>, least: u32) -> f32 {
    return dot(select(vec4<f32>(0.0), vec4<f32>(1.0), keys >= vec4<u32>(least)), vec4<f32>(1.0));
}

// How many of four neighbours have keys of at least these.
fn count_of_four(id: u32, least: vec3<u32>) -> vec3<f32> {
    let keys = vec4<u32>(key_at(id), key_at(id + 1u), key_at(id + 2u), key_at(id + 3u));
    return vec3<f32>(as_large(keys, least.x), as_large(keys, least.y), as_large(keys, least.z));
}

// How many of all have keys of at least these, of which the first is the smallest.
fn count_of(lane: u32, least: vec3<u32>) -> vec3<f32> {
    var count: vec3<f32>;
    for (var group = lane; group * GROUP < shape.vocabulary; group += LANES) {
        if (key_of(arena[shape.maxima + group]) >= least.x) {
            // No loop, since Mesa's software ends those of an invocation after 65,535 rounds altogether.
            let id = group * GROUP;
            count += count_of_four(id, least) + count_of_four(id + 4u, least);
            count += count_of_four(id + 8u, least) + count_of_four(id + 12u, least);
        }
    }
    return sum_of(lane, count);
}

// The logit of the last of the best `count` candidates.
fn last_of_best(lane: u32, count: f32) -> f32 {
    // Its key is the largest that so many have at least; it is found two bits at a time.
    var last = 0u;
    for (var digit = 0u; digit < 16u; digit++) {
        let shift = 30u - 2u * digit;
        let next = vec3<u32>(last) + (vec3<u32>(1u, 2u, 3u) << vec3<u32>(shift));
        let enough = count_of(lane, next) >= vec3<f32>(count);
        last += dot(select(vec3<u32>(0u), vec3<u32>(1u), enough), vec3<u32>(1u)) << shift;
    }
    return bitcast<f32>(select(~last, last & 0x7fffffffu, (last & 0x80000000u) != 0u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    let top_k = run[RUN_TOP_K];
    let top_p = bitcast<f32>(run[RUN_TOP_P]);
    let within_k = select(min(top_k, shape.vocabulary), shape.vocabulary, top_k == 0u);
    let listed = min(within_k, TOP);
    let logits = shape.best + 4u;
    let ids = logits + TOP;

    // What all within k weigh, and an end that all of them come before.
    var pool = arena[shape.best + 2u];
    var end = NOBODY;
    if (within_k <= TOP) {
        pool = 0.0;
        for (var rank = 0u; rank < within_k; rank++) {
            pool += weight_of(arena[logits + rank]);
        }
    } else if (within_k < shape.vocabulary) {
        let last = last_of_best(lane, f32(within_k));
        let better = race_before(lane, vec3<f32>(0.0, 0.0, last));
        // As many as are missing have the logit of the last one; others may have it too.
        pool = better.weight + (f32(within_k) - better.runners) * weight_of(last);
        end.z = last;
    }
    // What the nucleus has to weigh: the fewest that reach it together are kept.
    let reach = top_p * pool;

    // Most often the list shows where the filters cut. All lanes find the same.
    var weight = 0.0;
    var kept = 0u;
    var is_listed = listed == within_k;
    for (var rank = 0u; rank < listed; rank++) {
        weight += weight_of(arena[logits + rank]);
        kept++;
        if (top_p < 1.0 && weight >= reach) {
            is_listed = true;
            break;
        }
    }
    lanes[lane] = vec3<f32>(select(0.0, f32(kept), is_listed), reach, arena[logits + TOP - 1u]);
    let cut = workgroupUniformLoad(&lanes[0]);

    var first = NOBODY;
    if (cut.x > 0.0) {
        for (var rank = lane; rank < u32(cut.x); rank += LANES) {
            first = earlier(first, runner(u32(arena[ids + rank]), arena[logits + rank]));
        }
        first = earliest(lane, first);
    } else {
        first = end;
        loop {
            let race = race_before(lane, first);
            let is_kept = race.runners < f32(within_k) && (top_p >= 1.0 || race.weight < cut.y);
            if (is_kept || race.runners == 0.0) {
                break;
            }
            first = race.first;
            // Of these it is known without another look: nobody is cut, or at least nobody who is listed.
            let all_kept = within_k == shape.vocabulary && top_p >= 1.0;
            if (all_kept || first.z > cut.z) {
                break;
            }
        }
    }
    if (lane == 0u) {
        arena[shape.drawn] = first.y;
    }
}
