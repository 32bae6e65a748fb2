//! A linear map with the layer norm before it and the activation and the residual after it: `linear.wgsl`.

use super::super::weights::Layout;
use super::{Memory, NONE, Op, RunLayout, RunWords, Widths, shape};
use crate::checkpoint::Activation;

/// Which rows a map reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Those of this run, each at its position.
    New,
    /// The predicted positions; they are written one after the other.
    Predicted,
    /// What was gathered by [`Rows::Predicted`].
    Gathered,
    /// The first position alone.
    First,
}

impl Rows {
    /// By their numbers in a shape.
    const ALL: [Rows; 4] = [Rows::New, Rows::Predicted, Rows::Gathered, Rows::First];

    /// How many there are in a run.
    pub fn count(self, run: &RunWords) -> usize {
        match self {
            Rows::New => run.rows(),
            Rows::Predicted | Rows::Gathered => run.predicted(),
            Rows::First => 1,
        }
    }
}

/// The numbers of activations in a shape; 0 is none.
const GELU: u32 = 1;
const GELU_TANH: u32 = 2;
const RELU: u32 = 3;
const SILU: u32 = 4;
const TANH: u32 = 5;

/// The names that the WGSL has for rows and activations.
pub(super) const NAMES: [(&str, u32); 8] = [
    ("ROWS_NEW", Rows::New as u32),
    ("ROWS_PREDICTED", Rows::Predicted as u32),
    ("ROWS_FIRST", Rows::First as u32),
    ("GELU", GELU),
    ("GELU_TANH", GELU_TANH),
    ("RELU", RELU),
    ("SILU", SILU),
    ("TANH", TANH),
];

fn number(activation: Option<Activation>) -> u32 {
    match activation {
        None => 0,
        Some(Activation::Gelu) => GELU,
        Some(Activation::GeluTanh) => GELU_TANH,
        Some(Activation::Relu) => RELU,
        Some(Activation::Silu) => SILU,
        Some(Activation::Tanh) => TANH,
    }
}

shape! {
    /// As `struct Shape` in `linear.wgsl`. Offsets into the arena and into `vectors` count numbers; [`NONE`] where
    /// there is none.
    {
        /// Length of a row of x.
        inputs: u32,
        /// Length of a row of y.
        outputs: u32,
        /// [`Rows`], by number.
        rows: u32,
        /// x in the arena.
        x: u32,
        /// y in the arena.
        y: u32,
        /// From one row of y to the next: more than `outputs` where a table was too large for one matrix.
        stride: u32,
        /// The bias, with the norm's beta in it.
        bias: u32,
        /// What each output is multiplied by.
        scale: u32,
        /// The norm's gamma.
        gamma: u32,
        /// For each output the sum of its weights times gamma.
        gamma_weights: u32,
        /// Added to the variance.
        epsilon: f32,
        /// The activation, by number.
        activation: u32,
        /// What is added, in the arena.
        residual: u32,
        /// The gamma of a norm over what is added.
        residual_gamma: u32,
        /// Its beta.
        residual_beta: u32,
        /// Its rows' means and reciprocal deviations, in the arena.
        residual_stats: u32,
        /// Where this map's norm leaves its rows' means and reciprocal deviations.
        stats: u32,
        /// The slot of what the map gives before the residual is added; of a QKV map, of the keys.
        want: u32,
        /// Of a QKV map: the keys, `[hidden, position]`.
        keys: u32,
        /// Of a QKV map: the values, `[position, hidden]`.
        values: u32,
        /// Positions that there is room for.
        capacity: u32,
    }
}

impl Shape {
    /// The shape of a plain map; what else it does is set field by field.
    pub fn new(weights: &Layout, run: &RunLayout, rows: Rows, x: u32, y: u32) -> Shape {
        Shape {
            inputs: weights.inputs as u32,
            outputs: weights.outputs as u32,
            rows: rows as u32,
            x,
            y,
            stride: weights.outputs as u32,
            bias: NONE,
            scale: NONE,
            gamma: NONE,
            gamma_weights: NONE,
            epsilon: 0.0,
            activation: number(None),
            residual: NONE,
            residual_gamma: NONE,
            residual_beta: NONE,
            residual_stats: NONE,
            stats: NONE,
            want: NONE,
            keys: NONE,
            values: NONE,
            capacity: run.capacity as u32,
        }
    }

    /// Sets what is done with a product.
    pub fn activated(mut self, activation: Option<Activation>) -> Shape {
        self.activation = number(activation);
        self
    }

    /// Whether x is normalised.
    pub fn norm(&self) -> bool {
        self.gamma != NONE
    }

    /// The form in which `rows` rows are computed, one by one or as tiles, and the workgroups.
    pub fn launch(&self, widths: &Widths, rows: usize, one_by_one: bool) -> (Op, [u32; 2]) {
        let groups = |lanes: u32| self.outputs.div_ceil(lanes * 4);
        if one_by_one {
            // Workgroups that read the same weights are neighbours.
            (Op::LinearVector, [rows as u32, groups(widths.vector_lanes)])
        } else {
            (Op::LinearTile, [groups(widths.tile_lanes), rows.div_ceil(widths.tile_rows()) as u32])
        }
    }

    /// Which rows it reads and writes.
    pub fn which(&self) -> Rows {
        Rows::ALL.get(self.rows as usize).copied().unwrap_or(Rows::First)
    }

    fn row_in(&self, run: &RunWords, r: usize) -> usize {
        match self.which() {
            Rows::New => run.past() + r,
            Rows::Predicted => run.predict(r),
            Rows::Gathered | Rows::First => r,
        }
    }

    fn row_out(&self, run: &RunWords, r: usize) -> usize {
        if self.which() == Rows::New { run.past() + r } else { r }
    }
}

/// The error function, as the kernel has it (Abramowitz and Stegun 7.1.26).
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series =
        ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    x.signum() * (1.0 - series * (-x * x).exp())
}

fn activate(activation: u32, x: f32) -> f32 {
    match activation {
        GELU => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        GELU_TANH => 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()),
        // `max` would take NaN for 0.
        RELU if x < 0.0 => 0.0,
        SILU => x / (1.0 + (-x).exp()),
        TANH => x.tanh(),
        _ => x,
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, weights, vectors, run, trace } = memory;
    let (inputs, outputs) = (shape.inputs as usize, shape.outputs as usize);
    let vector =
        |at: u32, index: usize| if at == NONE { None } else { vectors.get(at as usize + index).copied() };
    for r in 0..shape.which().count(run) {
        let out = shape.row_out(run, r);
        let x = arena[shape.x as usize + shape.row_in(run, r) * inputs..][..inputs].to_vec();
        let mean = x.iter().sum::<f32>() / inputs as f32;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / inputs as f32;
        let inverse = (variance + shape.epsilon).sqrt().recip();
        if shape.norm() && shape.stats != NONE {
            arena[shape.stats as usize + out * 2] = mean;
            arena[shape.stats as usize + out * 2 + 1] = inverse;
        }
        for output in 0..outputs {
            let weighted =
                |(k, x): (usize, &f32)| x * vector(shape.gamma, k).unwrap_or(1.0) * weights.opened(k, output);
            let mut y = x.iter().enumerate().map(weighted).sum::<f32>();
            y *= vector(shape.scale, output).unwrap_or(1.0);
            if shape.norm() {
                y = inverse * (y - mean * vector(shape.gamma_weights, output).unwrap_or_default());
            }
            y = activate(shape.activation, y + vector(shape.bias, output).unwrap_or_default());

            if shape.keys != NONE {
                let hidden = outputs / 3;
                let d = output % hidden;
                match output / hidden {
                    0 => arena[shape.y as usize + out * hidden + d] = y,
                    1 => {
                        arena[shape.keys as usize + d * run.layout.capacity + out] = y;
                        if let Some(at) = run.wanted(shape.want) {
                            trace[at + r * hidden + d] = y;
                        }
                    }
                    _ => arena[shape.values as usize + out * hidden + d] = y,
                }
                continue;
            }
            if let Some(at) = run.wanted(shape.want) {
                trace[at + r * outputs + output] = y;
            }
            if shape.residual != NONE {
                let mut x = arena[shape.residual as usize + out * outputs + output];
                if let (Some(gamma), Some(beta)) =
                    (vector(shape.residual_gamma, output), vector(shape.residual_beta, output))
                {
                    let stats = shape.residual_stats as usize + out * 2;
                    x = (x - arena[stats]) * arena[stats + 1] * gamma + beta;
                }
                y += x;
            }
            arena[shape.y as usize + out * shape.stride as usize + output] = y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::weights::{Stored, WeightType};
    use super::*;

    #[test]
    fn a_norm_that_is_folded_into_a_map_is_a_norm() {
        let (inputs, outputs) = (5, 3);
        let wave = |i: usize| ((i * 37) as f32).sin();
        let layout = Layout::new(inputs, outputs, &Widths::WIDE, WeightType::Int8);
        let weights = Stored::new(layout, |k, output| wave(k * 7 + output));
        let gamma: Vec<f32> = (0..inputs).map(|k| 1.0 + 0.3 * wave(k + 50)).collect();
        let beta: Vec<f32> = (0..inputs).map(|k| 0.2 * wave(k + 90)).collect();
        let bias: Vec<f32> = (0..outputs).map(|output| wave(output + 20)).collect();
        let x: Vec<f32> = (0..inputs).map(|k| wave(k + 70) * 2.0 + 0.5).collect();

        let layout = RunLayout { capacity: 1, wants: 0, heads: 0 };
        let run = &RunWords::new(layout, 0, &[1], &[], &[]);
        let computed = |x: &[f32], vectors: &[f32], change: &dyn Fn(Shape) -> Shape| {
            let mut arena = [x, &[0.0; 3]].concat();
            let mut shape = Shape::new(&weights.layout, &layout, Rows::First, 0, inputs as u32);
            shape.scale = 0;
            let (weights, vectors) = (&weights, &[&weights.scales, vectors].concat());
            twin(&change(shape), &mut Memory { arena: &mut arena, weights, vectors, run, trace: &mut [] });
            arena.split_off(inputs)
        };
        let gamma_weights = computed(&gamma, &[], &|shape| shape);
        let with_beta = computed(&beta, &bias, &|shape| Shape { bias: 3, ..shape });
        let vectors = [gamma.as_slice(), &gamma_weights, &with_beta].concat();
        let folded = computed(&x, &vectors, &|shape| Shape { gamma: 3, gamma_weights: 8, bias: 11, ..shape });

        let mean = x.iter().sum::<f32>() / inputs as f32;
        let inverse = (x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / inputs as f32).sqrt().recip();
        let normed: Vec<f32> = (0..inputs).map(|k| (x[k] - mean) * inverse * gamma[k] + beta[k]).collect();
        for (plain, folded) in
            computed(&normed, &bias, &|shape| Shape { bias: 3, ..shape }).iter().zip(folded)
        {
            assert!((plain - folded).abs() < 1e-5, "{plain} is not {folded}");
        }
    }

    #[test]
    fn no_activation_makes_a_number_of_none() {
        for activation in [0, GELU, GELU_TANH, RELU, SILU, TANH] {
            assert!(activate(activation, f32::NAN).is_nan(), "activation {activation}");
        }
        assert_eq!([-2.0, 0.0, 2.0].map(|x| activate(RELU, x)), [0.0, 0.0, 2.0]);
    }

    #[test]
    fn the_error_function_is_right_to_seven_digits() {
        // Abramowitz and Stegun, table 7.1.
        for (x, value) in
            [(0.0, 0.0), (0.1, 0.112_462_916), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3)]
        {
            assert!((erf(x) - value).abs() < 3e-7 && (erf(-x) + value).abs() < 3e-7, "{x}");
        }
    }
}
