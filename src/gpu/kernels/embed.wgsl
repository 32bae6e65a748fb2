// What a transformer starts from: the sum of the token's, the position's and (BERT) the segment's embedding
// (Devlin et al. 2018, figure 2).
//
// Shapes: word table [hidden, vocabulary], position and segment tables [position or segment, hidden] -> sum
//         [position, hidden].
// Grid:   [ceil(hidden / LANES), rows], workgroups of LANES invocations, one for each dimension.
// The word table lies as the head that is tied to it reads it: `weights.wgsl`. A table that is too large for one binding,
// or for the workgroups of one dispatch, comes in parts, each with a dispatch of its own for the words that it has.

struct Shape {
    hidden: u32,
    // The words of this part of the table: the first, and how many.
    first: u32,
    count: u32,
    position_table: u32,
    // NONE in GPT.
    segment_table: u32,
    scale: u32,
    // Where the token that was drawn last stands in `arena`, as a number.
    drawn: u32,
    sum: u32,
    // Where `run` says where these go.
    want_word: u32,
    want_position: u32,
    want_segment: u32,
    // Positions that there is room for: in `run` segments stand so far behind ids.
    capacity: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

fn write(want: u32, at: u32, value: f32) {
    if (run[want] != NONE) {
        trace[run[want] + at] = value;
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let d = group.x * LANES + local.x;
    let row = group.y;
    if (d >= shape.hidden) {
        return;
    }
    let position = run[RUN_PAST] + row;
    let changes = run[RUN_CHANGES];
    var id = run[RUN_IDS + row];
    if ((changes & ID_IS_DRAWN) != 0u) {
        id = u32(arena[shape.drawn]);
    }
    id -= shape.first;
    // Words before the first wrap round to large numbers.
    if (id >= shape.count) {
        return;
    }
    var word = opened(weights[weights_at(d, shape.hidden, id / 4u)])[id % 4u];
    if (shape.scale != NONE) {
        word *= vectors[shape.scale + id];
    }
    var place = vectors[shape.position_table + position * shape.hidden + d];
    word = select(word, 0.0, (changes & WITHOUT_TOKEN) != 0u);
    place = select(place, 0.0, (changes & WITHOUT_POSITION) != 0u);
    var sum = word + place;
    let at = row * shape.hidden + d;
    write(shape.want_word, at, word);
    write(shape.want_position, at, place);
    if (shape.segment_table != NONE) {
        var segment = vectors[shape.segment_table + run[RUN_IDS + shape.capacity + row] * shape.hidden + d];
        segment = select(segment, 0.0, (changes & WITHOUT_SEGMENT) != 0u);
        write(shape.want_segment, at, segment);
        sum += segment;
    }
    arena[shape.sum + position * shape.hidden + d] = sum;
}
