//! A file's numbers on their way into the kernels' layout, line by line as they lie in the file: what a number is stored as, and
//! where it goes, is asked once a line.

use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};

use super::plan::MatrixPlan;
use super::weights::{Layout, WeightType, rounded};
use crate::checkpoint::{Matrix, Numbers};

/// A matrix with the numbers of its parts.
pub(super) struct Packing<'a> {
    matrix: &'a MatrixPlan,
    parts: &'a [Numbers<'a>],
    /// Whether these are whole numbers with a factor for each output, which stay as they are in 8 bits.
    whole: bool,
}

/// Numbers that lie one after the other in the file.
struct Line<'a> {
    numbers: &'a Numbers<'a>,
    /// Which of those.
    indices: Range<usize>,
    /// Their input, where they are those of several outputs.
    input: usize,
    /// Their output, or the first of them.
    output: usize,
    /// Whether they are the inputs of one output, rather than the outputs of one input.
    of_output: bool,
}

impl<'a> Packing<'a> {
    /// A matrix, and for each of its parts the numbers.
    pub(super) fn new(matrix: &'a MatrixPlan, parts: &'a [Numbers<'a>]) -> Packing<'a> {
        let by_output =
            |(numbers, place): (&Numbers<'_>, &Matrix)| numbers.scaled_by_row() == Some(place.transposed);
        let whole =
            matrix.layout.weight_type == WeightType::Int8 && parts.iter().zip(&matrix.parts).all(by_output);
        Packing { matrix, parts, whole }
    }

    /// What each output is multiplied by, if the type is [`WeightType::Int8`]; empty otherwise.
    pub(super) fn scales(&self) -> Vec<f32> {
        let Layout { inputs, outputs, weight_type, .. } = self.matrix.layout;
        if weight_type != WeightType::Int8 {
            return Vec::new();
        }
        if self.whole {
            // All inputs of an output have the factor of the first.
            let of_first = self.lines(0..outputs).filter(|line| line.input == 0);
            let factors = |line: Line<'a>| {
                let outputs = if line.of_output { 1 } else { line.indices.len() };
                line.indices.take(outputs).map(move |index| line.numbers.factor(index))
            };
            return of_first.flat_map(factors).collect();
        }
        let mut scales = vec![0.0_f32; outputs];
        let mut values = Vec::with_capacity(inputs.max(outputs));
        for line in self.lines(0..outputs) {
            values.clear();
            line.numbers.read(line.indices.clone(), &mut values);
            if line.of_output {
                scales[line.output] = values.iter().fold(0.0, |most, value| most.max(value.abs()));
            } else {
                for (most, value) in scales[line.output..].iter_mut().zip(&values) {
                    *most = most.max(value.abs());
                }
            }
        }
        scales.iter_mut().for_each(|most| *most /= 127.0);
        scales
    }

    /// The words of some panels; `scales` are those of all outputs.
    pub(super) fn words(&self, panels: Range<usize>, scales: &[f32]) -> Vec<u32> {
        let mut values = Vec::new();
        match self.matrix.layout.weight_type {
            WeightType::F32 => self.packed(panels, |line, packed: &mut Vec<f32>| {
                line.numbers.read(line.indices.clone(), packed);
            }),
            WeightType::F16 => self.packed(panels, |line, packed: &mut Vec<u16>| {
                line.numbers.read_halves(line.indices.clone(), packed);
            }),
            WeightType::Int8 if self.whole => self.packed(panels, |line, packed: &mut Vec<i8>| {
                packed.extend_from_slice(line.numbers.whole(line.indices.clone()));
            }),
            WeightType::Int8 => self.packed(panels, |line, packed: &mut Vec<i8>| {
                values.clear();
                line.numbers.read(line.indices.clone(), &mut values);
                let scales = &scales[line.output..];
                if line.of_output {
                    packed.extend(values.iter().map(|value| rounded(*value, scales[0])));
                } else {
                    packed.extend(values.iter().zip(scales).map(|(value, scale)| rounded(*value, *scale)));
                }
            }),
        }
    }

    /// The words of some panels, the numbers of whose lines are brought into their type by `read`.
    // See `Loader::push`.
    #[inline(never)]
    fn packed<T: AnyBitPattern + NoUninit>(
        &self,
        panels: Range<usize>,
        mut read: impl FnMut(&Line<'_>, &mut Vec<T>),
    ) -> Vec<u32> {
        let layout = &self.matrix.layout;
        let panel = layout.panel;
        let mut words = vec![0; panels.len() * layout.panel_words()];
        let numbers: &mut [T] = bytemuck::cast_slice_mut(&mut words);
        let first = panels.start * panel;
        let mut line_of = Vec::with_capacity(layout.inputs.max(layout.outputs));
        for line in self.lines(first..layout.outputs.min(panels.end * panel)) {
            line_of.clear();
            read(&line, &mut line_of);
            if line.of_output {
                let places = numbers[layout.index(0, line.output - first)..].iter_mut().step_by(panel);
                places.zip(&line_of).for_each(|(place, number)| *place = *number);
                continue;
            }
            let mut output = line.output - first;
            let mut rest = line_of.as_slice();
            while !rest.is_empty() {
                // As many as lie side by side in a panel.
                let (here, others) = rest.split_at(rest.len().min(panel - output % panel));
                numbers[layout.index(line.input, output)..][..here.len()].copy_from_slice(here);
                output += here.len();
                rest = others;
            }
        }
        words
    }

    /// The lines that some outputs are made of.
    fn lines(&self, outputs: Range<usize>) -> impl Iterator<Item = Line<'a>> {
        let MatrixPlan { parts: places, first, .. } = self.matrix;
        let width = places.first().map_or(1, |place| place.cols).max(1);
        let columns = first + outputs.start..first + outputs.end;
        places.iter().zip(self.parts).enumerate().flat_map(move |(part, (place, numbers))| {
            let begin = columns.start.max(part * width);
            let own = begin..columns.end.min((part + 1) * width).max(begin);
            let inputs = place.rows;
            let count = match own.is_empty() {
                true => 0,
                false if place.transposed => own.len(),
                false => inputs,
            };
            (0..count).map(move |number| {
                let of_output = place.transposed;
                let (input, column, length) =
                    if of_output { (0, own.start + number, inputs) } else { (number, own.start, own.len()) };
                let at = place.index(input, column - part * width);
                Line { numbers, indices: at..at + length, input, output: column - first, of_output }
            })
        })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that cannot go on should fail")]
mod tests {
    use half::{bf16, f16};

    use super::super::kernels::{NONE, Widths};
    use super::super::weights::Stored;
    use super::*;
    use crate::checkpoint::{NumberType, Scale, Tensor};

    const FILES: [NumberType; 4] = [NumberType::F32, NumberType::F16, NumberType::Bf16, NumberType::I8];

    fn tensor(key: &str, number_type: NumberType, count: usize, scale: Option<Box<Scale>>) -> Tensor {
        Tensor { key: key.to_owned(), number_type, count, bytes: 0..count * number_type.size(), scale }
    }

    fn bytes(number_type: NumberType, values: impl Iterator<Item = f32>) -> Vec<u8> {
        let of_one = |value: f32| match number_type {
            NumberType::F32 => value.to_le_bytes().to_vec(),
            NumberType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
            NumberType::Bf16 => bf16::from_f32(value).to_le_bytes().to_vec(),
            NumberType::I8 => ((value * 128.0) as i8).to_le_bytes().to_vec(),
        };
        values.flat_map(of_one).collect()
    }

    /// Every type of file in every type of weights, whichever way it lies, whole and in parts, with all columns and with some:
    /// the words must be those that are made number by number.
    #[test]
    fn lines_make_the_words_that_single_numbers_make() {
        let (inputs, width) = (7, 50);
        for (number_type, weight_type) in
            FILES.into_iter().flat_map(|file| WeightType::ALL.map(|of| (file, of)))
        {
            for (widths, transposed, count, by_row) in [
                (Widths::NARROW, true, 1, true),
                (Widths::NARROW, false, 3, false),
                (Widths::WIDE, true, 3, true),
                (Widths::WIDE, false, 1, true),
                (Widths::WIDE, true, 2, false),
            ] {
                let cols = if transposed { inputs } else { width };
                let rows = inputs * width / cols;
                let scale = (number_type == NumberType::I8).then(|| {
                    let factors = if by_row { rows } else { cols };
                    Box::new(Scale { tensor: tensor("scale", NumberType::F32, factors, None), cols, by_row })
                });
                let place = Matrix {
                    tensor: tensor("matrix", number_type, inputs * width, scale),
                    rows: inputs,
                    cols: width,
                    transposed,
                };
                let wave = |part: usize| move |i: usize| ((i * 37 + part * 11) as f32).sin();
                let files: Vec<_> =
                    (0..count).map(|part| bytes(number_type, (0..inputs * width).map(wave(part)))).collect();
                let factors = bytes(NumberType::F32, (0..50).map(|i| 0.01 + i as f32 / 900.0));
                let length = place.tensor.scale.as_ref().map_or(0, |scale| scale.tensor.count * 4);
                let numbers = |file| place.tensor.numbers(file, &factors[..length]).expect("they are finite");
                let parts: Vec<_> = files.iter().map(|file| numbers(file)).collect();

                for (first, outputs) in [(0, width * count), (9, width * count - 13)] {
                    let layout = Layout::new(inputs, outputs, &widths, weight_type);
                    let value = |k: usize, output: usize| {
                        let column = first + output;
                        parts[column / width].get(place.index(k, column % width))
                    };
                    let expected = Stored::new(layout.clone(), value);
                    let matrix = MatrixPlan { layout, parts: vec![place.clone(); count], first, scale: NONE };
                    let packing = Packing::new(&matrix, &parts);
                    let scales = packing.scales();
                    let what =
                        format!("{number_type:?} in {weight_type:?}, {count} parts, {transposed}, {first}");
                    let panels = matrix.layout.panels;
                    let turns = [0..1, 1..panels.min(2), panels.min(2)..panels];
                    let words: Vec<u32> =
                        turns.into_iter().flat_map(|panels| packing.words(panels, &scales)).collect();
                    if !packing.whole {
                        assert_eq!(scales, expected.scales, "{what}");
                        assert_eq!(words, expected.words, "{what}");
                        continue;
                    }
                    // They stay as they are, whatever the largest is.
                    let kept = Stored { layout: matrix.layout.clone(), words, scales };
                    for (k, output) in (0..inputs).flat_map(|k| (0..outputs).map(move |output| (k, output))) {
                        assert_eq!(kept.opened(k, output) * kept.scale(output), value(k, output), "{what}");
                    }
                }
            }
        }
    }
}
