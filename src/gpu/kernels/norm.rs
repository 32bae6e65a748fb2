//! Layer norm of rows, for the trace: `norm.wgsl`.

use super::{Memory, shape};

shape! {
    /// As `struct Shape` in `norm.wgsl`. Offsets into the arena and into `vectors` count numbers.
    {
        /// Length of a row.
        hidden: u32,
        /// The rows in the arena, `[position, hidden]`.
        x: u32,
        /// The scale, in `vectors`.
        gamma: u32,
        /// The shift, in `vectors`.
        beta: u32,
        /// Added to the variance.
        epsilon: f32,
        /// The slot of the result.
        want: u32,
    }
}

impl Shape {
    /// Workgroups for `rows` rows.
    pub fn grid(&self, rows: usize) -> [u32; 2] {
        [rows as u32, 1]
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, vectors, run, trace, .. } = memory;
    let hidden = shape.hidden as usize;
    let Some(at) = run.wanted(shape.want) else { return };
    for row in 0..run.rows() {
        let x = &arena[shape.x as usize + (run.past() + row) * hidden..][..hidden];
        let mean = x.iter().sum::<f32>() / hidden as f32;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / hidden as f32;
        let inverse = (variance + shape.epsilon).sqrt().recip();
        for (d, x) in x.iter().enumerate() {
            let (gamma, beta) = (vectors[shape.gamma as usize + d], vectors[shape.beta as usize + d]);
            trace[at + row * hidden + d] = (x - mean) * inverse * gamma + beta;
        }
    }
}
