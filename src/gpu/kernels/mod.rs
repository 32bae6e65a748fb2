//! The kernels: for each `<op>.wgsl` an `<op>.rs` with its shape, its grid and a plain CPU twin, which the tests hold it
//! against.
//!
//! All kernels see the same memory: `arena` (what the network computes, `f32`), `weights` (one matrix), `vectors` (biases,
//! norms and small tables, `f32`), a `shape` of their own, `run` (what changes from run to run, `u32`), and `trace` (where
//! activations go that were asked for and have no place in the arena).

pub mod attention;
pub mod draw;
pub mod embed;
pub mod fold;
pub mod linear;
pub mod norm;
pub mod top;

use super::weights::{Stored, WeightType};
use crate::engine::protocol::Sampling;
use crate::trace::{Ablation, Embedding};

/// Says that something has no place, or was not asked for.
pub const NONE: u32 = u32::MAX;

/// Bits of what a run changes.
const WITHOUT_TOKEN: u32 = 1;
const WITHOUT_POSITION: u32 = 2;
const WITHOUT_SEGMENT: u32 = 4;
const MASK_EDITED: u32 = 8;
const ID_IS_DRAWN: u32 = 16;

/// Turns a field of a shape into the word that a kernel reads.
pub(super) trait Word: Copy {
    fn word(self) -> u32;
}

impl Word for u32 {
    fn word(self) -> u32 {
        self
    }
}

impl Word for f32 {
    fn word(self) -> u32 {
        self.to_bits()
    }
}

/// A kernel's `struct Shape`, field by field as in its WGSL.
macro_rules! shape {
    ($(#[$doc:meta])* { $($(#[$field_doc:meta])* $field:ident: $kind:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Shape {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Shape {
            /// The fields' names and types, in the order in which they lie in memory.
            pub const FIELDS: &[(&str, &str)] = &[$((stringify!($field), stringify!($kind)),)*];

            /// The shape as the kernel reads it.
            pub fn words(&self) -> Vec<u32> {
                vec![$($crate::gpu::kernels::Word::word(self.$field),)*]
            }
        }
    };
}
use shape;

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// [`embed`].
    Embed,
    /// [`linear`] for a text.
    LinearTile,
    /// [`linear`] for a few rows.
    LinearVector,
    /// [`attention`].
    Attention,
    /// [`norm`].
    Norm,
    /// [`fold`].
    Fold,
    /// The first step of [`top`], for each part of a row of logits.
    TopPart,
    /// The second step of [`top`], for each row.
    TopRow,
    /// [`draw`].
    Draw,
}

impl Op {
    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Op::Embed => "embed",
            Op::LinearTile => "linear_tile",
            Op::LinearVector => "linear_vector",
            Op::Attention => "attention",
            Op::Norm => "norm",
            Op::Fold => "fold",
            Op::TopPart => "top_part",
            Op::TopRow => "top_row",
            Op::Draw => "draw",
        }
    }
}

/// How wide kernels are made for an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Invocations side by side along a map's outputs, where there are many rows.
    pub tile_lanes: u32,
    /// The same where there are few rows; it divides the former.
    pub vector_lanes: u32,
    /// Invocations that share the inputs of one output, where there are few rows.
    pub slices: u32,
    /// Invocations for one query of one head.
    pub attention_lanes: u32,
}

impl Widths {
    /// Few and independent, for software that runs a handful of invocations at once.
    pub const NARROW: Widths = Widths { tile_lanes: 16, vector_lanes: 16, slices: 1, attention_lanes: 16 };
    /// Many, for a GPU that hides the way to memory behind other work.
    pub const WIDE: Widths = Widths { tile_lanes: 32, vector_lanes: 8, slices: 32, attention_lanes: 64 };

    /// The most outputs that one workgroup of a linear map computes: rows of weights are filled up to a multiple of it.
    pub fn columns_in_group(&self) -> usize {
        self.tile_lanes as usize * 4
    }
}

/// Where things lie in `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLayout {
    /// The most positions there can be.
    pub capacity: usize,
    /// How many activations may be asked for that have no place in the arena.
    pub wants: usize,
    /// Words of bits, one for each head of each block.
    pub heads: usize,
}

impl RunLayout {
    const PAST: usize = 0;
    const ROWS: usize = 1;
    const PREDICTED: usize = 2;
    const CHANGES: usize = 3;
    const INVERSE_TEMPERATURE: usize = 4;
    const TOP_K: usize = 5;
    const TOP_P: usize = 6;
    const UNIFORM: usize = 7;
    const WANTS: usize = 8;

    fn heads(&self) -> usize {
        Self::WANTS + self.wants
    }

    fn ids(&self) -> usize {
        self.heads() + self.heads
    }

    fn segments(&self) -> usize {
        self.ids() + self.capacity
    }

    fn predict(&self) -> usize {
        self.segments() + self.capacity
    }

    /// The flipped cells of the mask, a bit each; the last of all, since only a run that flips some writes it.
    fn edits(&self) -> usize {
        self.predict() + self.capacity
    }

    /// Words for a row of the mask.
    fn edit_words(&self) -> usize {
        self.capacity.div_ceil(32)
    }

    /// Its length in words.
    pub fn words(&self) -> usize {
        self.edits() + self.capacity * self.edit_words()
    }
}

/// What changes from run to run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunWords {
    layout: RunLayout,
    words: Vec<u32>,
}

impl RunWords {
    /// A run over `ids` and `segments`, which stand after `past` positions that were computed before; the rows of
    /// `predict` (counted from the first position) get predictions. Nothing is wanted yet, and sampling is plain.
    pub fn new(layout: RunLayout, past: usize, ids: &[u32], segments: &[u32], predict: &[u32]) -> RunWords {
        let mut words = vec![0; layout.edits()];
        words[RunLayout::PAST] = past as u32;
        words[RunLayout::ROWS] = ids.len() as u32;
        words[RunLayout::PREDICTED] = predict.len() as u32;
        words[RunLayout::WANTS..layout.heads()].fill(NONE);
        words[layout.ids()..][..ids.len()].copy_from_slice(ids);
        words[layout.segments()..][..segments.len()].copy_from_slice(segments);
        words[layout.predict()..][..predict.len()].copy_from_slice(predict);
        let mut run = RunWords { layout, words };
        run.sample(&Sampling::default(), 0.0);
        run
    }

    /// Sets how the next token is drawn; `uniform`, in 0 to 1, is what `lesson::sampling` has for the seed and the step.
    ///
    /// Parameters outside their range are taken as `lesson::sampling` takes them.
    pub fn sample(&mut self, sampling: &Sampling, uniform: f64) {
        let temperature = if sampling.temperature.is_nan() { 1.0 } else { sampling.temperature };
        let top_p = if sampling.top_p.is_nan() { 1.0 } else { sampling.top_p.clamp(0.0, 1.0) };
        // Temperature 0 takes the first of the most probable pieces, which is what top-k 1 does at any temperature.
        let greedy = temperature <= 0.0;
        let (temperature, top_k) = if greedy { (1.0, 1) } else { (temperature, sampling.top_k) };
        // Of a temperature that is nearly 0 the reciprocal is infinite, and 0 times that is no number.
        let inverse = temperature.recip().min(f32::MAX);
        self.words[RunLayout::INVERSE_TEMPERATURE] = inverse.to_bits();
        self.words[RunLayout::TOP_K] = u32::try_from(top_k).unwrap_or(u32::MAX);
        self.words[RunLayout::TOP_P] = top_p.to_bits();
        self.words[RunLayout::UNIFORM] = (uniform as f32).to_bits();
    }

    /// Takes the one token that was drawn last instead of an id.
    pub fn follow(&mut self) {
        self.words[RunLayout::CHANGES] |= ID_IS_DRAWN;
    }

    /// Leaves out or changes what `ablation` says; `head_words` are the words for the heads of a block.
    pub fn ablate(&mut self, ablation: &Ablation, head_words: usize) {
        let layout = self.layout;
        for &[layer, head] in &ablation.heads {
            self.words[layout.heads() + layer * head_words + head / 32] |= 1 << (head % 32);
        }
        for (embedding, bit) in [
            (Embedding::Token, WITHOUT_TOKEN),
            (Embedding::Position, WITHOUT_POSITION),
            (Embedding::Segment, WITHOUT_SEGMENT),
        ] {
            if ablation.leaves_out(embedding) {
                self.words[RunLayout::CHANGES] |= bit;
            }
        }
        if !ablation.mask.is_empty() {
            self.words[RunLayout::CHANGES] |= MASK_EDITED;
            self.words.resize(layout.words(), 0);
            for &[query, key] in &ablation.mask {
                self.words[layout.edits() + query * layout.edit_words() + key / 32] ^= 1 << (key % 32);
            }
        }
    }

    /// Asks for the activation of `slot`, to be written at `offset` of the trace.
    pub fn want(&mut self, slot: u32, offset: u32) {
        self.words[RunLayout::WANTS + slot as usize] = offset;
    }

    /// As the kernels read it.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Positions that were computed before.
    pub fn past(&self) -> usize {
        self.words[RunLayout::PAST] as usize
    }

    /// Positions that are computed now.
    pub fn rows(&self) -> usize {
        self.words[RunLayout::ROWS] as usize
    }

    /// Positions that get predictions.
    pub fn predicted(&self) -> usize {
        self.words[RunLayout::PREDICTED] as usize
    }

    /// Whether the activation of `slot` is asked for.
    pub fn wants(&self, slot: u32) -> bool {
        self.wanted(slot).is_some()
    }

    fn wanted(&self, slot: u32) -> Option<usize> {
        if slot == NONE {
            return None;
        }
        let offset = self.words[RunLayout::WANTS + slot as usize];
        (offset != NONE).then_some(offset as usize)
    }

    /// Whether the run makes the change of `bit`.
    fn changes(&self, bit: u32) -> bool {
        self.words[RunLayout::CHANGES] & bit != 0
    }

    /// 1 ÷ temperature: what logits are multiplied by.
    fn inverse_temperature(&self) -> f32 {
        f32::from_bits(self.words[RunLayout::INVERSE_TEMPERATURE])
    }

    /// How many candidates are kept; 0 keeps all.
    fn top_k(&self) -> usize {
        self.words[RunLayout::TOP_K] as usize
    }

    /// The probability that the kept candidates reach together.
    fn top_p(&self) -> f32 {
        f32::from_bits(self.words[RunLayout::TOP_P])
    }

    /// The uniform number of the draw.
    fn uniform(&self) -> f32 {
        f32::from_bits(self.words[RunLayout::UNIFORM])
    }

    /// Whether a head of the block whose words begin at `words` is switched off.
    fn is_off(&self, words: u32, head: usize) -> bool {
        self.words[self.layout.heads() + words as usize + head / 32] >> (head % 32) & 1 == 1
    }

    /// Whether a query sees a key.
    fn sees(&self, query: usize, key: usize, causal: bool) -> bool {
        let word = self.layout.edits() + query * self.layout.edit_words() + key / 32;
        let flipped = self.changes(MASK_EDITED) && self.words[word] >> (key % 32) & 1 == 1;
        (!causal || key <= query) != flipped
    }

    fn id(&self, row: usize) -> usize {
        self.words[self.layout.ids() + row] as usize
    }

    fn segment(&self, row: usize) -> usize {
        self.words[self.layout.segments() + row] as usize
    }

    fn predict(&self, row: usize) -> usize {
        self.words[self.layout.predict() + row] as usize
    }
}

/// The memory that the twins compute in.
pub struct Memory<'a> {
    /// What the network computes.
    pub arena: &'a mut [f32],
    /// The matrix, where the kernel reads one.
    pub weights: &'a Stored,
    /// Biases, norms and small tables.
    pub vectors: &'a [f32],
    /// What this run is.
    pub run: &'a RunWords,
    /// Where activations go that were asked for.
    pub trace: &'a mut [f32],
}

/// The WGSL of a kernel: its constants, what it shares with others, and its file.
pub fn source(op: Op, weight_type: WeightType, widths: &Widths, layout: &RunLayout) -> String {
    let lanes = match op {
        Op::Attention | Op::Norm | Op::TopPart | Op::TopRow => widths.attention_lanes,
        Op::LinearVector => widths.vector_lanes,
        Op::LinearTile | Op::Embed | Op::Fold => widths.tile_lanes,
        Op::Draw => 1,
    };
    let numbers = [
        ("NONE", NONE),
        ("LANES", lanes),
        ("SLICES", widths.slices),
        // Nothing is shared where nobody shares; software takes its time to clear such memory.
        ("SHARED", if widths.slices > 1 { lanes * widths.slices } else { 1 }),
        ("CAPACITY", layout.capacity as u32),
        ("RUN_PAST", RunLayout::PAST as u32),
        ("RUN_ROWS", RunLayout::ROWS as u32),
        ("RUN_PREDICTED", RunLayout::PREDICTED as u32),
        ("RUN_CHANGES", RunLayout::CHANGES as u32),
        ("RUN_INVERSE_TEMPERATURE", RunLayout::INVERSE_TEMPERATURE as u32),
        ("RUN_TOP_K", RunLayout::TOP_K as u32),
        ("RUN_TOP_P", RunLayout::TOP_P as u32),
        ("RUN_UNIFORM", RunLayout::UNIFORM as u32),
        ("RUN_WANTS", RunLayout::WANTS as u32),
        ("RUN_HEADS", layout.heads() as u32),
        ("RUN_IDS", layout.ids() as u32),
        ("RUN_SEGMENTS", layout.segments() as u32),
        ("RUN_PREDICT", layout.predict() as u32),
        ("RUN_EDITS", layout.edits() as u32),
        ("EDIT_WORDS", layout.edit_words() as u32),
        ("WITHOUT_TOKEN", WITHOUT_TOKEN),
        ("WITHOUT_POSITION", WITHOUT_POSITION),
        ("WITHOUT_SEGMENT", WITHOUT_SEGMENT),
        ("MASK_EDITED", MASK_EDITED),
        ("ID_IS_DRAWN", ID_IS_DRAWN),
    ];
    let (parts, names): (&[&str], &[(&str, u32)]) = match op {
        Op::Embed => (&[weight_type.source(), include_str!("embed.wgsl")], &[]),
        Op::LinearTile => (
            &[include_str!("linear.wgsl"), weight_type.source(), include_str!("linear_tile.wgsl")],
            &linear::NAMES,
        ),
        Op::LinearVector => (
            &[include_str!("linear.wgsl"), weight_type.source(), include_str!("linear_vector.wgsl")],
            &linear::NAMES,
        ),
        Op::Attention => (&[include_str!("attention.wgsl")], &attention::NAMES),
        Op::Norm => (&[include_str!("norm.wgsl")], &[]),
        Op::Fold => (&[weight_type.source(), include_str!("fold.wgsl")], &[]),
        Op::TopPart => (&[include_str!("top.wgsl"), include_str!("top_part.wgsl")], &top::NAMES),
        Op::TopRow => (&[include_str!("top.wgsl"), include_str!("top_row.wgsl")], &top::NAMES),
        Op::Draw => (&[include_str!("draw.wgsl")], &top::NAMES),
    };
    let body = parts.join("\n");
    let constants: String = numbers
        .iter()
        .chain(names)
        .filter(|(name, _)| body.contains(name))
        .map(|(name, value)| format!("const {name} = {value}u;\n"))
        .collect();
    format!("{constants}\n{body}")
}

#[cfg(test)]
mod tests;
