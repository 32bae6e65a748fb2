// The first step: the largest logit of each group, and the sums of each part of a row.
//
// Grid: [ceil(vocabulary / PART), rows], a workgroup of LANES invocations for each part of a row. Its four numbers are
//       the first four of a list.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.y;
    let lane = local.x;
    let begin = group.x * PART;
    let end = min(begin + PART, shape.vocabulary);
    let maxima = shape.maxima + row * ((shape.vocabulary + GROUP - 1u) / GROUP);
    var largest = LOWEST;
    for (var first = begin + lane * GROUP; first < end; first += LANES * GROUP) {
        var best = LOWEST;
        for (var id = first; id < min(first + GROUP, end); id++) {
            best = max(best, logit_of(row, id));
        }
        arena[maxima + first / GROUP] = best;
        largest = max(largest, best);
    }
    lanes[lane].x = largest;
    workgroupBarrier();
    for (var other = 0u; other < LANES; other++) {
        largest = max(largest, lanes[other].x);
    }

    var sums: vec3<f32>;
    for (var id = begin + lane; id < end; id += LANES) {
        let finite = is_finite(arena[shape.logits + row * shape.vocabulary + id]);
        sums += vec3<f32>(weights_of(logit_of(row, id) - largest), select(1.0, 0.0, finite));
    }
    sums = sum_of(lane, sums);
    if (lane == 0u) {
        let parts = (shape.vocabulary + PART - 1u) / PART;
        let at = shape.parts + (row * parts + group.x) * 4u;
        arena[at] = largest;
        arena[at + 1u] = sums.x;
        arena[at + 2u] = sums.y;
        arena[at + 3u] = sums.z;
    }
}
