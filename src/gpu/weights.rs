//! How weights are stored on the GPU: as they are, in half precision, or as whole numbers with a scale.

use half::f16;

use super::kernels::Widths;

pub use crate::trace::WeightType;

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

/// How a matrix `[inputs, outputs]` lies in a GPU's memory: panel after panel of so many outputs; in a panel, input after input;
/// and of an input, the weights of the panel's outputs side by side. Outputs of zeros fill up the last workgroup's panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// How the numbers are stored.
    pub weight_type: WeightType,
    /// Outputs of a panel.
    pub(super) panel: usize,
    /// Number of panels.
    pub panels: usize,
}

impl Layout {
    /// The layout of a matrix for kernels of these widths.
    pub fn new(inputs: usize, outputs: usize, widths: &Widths, weight_type: WeightType) -> Layout {
        let panel = widths.panel_fours as usize * 4;
        Layout { inputs, outputs, weight_type, panel, panels: widths.padded(outputs) / panel }
    }

    /// Words of 32 bits in a panel.
    pub fn panel_words(&self) -> usize {
        self.inputs * self.panel / self.weight_type.per_word()
    }

    /// Words of the whole.
    pub fn words(&self) -> usize {
        self.panels * self.panel_words()
    }

    /// Where the number at input `k` and `output` lies, in numbers.
    pub(super) fn index(&self, k: usize, output: usize) -> usize {
        (output / self.panel * self.inputs + k) * self.panel + output % self.panel
    }
}

/// A number in 8 bits, where its output has this scale: the nearest whole number, of two the one farther from 0.
pub(super) fn rounded(value: f32, scale: f32) -> i8 {
    if scale <= 0.0 {
        return 0;
    }
    // As `f32::round`, which WebAssembly has no instruction for: just less than a half, so that the sum does not round up.
    let scaled = value / scale;
    (scaled + 0.499_999_97_f32.copysign(scaled)).clamp(-127.0, 127.0) as i8
}

/// A matrix as the kernels read it, for their twins.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// How it lies in memory.
    pub layout: Layout,
    /// Panel after panel.
    pub words: Vec<u32>,
    /// What each output is multiplied by; empty unless the type is [`WeightType::Int8`].
    pub scales: Vec<f32>,
}

impl Stored {
    /// Stores the matrix whose number at input `k` and `output` is `value(k, output)`.
    pub fn new(layout: Layout, value: impl Fn(usize, usize) -> f32) -> Stored {
        let Layout { inputs, outputs, weight_type, panel, panels } = layout;
        let largest = |output| (0..inputs).fold(0.0_f32, |most, k| most.max(value(k, output).abs()));
        let scales: Vec<f32> = match weight_type {
            WeightType::Int8 => (0..outputs).map(|output| largest(output) / 127.0).collect(),
            WeightType::F32 | WeightType::F16 => Vec::new(),
        };
        let number = |k, output| if output < outputs { value(k, output) } else { 0.0 };
        let half = |k, output| u32::from(f16::from_f32(number(k, output)).to_bits());
        let whole = |k, output| {
            let scale = scales.get(output).copied().unwrap_or(0.0);
            rounded(number(k, output), scale).cast_unsigned()
        };
        let word = |k: usize, first: usize| match weight_type {
            WeightType::F32 => number(k, first).to_bits(),
            WeightType::F16 => half(k, first) | half(k, first + 1) << 16,
            WeightType::Int8 => u32::from_le_bytes([0, 1, 2, 3].map(|c| whole(k, first + c))),
        };
        let mut words = Vec::with_capacity(layout.words());
        for begin in (0..panels).map(|number| number * panel) {
            for k in 0..inputs {
                words.extend(
                    (begin..begin + panel).step_by(weight_type.per_word()).map(|first| word(k, first)),
                );
            }
        }
        Stored { layout, words, scales }
    }

    /// The number at input `k` and `output` before the output's scale, as a kernel opens it.
    pub fn opened(&self, k: usize, output: usize) -> f32 {
        let per_word = self.layout.weight_type.per_word();
        let at = self.layout.index(k, output);
        let word = self.words[at / per_word];
        let part = at % per_word;
        match self.layout.weight_type {
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
        let types =
            [(WeightType::F32, 0.0), (WeightType::F16, 1.5e-4), (WeightType::Int8, 0.3 / 127.0 / 1.9)];
        for ((weight_type, tolerance), widths) in
            types.into_iter().flat_map(|of_type| [(of_type, Widths::NARROW), (of_type, Widths::WIDE)])
        {
            for (inputs, outputs) in [(1, 1), (3, 7), (5, 64), (4, 65)] {
                let layout = Layout::new(inputs, outputs, &widths, weight_type);
                let padded = layout.panels * layout.panel;
                let stored = Stored::new(layout, value);
                assert_eq!(stored.words.len() * weight_type.per_word(), inputs * padded);
                for k in 0..inputs {
                    for output in 0..outputs {
                        let opened = stored.opened(k, output) * stored.scale(output);
                        let off = (opened - value(k, output)).abs();
                        assert!(off <= tolerance, "{weight_type:?} [{k}, {output}]: {off}");
                    }
                    assert!((outputs..padded).all(|output| stored.opened(k, output) == 0.0));
                }
            }
        }
    }

    #[test]
    fn eight_bits_are_those_of_the_nearest_whole_number() {
        let halves = (-256..=256).map(|half| half as f32 / 2.0);
        for value in halves.flat_map(|value| [value.next_down(), value, value.next_up()]) {
            assert_eq!(rounded(value, 1.0), value.round().clamp(-127.0, 127.0) as i8, "{value}");
        }
    }

    #[test]
    fn an_output_without_weights_stays_without() {
        let layout = Layout::new(3, 2, &Widths::WIDE, WeightType::Int8);
        let stored = Stored::new(layout, |_, output| output as f32);
        assert_eq!(stored.scale(0), 0.0);
        assert!((0..3).all(|k| stored.opened(k, 0) == 0.0 && stored.opened(k, 1) * stored.scale(1) == 1.0));
    }
}
