// The second step: the list of each row.
//
// Grid: [1, rows], a workgroup of LANES invocations for each row. It sorts ENTRIES entries at a time: the best groups
//       so far with the next ones, round after round, and at last what the best groups hold. Where these lie, is said in
//       entries_shared.wgsl and entries_arena.wgsl.

// What stands where there is no piece: it comes after all others.
const NOTHING = vec2<f32>(LOWEST, f32(NONE));

// Puts the better of two entries at `before`, the other one at `after`.
fn order(row: u32, before: u32, after: u32) {
    let a = entry_of(row, before);
    let b = entry_of(row, after);
    if (b.x > a.x || (b.x == a.x && b.y < a.y)) {
        put_entry(row, before, b);
        put_entry(row, after, a);
    }
}

// Sorts the best TOP entries to the front: Batcher's bitonic sort (1968), in which two sorted halves become a sorted
// block twice as long, but that only the better TOP entries of a block go on once it is longer (Shanbhag, Pirk and
// Madden 2018, "Efficient top-k query processing on GPUs").
fn sort(row: u32, lane: u32) {
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
                order(row, before, before ^ flipped);
            }
            wait();
            pairs = min(half, TOP / 2u);
            flipped = gap / 2u;
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.y;
    let lane = local.x;
    let group_count = (shape.vocabulary + GROUP - 1u) / GROUP;
    let next = ENTRIES - TOP;
    let rounds = (group_count + next - 1u) / next;
    for (var entry = lane; entry < TOP; entry += LANES) {
        put_entry(row, entry, NOTHING);
    }
    for (var round = 0u; round < rounds; round++) {
        for (var entry = TOP + lane; entry < ENTRIES; entry += LANES) {
            let next_group = round * next + entry - TOP;
            var found = NOTHING;
            if (next_group < group_count) {
                found = vec2<f32>(arena[shape.maxima + row * group_count + next_group], f32(next_group));
            }
            put_entry(row, entry, found);
        }
        wait();
        sort(row, lane);
    }
    for (var entry = lane; entry < TOP; entry += LANES) {
        put_group(row, entry, min(entry_of(row, entry).y, f32(group_count)));
    }
    wait();
    for (var entry = lane; entry < ENTRIES; entry += LANES) {
        let id = u32(group_of(row, entry / GROUP)) * GROUP + entry % GROUP;
        var found = NOTHING;
        if (id < shape.vocabulary) {
            found = vec2<f32>(logit_of(row, id), f32(id));
        }
        put_entry(row, entry, found);
    }
    wait();
    sort(row, lane);

    let list = shape.best + row * LIST;
    for (var entry = lane; entry < TOP; entry += LANES) {
        let best = entry_of(row, entry);
        arena[list + 4u + entry] = best.x;
        arena[list + 4u + TOP + entry] = best.y;
    }
    // Each part's sums count from its own largest logit.
    let parts = (shape.vocabulary + PART - 1u) / PART;
    let largest = entry_of(row, 0u).x;
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
