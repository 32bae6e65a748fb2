//! What a run reads back: where each activation that is asked for will be, once the GPU is done.

use std::ops::Range;

use super::kernels::RunWords;
use super::kernels::linear::Rows;
use super::plan::{Place, Plan};
use crate::trace::{Ablation, Hook};

/// Where an activation is once the GPU is done.
pub(super) enum Source {
    /// These numbers of what was read from the arena.
    Arena(Range<usize>),
    /// These numbers of what was read from the trace.
    Trace(Range<usize>),
    /// All rows of logits, which may be read in several turns.
    Logits,
    /// Known without asking the GPU.
    Known(Vec<f32>),
}

/// What one run reads back.
#[derive(Default)]
pub(super) struct Reading {
    /// From the arena, in numbers, one after the other.
    pub arena: Vec<Range<usize>>,
    /// How many numbers those are.
    pub from_arena: usize,
    /// How many numbers are taken from the trace.
    pub from_trace: usize,
}

impl Reading {
    /// Takes `range` of the arena along; says where it will be among what is read.
    pub(super) fn take(&mut self, range: Range<usize>) -> Range<usize> {
        let start = self.from_arena;
        self.from_arena += range.len();
        self.arena.push(range);
        start..self.from_arena
    }

    /// Makes place for `count` numbers of trace; says where.
    pub(super) fn trace(&mut self, count: usize) -> Range<usize> {
        let start = self.from_trace;
        // What is too much for 32 bits is too much for any GPU, which is going to be said of it.
        self.from_trace = self.from_trace.saturating_add(count);
        start..self.from_trace
    }

    pub(super) fn len(&self) -> usize {
        self.from_arena.saturating_add(self.from_trace)
    }
}

impl Plan {
    /// Asks for an activation: where it will be, and its shape. None if the model does not have it.
    pub(super) fn piece(
        &self,
        hook: Hook,
        predicted: usize,
        ablate: &Ablation,
        words: &mut RunWords,
        reading: &mut Reading,
    ) -> Option<(Hook, Vec<usize>, Source)> {
        let (past, rows) = (words.past(), words.rows());
        let keys = past + rows;
        if let Hook::Mask(layer) = hook {
            let seen = ablate.visible(rows, keys, *self.sight.get(layer)?);
            let cells = seen.into_iter().map(|seen| f32::from(u8::from(seen)));
            return Some((hook, vec![rows, keys], Source::Known(cells.collect())));
        }
        let divided = |count: usize, width: u32, heads: usize| match heads {
            0 => vec![count, width as usize],
            heads => vec![count, heads, width as usize / heads],
        };
        Some(match self.place(hook)? {
            Place::Rows { region, rows: Rows::New, heads } => {
                let source = Source::Arena(reading.take(region.rows(past..keys)));
                (hook, divided(rows, region.width, heads), source)
            }
            Place::Rows { region, rows: Rows::First, .. } => {
                (hook, vec![region.width as usize], Source::Arena(reading.take(region.rows(0..1))))
            }
            Place::Rows { region, .. } => (hook, vec![predicted, region.width as usize], Source::Logits),
            Place::Traced { slot, width, heads } => {
                let at = reading.trace(rows * width as usize);
                words.want(slot, at.start as u32);
                (hook, divided(rows, width, heads), Source::Trace(at))
            }
            Place::Map { slot, heads } => {
                let at = reading.trace(heads * rows * keys);
                words.want(slot, at.start as u32);
                (hook, vec![heads, rows, keys], Source::Trace(at))
            }
        })
    }
}
