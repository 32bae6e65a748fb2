//! How weights are stored on the GPU: as they are, in half precision, or as whole numbers with a scale.

use half::f16;

/// How a matrix's numbers are stored. Arithmetic is in f32 whatever the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightType {
    /// 32 bits a number.
    F32,
    /// 16 bits a number, IEEE half precision.
    F16,
    /// 8 bits a number, and a scale for each output: the largest weight of an output becomes 127.
    Int8,
}

impl WeightType {
    /// How many numbers share a word of 32 bits.
    pub fn per_word(self) -> usize {
        match self {
            WeightType::F32 => 1,
            WeightType::F16 => 2,
            WeightType::Int8 => 4,
        }
    }

    /// The WGSL that reads this type.
    pub(super) fn source(self) -> &'static str {
        match self {
            WeightType::F32 => include_str!("kernels/weights_f32.wgsl"),
            WeightType::F16 => include_str!("kernels/weights_f16.wgsl"),
            WeightType::Int8 => include_str!("kernels/weights_i8.wgsl"),
        }
    }
}

/// A matrix `[inputs, outputs]` as the kernels read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Number of rows.
    pub inputs: usize,
    /// Number of columns.
    pub outputs: usize,
    /// How the numbers are stored.
    pub weight_type: WeightType,
    /// Columns with the zeros that fill up the last group of `columns_in_group`.
    pub padded: usize,
    /// Row after row, each of `padded` numbers.
    pub words: Vec<u32>,
    /// What each output is multiplied by; empty unless the type is [`WeightType::Int8`].
    pub scales: Vec<f32>,
}

impl Stored {
    /// Stores the matrix whose number in row `k` and column `output` is `value(k, output)`.
    ///
    /// A workgroup computes `columns_in_group` columns, so rows are filled up to a multiple of it.
    pub fn new(
        inputs: usize,
        outputs: usize,
        columns_in_group: usize,
        weight_type: WeightType,
        value: impl Fn(usize, usize) -> f32,
    ) -> Stored {
        let padded = outputs.next_multiple_of(columns_in_group);
        let per_word = weight_type.per_word();
        let mut scales = Vec::new();
        if weight_type == WeightType::Int8 {
            scales = vec![0.0_f32; outputs];
            for k in 0..inputs {
                for (output, scale) in scales.iter_mut().enumerate() {
                    *scale = scale.max(value(k, output).abs());
                }
            }
            scales.iter_mut().for_each(|scale| *scale /= 127.0);
        }
        let number = |k: usize, output: usize| if output < outputs { value(k, output) } else { 0.0 };
        let whole = |k: usize, output: usize| match scales.get(output) {
            Some(scale) if *scale > 0.0 => (value(k, output) / scale).round().clamp(-127.0, 127.0) as i8,
            _ => 0,
        };
        let mut words = Vec::with_capacity(inputs * padded / per_word);
        for k in 0..inputs {
            for first in (0..padded).step_by(per_word) {
                words.push(match weight_type {
                    WeightType::F32 => number(k, first).to_bits(),
                    WeightType::F16 => {
                        let half = |output| u32::from(f16::from_f32(number(k, output)).to_bits());
                        half(first) | half(first + 1) << 16
                    }
                    WeightType::Int8 => {
                        u32::from_le_bytes([0, 1, 2, 3].map(|c| whole(k, first + c).cast_unsigned()))
                    }
                });
            }
        }
        Stored { inputs, outputs, weight_type, padded, words, scales }
    }

    /// The number in row `k` and column `output` before the output's scale, as a kernel opens it.
    pub fn opened(&self, k: usize, output: usize) -> f32 {
        let per_word = self.weight_type.per_word();
        let at = k * self.padded + output;
        let word = self.words[at / per_word];
        let part = at % per_word;
        match self.weight_type {
            WeightType::F32 => f32::from_bits(word),
            WeightType::F16 => f16::from_bits((word >> (16 * part)) as u16).to_f32(),
            WeightType::Int8 => f32::from(word.to_le_bytes()[part].cast_signed()),
        }
    }

    /// What each output is multiplied by.
    pub fn scale(&self, output: usize) -> f32 {
        self.scales.get(output).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_opened_again_to_the_type_s_precision() {
        let value = |k: usize, output: usize| ((k * 31 + output * 17) as f32).sin() * 0.3;
        for (weight_type, tolerance) in
            [(WeightType::F32, 0.0), (WeightType::F16, 1.5e-4), (WeightType::Int8, 0.3 / 127.0 / 1.9)]
        {
            for (inputs, outputs) in [(1, 1), (3, 7), (5, 64), (4, 65)] {
                let stored = Stored::new(inputs, outputs, 64, weight_type, value);
                assert_eq!(stored.words.len() * weight_type.per_word(), inputs * stored.padded);
                for k in 0..inputs {
                    for output in 0..outputs {
                        let opened = stored.opened(k, output) * stored.scale(output);
                        let off = (opened - value(k, output)).abs();
                        assert!(off <= tolerance, "{weight_type:?} [{k}, {output}]: {off}");
                    }
                    assert!((outputs..stored.padded).all(|output| stored.opened(k, output) == 0.0));
                }
            }
        }
    }

    #[test]
    fn an_output_without_weights_stays_without() {
        let stored = Stored::new(3, 2, 4, WeightType::Int8, |_, output| output as f32);
        assert_eq!(stored.scale(0), 0.0);
        assert!((0..3).all(|k| stored.opened(k, 0) == 0.0 && stored.opened(k, 1) * stored.scale(1) == 1.0));
    }
}
