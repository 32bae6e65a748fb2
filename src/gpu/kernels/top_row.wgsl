// The second step: the list of each row.
//
// Grid: [1, rows], a workgroup of LANES invocations for each row. It sorts ENTRIES entries at a time: the best groups
//       so far with the next ones, round after round, and at last what the best groups hold.

// As many as the best groups hold.
const ENTRIES = TOP * GROUP;

// What stands where there is no piece: it comes after all others.
const NOTHING = vec2<f32>(LOWEST, f32(NONE));

// Logits, and the ids that they belong to: of pieces or of groups, as numbers.
var<workgroup> entries: array<vec2<f32>, ENTRIES>;
var<workgroup> best_groups: array<u32, TOP>;

// Puts the better of two entries at `before`, the other one at `after`.
fn order(before: u32, after: u32) {
    let a = entries[before];
    let b = entries[after];
    if (b.x > a.x || (b.x == a.x && b.y < a.y)) {
        entries[before] = b;
        entries[after] = a;
    }
}

// Sorts the best TOP entries to the front: Batcher's bitonic sort (1968), in which two sorted halves become a sorted
// block twice as long, but that only the better TOP entries of a block go on once it is longer (Shanbhag, Pirk and
// Madden 2018, "Efficient top-k query processing on GPUs").
fn sort(lane: u32) {
    for (var size = 2u; size <= ENTRIES; size *= 2u) {
        // At first each entry of a block's first half meets that of the second which stands there counted from the end.
        let half = size / 2u;
        var pairs = min(half, TOP);
        var flipped = half + pairs - 1u;
        // Then entries meet that stand so far apart in what goes on of a block. All of these are powers of 2.
        for (var gap = pairs; gap > 0u; gap /= 2u) {
            let shift = firstTrailingBit(pairs);
            for (var pair = lane; pair < (ENTRIES / size) << shift; pair += LANES) {
                let within = pair & (pairs - 1u);
                let before = (pair >> shift) * size + within + (within & ~(gap - 1u));
                order(before, before ^ flipped);
            }
            workgroupBarrier();
            pairs = min(half, TOP / 2u);
            flipped = gap / 2u;
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.y;
    let lane = local.x;
    let groups = (shape.vocabulary + GROUP - 1u) / GROUP;
    let next = ENTRIES - TOP;
    let rounds = (groups + next - 1u) / next;
    for (var entry = lane; entry < TOP; entry += LANES) {
        entries[entry] = NOTHING;
    }
    for (var round = 0u; round < rounds; round++) {
        for (var entry = TOP + lane; entry < ENTRIES; entry += LANES) {
            let next_group = round * next + entry - TOP;
            entries[entry] = NOTHING;
            if (next_group < groups) {
                entries[entry] = vec2<f32>(arena[shape.maxima + row * groups + next_group], f32(next_group));
            }
        }
        workgroupBarrier();
        sort(lane);
    }
    for (var entry = lane; entry < TOP; entry += LANES) {
        best_groups[entry] = u32(min(entries[entry].y, f32(groups)));
    }
    workgroupBarrier();
    for (var entry = lane; entry < ENTRIES; entry += LANES) {
        let id = best_groups[entry / GROUP] * GROUP + entry % GROUP;
        entries[entry] = NOTHING;
        if (id < shape.vocabulary) {
            entries[entry] = vec2<f32>(logit_of(row, id), f32(id));
        }
    }
    workgroupBarrier();
    sort(lane);

    let list = shape.best + row * LIST;
    for (var entry = lane; entry < TOP; entry += LANES) {
        arena[list + 4u + entry] = entries[entry].x;
        arena[list + 4u + TOP + entry] = entries[entry].y;
    }
    // Each part's sums count from its own largest logit.
    let parts = (shape.vocabulary + PART - 1u) / PART;
    let largest = entries[0].x;
    var sums: vec3<f32>;
    for (var part = lane; part < parts; part += LANES) {
        let at = shape.parts + (row * parts + part) * 4u;
        let weights = weights_of(arena[at] - largest);
        sums += vec3<f32>(arena[at + 1u] * weights.x, arena[at + 2u] * weights.y, arena[at + 3u]);
    }
    sums = sum_of(lane, sums);
    if (lane == 0u) {
        arena[list] = largest;
        arena[list + 1u] = sums.x;
        arena[list + 2u] = sums.y;
        arena[list + 3u] = sums.z;
    }
}
