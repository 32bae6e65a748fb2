// The first step: the list of each part of a row.
//
// Grid: [ceil(vocabulary / PART), rows], a workgroup of LANES invocations for each part of a row.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = group.y;
    let lane = local.x;
    let parts = (shape.vocabulary + PART - 1u) / PART;
    var flaws = 0.0;
    for (var entry = lane; entry < PART; entry += LANES) {
        let id = group.x * PART + entry;
        var value = LOWEST;
        if (id < shape.vocabulary) {
            let logit = arena[shape.logits + row * shape.vocabulary + id];
            // By its bits: a compiler may take for granted that numbers are finite.
            let finite = (bitcast<u32>(logit) & 0x7f800000u) != 0x7f800000u;
            value = select(LOWEST, logit, finite);
            flaws += select(1.0, 0.0, finite);
        }
        values[entry] = value;
        ids[entry] = select(NONE, id, id < shape.vocabulary);
    }
    workgroupBarrier();
    sort_lists(lane);
    merge_lists(lane);

    // Merging only moved what it dropped, so all of the part is still there.
    var sums = vec3<f32>(0.0, 0.0, flaws);
    for (var entry = lane; entry < PART; entry += LANES) {
        if (ids[entry] != NONE) {
            sums += vec3<f32>(weights_of(values[entry] - values[0]), 0.0);
        }
    }
    write_list(lane, shape.parts + (row * parts + group.x) * LIST, sum_of(lane, sums));
}
