//! Linear maps.

use std::ops::Range;

use wide::f32x4;

use super::fused;

/// Vectors of four outputs that are computed together.
pub(crate) const VECTORS: usize = 2;

/// Outputs that are computed together.
pub(crate) const WIDTH: usize = 4 * VECTORS;

/// Rows of the input that are computed together. Eight sums, two vectors of weights and four numbers of the input are what a
/// processor's sixteen registers hold; with more, browsers put some into memory.
const ROWS: usize = 4;

/// Panels that a single row is multiplied by side by side. Every weight is used once then, and comes from memory faster if it
/// is read in several places.
const PANELS: usize = 4;

/// Bytes of weights that all rows are multiplied by before the next ones: they stay in the processor's second cache meanwhile.
const NEAR: usize = 256 << 10;

/// The weights of a linear map, `[in, out]`, in panels: eight outputs wide, each a row after the other (the packed panels of
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
        let inputs = self.inputs.max(1);
        if x.len() == inputs {
            let done = self.multiply_row(x, bias, y);
            self.multiply_blocks(x, bias, y, stride, done..self.outputs);
            return;
        }
        let fused = if fused::is_there() { x.len() - x.len() % (fused::ROWS * inputs) } else { 0 };
        let (sixes, rest) = x.split_at(fused);
        let in_sixes = packed::<{ fused::ROWS }>(sixes, inputs);
        let rest = packed::<ROWS>(rest, inputs);
        let several = (NEAR / (inputs * WIDTH * size_of::<f32>())).max(1) * WIDTH;
        for first in (0..self.outputs).step_by(several) {
            let end = self.outputs.min(first + several);
            if !sixes.is_empty() {
                let done = self.multiply_sixes(&in_sixes, bias, y, stride, first..end);
                if done < end {
                    self.multiply_blocks(&packed::<ROWS>(sixes, inputs), bias, y, stride, done..end);
                }
            }
            if !rest.is_empty() {
                self.multiply_blocks(&rest, bias, &mut y[fused / inputs * stride..], stride, first..end);
            }
        }
    }

    /// What is added to a panel's products, from an output on.
    fn start(bias: &[f32], first: usize) -> [f32x4; VECTORS] {
        let bias = |output: usize| bias.get(output).copied().unwrap_or_default();
        std::array::from_fn(|at| f32x4::from([0, 1, 2, 3].map(|lane| bias(first + 4 * at + lane))))
    }

    /// A single row by as many panels as make whole groups; tells how many outputs that were.
    fn multiply_row(&self, x: &[f32], bias: &[f32], y: &mut [f32]) -> usize {
        let (several, width) = (x.len() * PANELS, WIDTH * PANELS);
        let groups = self.panels.chunks_exact(several);
        let done = groups.len() * width;
        for (panels, first) in groups.zip((0..).step_by(width)) {
            let start = std::array::from_fn(|at| Panels::start(bias, first + WIDTH * at));
            let end = self.outputs.min(first + width);
            one_row(x, panels, &start, &mut y[first..end]);
        }
        done
    }

    /// Packed sixes of rows by the whole panels of some outputs, where that can be left to [`fused`]; tells at which output it
    /// has ended.
    fn multiply_sixes(
        &self,
        x: &[f32],
        bias: &[f32],
        y: &mut [f32],
        stride: usize,
        outputs: Range<usize>,
    ) -> usize {
        let (first, whole) = (outputs.start, outputs.len() / WIDTH);
        let none = if bias.is_empty() { vec![0.0; whole * WIDTH] } else { Vec::new() };
        let bias = if bias.is_empty() { &none } else { &bias[first..] };
        let panels = &self.panels[first / WIDTH * self.inputs..][..whole * self.inputs];
        let done = fused::multiply(x, panels, self.inputs, bias, &mut y[first..], stride);
        if done { first + whole * WIDTH } else { first }
    }

    /// Packed rows by the panels of some outputs.
    fn multiply_blocks(&self, x: &[f32], bias: &[f32], y: &mut [f32], stride: usize, outputs: Range<usize>) {
        let inputs = self.inputs.max(1);
        for first in outputs.step_by(WIDTH) {
            let panel = &self.panels[first / WIDTH * inputs..][..inputs];
            let width = WIDTH.min(self.outputs - first);
            let start = Panels::start(bias, first);
            for (x, row) in x.chunks(ROWS * inputs).zip((0..).step_by(ROWS)) {
                let y = &mut y[row * stride + first..];
                match x.len() / inputs {
                    1 => block::<1>(x, panel, &start, y, stride, width),
                    2 => block::<2>(x, panel, &start, y, stride, width),
                    3 => block::<3>(x, panel, &start, y, stride, width),
                    _ => block::<ROWS>(x, panel, &start, y, stride, width),
                }
            }
        }
    }
}

/// One row by several panels, which lie one after the other.
#[inline(never)]
fn one_row(x: &[f32], panels: &[[f32x4; VECTORS]], start: &[[f32x4; VECTORS]; PANELS], y: &mut [f32]) {
    let panels: [&[[f32x4; VECTORS]]; PANELS] = std::array::from_fn(|at| &panels[at * x.len()..][..x.len()]);
    let mut sums = *start;
    for (input, x) in x.iter().enumerate() {
        let x = f32x4::splat(*x);
        for (sums, panel) in sums.iter_mut().zip(panels) {
            for at in 0..VECTORS {
                sums[at] += x * panel[input][at];
            }
        }
    }
    for (y, sums) in y.chunks_mut(WIDTH).zip(&sums) {
        put(sums, y);
    }
}

/// Every `R` rows, column after column, and so what is left of them, at most three.
fn packed<const R: usize>(x: &[f32], inputs: usize) -> Vec<f32> {
    fn columns<const R: usize>(x: &[f32], inputs: usize, into: &mut Vec<f32>) {
        let rows: [&[f32]; R] = std::array::from_fn(|row| &x[row * inputs..][..inputs]);
        into.extend((0..inputs).flat_map(|input| rows.map(|row| row[input])));
    }
    let mut packed = Vec::with_capacity(x.len());
    for x in x.chunks(R * inputs) {
        match x.len() / inputs {
            1 => columns::<1>(x, inputs, &mut packed),
            2 => columns::<2>(x, inputs, &mut packed),
            3 => columns::<3>(x, inputs, &mut packed),
            _ => columns::<R>(x, inputs, &mut packed),
        }
    }
    packed
}

/// `R` packed rows by one panel, onto the beginning of rows of `y` that lie `stride` apart; only `width` of its outputs are there.
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
) {
    let mut sums = [*start; R];
    for (x, weights) in x.as_chunks::<R>().0.iter().zip(panel) {
        for row in 0..R {
            let x = f32x4::splat(x[row]);
            for at in 0..VECTORS {
                sums[row][at] += x * weights[at];
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        put(sums, &mut y[row * stride..][..width]);
    }
}

/// Writes as many sums as there is room for. Mostly that is all, and vectors are written as such: a copy of a length that only
/// the caller knows is a call.
fn put(sums: &[f32x4; VECTORS], y: &mut [f32]) {
    match y.as_chunks_mut::<4>() {
        (y, []) if y.len() == VECTORS => {
            for at in 0..VECTORS {
                y[at] = sums[at].to_array();
            }
        }
        _ => y.copy_from_slice(&sums.map(f32x4::to_array).as_flattened()[..y.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

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
            for (inputs, outputs) in [(1, 1), (3, 13), (64, 12), (65, 11), (7, 50), (192, 100)] {
                check(rows, inputs, outputs, true);
                check(rows, inputs, outputs, false);
            }
        }
    }
}
