// The second step: the list of each row, from those of its parts.
//
// Grid: [1, rows], a workgroup of LANES invocations for each row.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.y;
    let lane = local.x;
    let parts = (shape.vocabulary + PART - 1u) / PART;
    let lists = shape.parts + row * parts * LIST;

    // The first list is the best so far, empty at the beginning; the others are filled with the next parts.
    for (var entry = lane; entry < TOP; entry += LANES) {
        values[entry] = LOWEST;
        ids[entry] = NONE;
    }
    for (var first = 0u; first < parts; first += LISTS - 1u) {
        for (var entry = TOP + lane; entry < PART; entry += LANES) {
            let part = first + entry / TOP - 1u;
            let there = part < parts;
            let at = lists + select(0u, part, there) * LIST + 4u + entry % TOP;
            let id = arena[at + TOP];
            // Beyond the vocabulary ids are too large for it, and NONE as they were.
            let real = there && id < f32(shape.vocabulary);
            values[entry] = select(LOWEST, arena[at], real);
            ids[entry] = select(NONE, u32(id), real);
        }
        workgroupBarrier();
        merge_lists(lane);
    }

    // Each part's sums count from its own largest logit.
    var sums: vec3<f32>;
    for (var part = lane; part < parts; part += LANES) {
        let at = lists + part * LIST;
        let weights = weights_of(arena[at] - values[0]);
        sums += vec3<f32>(arena[at + 1u] * weights.x, arena[at + 2u] * weights.y, arena[at + 3u]);
    }
    write_list(lane, shape.best + row * LIST, sum_of(lane, sums));
}
