// The best of each row of logits, and what softmax needs to give them probabilities, so that nobody has to read the
// whole row.
//
// Shapes: logits [row, vocabulary] -> a list for each part of a row, [row, part, LIST] -> one for each row, [row, LIST].
// A list has LIST numbers: the largest logit, the sum of e^(logit - largest), the same at the run's temperature, how
// many logits are no finite numbers, the TOP best logits, and their ids as numbers, which f32 holds exactly up to 2^24.
// (As bits they would be denormal numbers, and a GPU may take those for 0.) Of equal logits the lower id comes first.
//
// There are two steps, since workgroups cannot wait for each other: first parts of PART logits (top_part.wgsl), then
// all parts of a row (top_row.wgsl). This file holds what both do with PART entries in the workgroup's memory: sort
// them in lists of TOP (Batcher 1968), and merge the lists by twos, each time dropping the worse half (Shanbhag, Pirk
// and Madden 2018, "Efficient top-k query processing on GPUs").

struct Shape {
    vocabulary: u32,
    // Where things begin in `arena`.
    logits: u32,
    parts: u32,
    best: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;

// What stands where there is no logit; its id is NONE.
const LOWEST = -3.4028234e38;
// Lists of TOP entries in the workgroup's memory.
const LISTS = PART / TOP;

var<workgroup> values: array<f32, PART>;
var<workgroup> ids: array<u32, PART>;
var<workgroup> lanes: array<vec3<f32>, LANES>;

// The sum over all lanes of `value`.
fn sum_of(lane: u32, value: vec3<f32>) -> vec3<f32> {
    lanes[lane] = value;
    workgroupBarrier();
    var sum: vec3<f32>;
    for (var other = 0u; other < LANES; other++) {
        sum += lanes[other];
    }
    return sum;
}

// e^difference at temperature 1 and at the run's. The bounds keep infinities out, about which GPUs may do as they like;
// e^-100 adds nothing to a sum that begins with e^0.
fn weights_of(difference: f32) -> vec2<f32> {
    let finite = max(difference, LOWEST);
    let heated = finite * bitcast<f32>(run[RUN_INVERSE_TEMPERATURE]);
    return exp(max(vec2<f32>(finite, heated), vec2<f32>(-100.0)));
}

// Puts the better of two entries at `before`, the other one at `after`.
fn order(before: u32, after: u32) {
    let a = values[before];
    let b = values[after];
    let id_a = ids[before];
    let id_b = ids[after];
    if (b > a || (b == a && id_b < id_a)) {
        values[before] = b;
        values[after] = a;
        ids[before] = id_b;
        ids[after] = id_a;
    }
}

// Orders the first `count` entries by pairs that stand `gap` apart, then half as far, down to neighbours. That sorts
// every list of 2 * gap entries that rise and then fall, or fall and then rise.
fn sort_bitonic(lane: u32, count: u32, widest: u32) {
    for (var gap = widest; gap > 0u; gap /= 2u) {
        for (var pair = lane; pair < count / 2u; pair += LANES) {
            let before = pair + pair / gap * gap;
            order(before, before + gap);
        }
        workgroupBarrier();
    }
}

// Sorts each list of TOP entries.
fn sort_lists(lane: u32) {
    for (var size = 2u; size <= TOP; size *= 2u) {
        // Two sorted halves; the second is met from its end, which leaves the better entries of both in the first.
        let half = size / 2u;
        for (var pair = lane; pair < PART / 2u; pair += LANES) {
            let start = pair / half * size;
            order(start + pair % half, start + size - 1u - pair % half);
        }
        workgroupBarrier();
        sort_bitonic(lane, PART, half / 2u);
    }
}

// Merges all lists, each of them sorted; the best TOP entries are the first list then.
fn merge_lists(lane: u32) {
    for (var count = PART / 2u; count >= TOP; count /= 2u) {
        for (var entry = lane; entry < count; entry += LANES) {
            let mirrored = entry / TOP * TOP + TOP - 1u - entry % TOP;
            order(entry, count + mirrored);
        }
        workgroupBarrier();
        sort_bitonic(lane, count, TOP / 2u);
    }
}

// Writes the first list with its sums, which are the same in all lanes, to `at`.
fn write_list(lane: u32, at: u32, sums: vec3<f32>) {
    if (lane == 0u) {
        arena[at] = values[0];
        arena[at + 1u] = sums.x;
        arena[at + 2u] = sums.y;
        arena[at + 3u] = sums.z;
    }
    for (var entry = lane; entry < TOP; entry += LANES) {
        arena[at + 4u + entry] = values[entry];
        arena[at + 4u + TOP + entry] = f32(ids[entry]);
    }
}
