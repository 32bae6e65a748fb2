//! Linear maps.

use wide::f32x4;

/// Vectors of four outputs that are computed together.
const VECTORS: usize = 3;

/// Outputs that are computed together.
const WIDTH: usize = 4 * VECTORS;

/// Rows of the input that are computed together. With three, the sums stay in the sixteen registers of a processor; with more,
/// browsers put some into memory.
const ROWS: usize = 3;

/// The weights of a linear map, `[in, out]`, in panels: twelve outputs wide, each a row after the other (the packed panels of
/// Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication").
pub struct Panels {
    panels: Vec<[f32x4; VECTORS]>,
    inputs: usize,
    outputs: usize,
}

impl Panels {
    /// Brings weights into panels; `weight` tells that of an input and an output.
    pub fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32) -> Panels {
        let vector = |input: usize, first: usize| {
            f32x4::from([0, 1, 2, 3].map(|lane| {
                let output = first + lane;
                if output < outputs { weight(input, output) } else { 0.0 }
            }))
        };
        let mut panels = Vec::with_capacity(outputs.div_ceil(WIDTH) * inputs);
        for first in (0..outputs).step_by(WIDTH) {
            for input in 0..inputs {
                panels.push(std::array::from_fn(|at| vector(input, first + 4 * at)));
            }
        }
        Panels { panels, inputs, outputs }
    }

    /// How many numbers a row of the input has, and how many one of the output.
    pub fn shape(&self) -> [usize; 2] {
        [self.inputs, self.outputs]
    }

    /// Appends the weights of one output: a row of a word table that is also the decoder. Nothing if there is no such output.
    pub fn append_row(&self, output: usize, rows: &mut Vec<f32>) {
        let panel = self.panels.chunks(self.inputs.max(1)).nth(output / WIDTH).unwrap_or_default();
        let (vector, lane) = (output % WIDTH / 4, output % 4);
        rows.extend(panel.iter().map(|weights| weights[vector].as_array()[lane]));
    }

    /// `x · weights + bias` into `y`: `[rows, in]` to `[rows, out]`. An empty bias is none.
    ///
    /// # Panics
    /// If `y` has not as many rows as `x`.
    pub fn multiply(&self, x: &[f32], bias: &[f32], y: &mut [f32]) {
        self.multiply_into(x, bias, y, self.outputs);
    }

    /// The same into parts of longer rows: `stride` numbers lie from one to the next.
    pub(crate) fn multiply_into(&self, x: &[f32], bias: &[f32], y: &mut [f32], stride: usize) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let rows = x.len() / inputs.max(1);
        for (panel, first) in self.panels.chunks(inputs.max(1)).zip((0..outputs).step_by(WIDTH)) {
            let width = WIDTH.min(outputs - first);
            let bias = |output: usize| bias.get(output).copied().unwrap_or_default();
            let start =
                std::array::from_fn(|at| f32x4::from([0, 1, 2, 3].map(|lane| bias(first + 4 * at + lane))));
            let mut row = 0;
            while row < rows {
                let x = &x[row * inputs..];
                let y = &mut y[row * stride + first..];
                row += match rows - row {
                    1 => block::<1>(x, panel, &start, y, stride, width),
                    2 => block::<2>(x, panel, &start, y, stride, width),
                    _ => block::<ROWS>(x, panel, &start, y, stride, width),
                };
            }
        }
    }
}

/// The first `R` rows of `x` by one panel, onto the beginning of rows of `y` that lie `stride` apart; only `width` of its outputs
/// are there. Returns `R`.
///
/// A function of its own: where it is part of its caller, browsers keep the caller's variables in registers and the sums in
/// memory, and it takes twice as long.
#[inline(never)]
fn block<const R: usize>(
    x: &[f32],
    panel: &[[f32x4; VECTORS]],
    start: &[f32x4; VECTORS],
    y: &mut [f32],
    stride: usize,
    width: usize,
) -> usize {
    // As long as the panel, so that the compiler sees that no index below lies outside.
    let inputs = panel.len();
    let rows: [&[f32]; R] = std::array::from_fn(|row| &x[row * inputs..][..inputs]);
    let mut sums = [*start; R];
    for (input, weights) in panel.iter().enumerate() {
        for row in 0..R {
            let x = f32x4::splat(rows[row][input]);
            for at in 0..VECTORS {
                sums[row][at] += x * weights[at];
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let sums = sums.map(f32x4::to_array);
        y[row * stride..][..width].copy_from_slice(&sums.as_flattened()[..width]);
    }
    R
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    fn check(rows: usize, inputs: usize, outputs: usize, with_bias: bool) {
        let (x, weights) = (noise(rows * inputs), noise(inputs * outputs));
        let weight = |input: usize, output: usize| weights[input * outputs + output];
        let bias = if with_bias { noise(outputs) } else { Vec::new() };
        let panels = Panels::new(inputs, outputs, weight);
        assert_eq!(panels.shape(), [inputs, outputs]);
        let mut y = vec![f32::NAN; rows * outputs];
        panels.multiply(&x, &bias, &mut y);
        for (at, y) in y.iter().enumerate() {
            let (row, output) = (at / outputs, at % outputs);
            let products = (0..inputs)
                .map(|input| f64::from(x[row * inputs + input]) * f64::from(weight(input, output)));
            let expected = products.sum::<f64>() + bias.get(output).copied().map_or(0.0, f64::from);
            let difference = (f64::from(*y) - expected).abs();
            assert!(
                difference <= 1e-6 * inputs as f64,
                "{rows} × {inputs} × {outputs} at {row}, {output}: off by {difference}"
            );
        }

        let mut last = Vec::new();
        panels.append_row(outputs - 1, &mut last);
        assert_eq!(last, (0..inputs).map(|input| weight(input, outputs - 1)).collect::<Vec<f32>>());
    }

    #[test]
    fn maps_are_right_at_odd_shapes() {
        for rows in [1, 2, 3, 4, 5, 6, 7, 17, 31] {
            for (inputs, outputs) in [(1, 1), (3, 13), (64, 12), (65, 11), (192, 100)] {
                check(rows, inputs, outputs, true);
                check(rows, inputs, outputs, false);
            }
        }
    }
}
