//! The sum of a token's embeddings: `embed.wgsl`.

use super::{ID_IS_DRAWN, Memory, NONE, WITHOUT_POSITION, WITHOUT_SEGMENT, WITHOUT_TOKEN, shape};

shape! {
    /// As `struct Shape` in `embed.wgsl`. Offsets into the arena and into `vectors` count numbers; [`NONE`] where there
    /// is none.
    {
        /// Dimensions of an embedding.
        hidden: u32,
        /// The first word of this part of the table.
        first: u32,
        /// How many words it has.
        count: u32,
        /// The position table in `vectors`, `[position, hidden]`.
        position_table: u32,
        /// The segment table in `vectors`, `[segment, hidden]`.
        segment_table: u32,
        /// What each word's embedding is multiplied by, in `vectors`.
        scale: u32,
        /// The token that was drawn last, as a number in the arena.
        drawn: u32,
        /// Where the sum goes in the arena, `[position, hidden]`.
        sum: u32,
        /// The slot of the token embedding.
        want_word: u32,
        /// The slot of the position embedding.
        want_position: u32,
        /// The slot of the segment embedding.
        want_segment: u32,
        /// Positions that there is room for.
        capacity: u32,
    }
}

impl Shape {
    /// Workgroups of `lanes` invocations for `rows` tokens.
    pub fn grid(&self, lanes: u32, rows: usize) -> [u32; 2] {
        [self.hidden.div_ceil(lanes), rows as u32]
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, weights, vectors, run, trace } = memory;
    let hidden = shape.hidden as usize;
    for row in 0..run.rows() {
        let position = run.past() + row;
        let id = if run.changes(ID_IS_DRAWN) { arena[shape.drawn as usize] as usize } else { run.id(row) };
        let Some(id) = id.checked_sub(shape.first as usize).filter(|id| *id < shape.count as usize) else {
            continue;
        };
        for d in 0..hidden {
            let scale = if shape.scale == NONE { 1.0 } else { vectors[shape.scale as usize + id] };
            let kept = |value: f32, without: u32| if run.changes(without) { 0.0 } else { value };
            let word = kept(weights.opened(d, id) * scale, WITHOUT_TOKEN);
            let place =
                kept(vectors[shape.position_table as usize + position * hidden + d], WITHOUT_POSITION);
            let mut sum = word + place;
            let mut parts = vec![(shape.want_word, word), (shape.want_position, place)];
            if shape.segment_table != NONE {
                let segment = vectors[shape.segment_table as usize + run.segment(row) * hidden + d];
                let segment = kept(segment, WITHOUT_SEGMENT);
                parts.push((shape.want_segment, segment));
                sum += segment;
            }
            for (slot, value) in parts {
                if let Some(at) = run.wanted(slot) {
                    trace[at + row * hidden + d] = value;
                }
            }
            arena[shape.sum as usize + position * hidden + d] = sum;
        }
    }
}
