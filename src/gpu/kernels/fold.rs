//! What a layer norm adds to the map behind it: `fold.wgsl`.

use super::{Memory, NONE, shape};

shape! {
    /// As `struct Shape` in `fold.wgsl`. Offsets into the arena and into `vectors` count numbers; [`NONE`] where there
    /// is none.
    {
        /// Rows of the matrix.
        inputs: u32,
        /// Columns of the matrix.
        outputs: u32,
        /// The norm's gamma.
        gamma: u32,
        /// The norm's beta.
        beta: u32,
        /// The map's own bias.
        bias: u32,
        /// What each output is multiplied by.
        scale: u32,
        /// The results in the arena, `[2, outputs]`.
        y: u32,
    }
}

impl Shape {
    /// Workgroups of `lanes` invocations.
    pub fn grid(&self, lanes: u32) -> [u32; 2] {
        [self.outputs.div_ceil(lanes * 4), 1]
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, weights, vectors, .. } = memory;
    let (inputs, outputs, y) = (shape.inputs as usize, shape.outputs as usize, shape.y as usize);
    let sum = |at: u32, output: usize| -> f32 {
        (0..inputs).map(|k| vectors[at as usize + k] * weights.opened(k, output)).sum()
    };
    for output in 0..outputs {
        let scale = if shape.scale == NONE { 1.0 } else { vectors[shape.scale as usize + output] };
        let bias = if shape.bias == NONE { 0.0 } else { vectors[shape.bias as usize + output] };
        arena[y + output] = sum(shape.gamma, output) * scale;
        arena[y + outputs + output] = sum(shape.beta, output) * scale + bias;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::weights::{Layout, Stored, WeightType};
    use super::super::{RunLayout, RunWords, Widths};
    use super::*;

    #[test]
    fn a_folded_norm_is_a_norm() {
        let (inputs, outputs) = (5, 3);
        let wave = |i: usize| ((i * 37) as f32).sin();
        let layout = Layout::new(inputs, outputs, &Widths::WIDE, WeightType::Int8);
        let weights = Stored::new(layout, |k, output| wave(k * 7 + output));
        let gamma: Vec<f32> = (0..inputs).map(|k| 1.0 + 0.3 * wave(k + 50)).collect();
        let beta: Vec<f32> = (0..inputs).map(|k| 0.2 * wave(k + 90)).collect();
        let bias: Vec<f32> = (0..outputs).map(|output| wave(output + 20)).collect();
        let x: Vec<f32> = (0..inputs).map(|k| wave(k + 70) * 2.0 + 0.5).collect();
        let mean = x.iter().sum::<f32>() / inputs as f32;
        let inverse = (x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / inputs as f32).sqrt().recip();

        let vectors = [gamma.as_slice(), &beta, &bias, &weights.scales].concat();
        let shape = Shape { inputs: 5, outputs: 3, gamma: 0, beta: 5, bias: 10, scale: 13, y: 0 };
        let mut arena = [0.0; 6];
        let run = RunWords::new(RunLayout { capacity: 1, wants: 0, heads: 0 }, 0, &[], &[], &[]);
        twin(
            &shape,
            &mut Memory {
                arena: &mut arena,
                weights: &weights,
                vectors: &vectors,
                run: &run,
                trace: &mut [],
            },
        );
        let (gamma_weights, folded) = arena.split_at(outputs);
        for output in 0..outputs {
            let weight = |k: usize| weights.opened(k, output) * weights.scale(output);
            let plain: f32 =
                (0..inputs).map(|k| ((x[k] - mean) * inverse * gamma[k] + beta[k]) * weight(k)).sum::<f32>()
                    + bias[output];
            let product: f32 = (0..inputs).map(|k| x[k] * gamma[k] * weight(k)).sum();
            let quick = inverse * (product - mean * gamma_weights[output]) + folded[output];
            assert!((plain - quick).abs() < 1e-5, "{plain} is not {quick}");
        }
    }
}
