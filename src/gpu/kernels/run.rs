//! What changes from run to run, as the kernels read it: how many rows, which tokens, what is wanted, what is changed.

use super::NONE;
use crate::engine::protocol::Sampling;
use crate::trace::{Ablation, Embedding, Sight};

/// Bits of what a run changes.
pub(super) const WITHOUT_TOKEN: u32 = 1;
pub(super) const WITHOUT_POSITION: u32 = 2;
pub(super) const WITHOUT_SEGMENT: u32 = 4;
pub(super) const MASK_EDITED: u32 = 8;
pub(super) const ID_IS_DRAWN: u32 = 16;

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
    const SEED: usize = 7;
    const STEP: usize = 8;
    const IDS: usize = 9;

    // Kernels know where these two are by the capacity.
    fn segments(&self) -> usize {
        Self::IDS + self.capacity
    }

    fn predict(&self) -> usize {
        self.segments() + self.capacity
    }

    fn wants(&self) -> usize {
        self.predict() + self.capacity
    }

    /// Of the activations that may be asked for, where the one numbered `index` is.
    pub fn slot(&self, index: usize) -> u32 {
        (self.wants() + index) as u32
    }

    /// The heads that are switched off, a bit each.
    pub(in crate::gpu) fn heads(&self) -> usize {
        self.wants() + self.wants
    }

    /// The flipped cells of the mask, a bit each; the last of all, since only a run that flips some writes it.
    pub(in crate::gpu) fn edits(&self) -> usize {
        self.heads() + self.heads
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

/// The names that the WGSL has for the places that are the same in every layout, and for the bits of what a run changes.
pub(super) const NAMES: [(&str, u32); 15] = [
    ("RUN_PAST", RunLayout::PAST as u32),
    ("RUN_ROWS", RunLayout::ROWS as u32),
    ("RUN_PREDICTED", RunLayout::PREDICTED as u32),
    ("RUN_CHANGES", RunLayout::CHANGES as u32),
    ("RUN_INVERSE_TEMPERATURE", RunLayout::INVERSE_TEMPERATURE as u32),
    ("RUN_TOP_K", RunLayout::TOP_K as u32),
    ("RUN_TOP_P", RunLayout::TOP_P as u32),
    ("RUN_SEED", RunLayout::SEED as u32),
    ("RUN_STEP", RunLayout::STEP as u32),
    ("RUN_IDS", RunLayout::IDS as u32),
    ("WITHOUT_TOKEN", WITHOUT_TOKEN),
    ("WITHOUT_POSITION", WITHOUT_POSITION),
    ("WITHOUT_SEGMENT", WITHOUT_SEGMENT),
    ("MASK_EDITED", MASK_EDITED),
    ("ID_IS_DRAWN", ID_IS_DRAWN),
];

/// What changes from run to run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunWords {
    pub(super) layout: RunLayout,
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
        words[layout.wants()..layout.heads()].fill(NONE);
        words[RunLayout::IDS..][..ids.len()].copy_from_slice(ids);
        words[layout.segments()..][..segments.len()].copy_from_slice(segments);
        words[layout.predict()..][..predict.len()].copy_from_slice(predict);
        let mut run = RunWords { layout, words };
        run.sample(&Sampling::default(), 0);
        run
    }

    /// Sets how the next token is drawn, at `step` (counted from 0).
    ///
    /// Parameters outside their range are taken as `lesson::sampling` takes them.
    pub fn sample(&mut self, sampling: &Sampling, step: usize) {
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
        self.words[RunLayout::SEED] = sampling.seed;
        self.words[RunLayout::STEP] = step as u32;
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
        self.words[slot as usize] = offset;
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

    pub(super) fn wanted(&self, slot: u32) -> Option<usize> {
        if slot == NONE {
            return None;
        }
        let offset = self.words[slot as usize];
        (offset != NONE).then_some(offset as usize)
    }

    /// Whether the run makes the change of `bit`.
    pub(super) fn changes(&self, bit: u32) -> bool {
        self.words[RunLayout::CHANGES] & bit != 0
    }

    /// 1 ÷ temperature: what logits are multiplied by.
    pub(super) fn inverse_temperature(&self) -> f32 {
        f32::from_bits(self.words[RunLayout::INVERSE_TEMPERATURE])
    }

    /// How many candidates are kept; 0 keeps all.
    pub(in crate::gpu) fn top_k(&self) -> usize {
        self.words[RunLayout::TOP_K] as usize
    }

    /// The probability that the kept candidates reach together.
    pub(super) fn top_p(&self) -> f32 {
        f32::from_bits(self.words[RunLayout::TOP_P])
    }

    pub(super) fn seed(&self) -> u32 {
        self.words[RunLayout::SEED]
    }

    pub(super) fn step(&self) -> u32 {
        self.words[RunLayout::STEP]
    }

    /// Whether a head of the block whose words begin at `words` is switched off.
    pub(super) fn is_off(&self, words: u32, head: usize) -> bool {
        self.words[words as usize + head / 32] >> (head % 32) & 1 == 1
    }

    /// Whether a query sees a key.
    pub(super) fn sees(&self, query: usize, key: usize, sight: Sight) -> bool {
        let word = self.layout.edits() + query * self.layout.edit_words() + key / 32;
        let flipped = self.changes(MASK_EDITED) && self.words[word] >> (key % 32) & 1 == 1;
        sight.sees(query, key) != flipped
    }

    pub(super) fn id(&self, row: usize) -> usize {
        self.words[RunLayout::IDS + row] as usize
    }

    pub(super) fn segment(&self, row: usize) -> usize {
        self.words[self.layout.segments() + row] as usize
    }

    pub(super) fn predict(&self, row: usize) -> usize {
        self.words[self.layout.predict() + row] as usize
    }
}
