//! A forward pass as a list of dispatches, laid out in memory before anything runs.
//!
//! Plain data: [`super::builder`] writes it, [`super::execute`] makes buffers and bind groups of it, once.

use std::ops::Range;

use super::builder::Builder;
use super::kernels::linear::Rows;
use super::kernels::{NONE, Op, RunLayout, RunWords, Widths, attention, draw, embed, linear, norm, top};
use super::weights::{Layout, WeightType};
use super::{bert, gpt2};
use crate::checkpoint::{Checkpoint, Matrix, Network, Tensor};
use crate::trace::{Hook, Sight};

/// Rows of the arena: one for each position, or for each prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Where it begins, in numbers.
    pub offset: u32,
    /// Length of a row.
    pub width: u32,
}

impl Region {
    /// Where `rows` lie in the arena, in numbers.
    pub(super) fn rows(&self, rows: Range<usize>) -> Range<usize> {
        let at = |row: usize| self.offset as usize + row * self.width as usize;
        at(rows.start)..at(rows.end)
    }
}

/// A kernel with its shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kernel {
    Embed(embed::Shape),
    Linear(linear::Shape),
    Attention(attention::Shape),
    Norm(norm::Shape),
    TopPart(top::Shape),
    TopRow(top::Shape),
    Draw(draw::Shape),
}

/// What a run is to leave of the scores of its predicted positions; each brings those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scores {
    /// All of them.
    #[default]
    All,
    /// The best of them, and what gives them probabilities.
    Best,
    /// A token that was drawn by them.
    Drawn,
}

/// One dispatch.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What it computes, by the name of an activation where there is one.
    pub computes: String,
    pub kernel: Kernel,
    /// Which of the plan's matrices it reads.
    pub matrix: Option<usize>,
    /// It is done only when this slot is wanted.
    pub only_if: Option<u32>,
    /// It is done only for that.
    pub scores: Scores,
    /// It computes predictions, and is done again when they take several turns.
    pub head: bool,
}

impl Step {
    /// The kernel that runs and how many workgroups of it.
    pub(super) fn launch(&self, run: &RunWords, widths: &Widths) -> (Op, [u32; 2]) {
        match self.kernel {
            Kernel::Embed(shape) => (Op::Embed, shape.grid(widths.tile_lanes, run.rows())),
            Kernel::Linear(shape) => {
                let rows = shape.which().count(run);
                shape.launch(widths, rows, widths.one_by_one(rows, run.rows()))
            }
            Kernel::Attention(shape) => (Op::Attention, shape.grid(widths, run.rows())),
            Kernel::Norm(shape) => (Op::Norm, shape.grid(run.rows())),
            Kernel::TopPart(shape) => (Op::TopPart, shape.grid_of_parts(run.predicted())),
            Kernel::TopRow(shape) => (Op::TopRow, shape.grid(run.predicted())),
            Kernel::Draw(shape) => (Op::Draw, shape.grid()),
        }
    }

    /// Whether it writes something to the trace that `run` wants.
    pub(super) fn traces(&self, run: &RunWords) -> bool {
        let slots = match self.kernel {
            Kernel::Embed(shape) => vec![shape.want_word, shape.want_position, shape.want_segment],
            Kernel::Linear(shape) => vec![shape.want],
            Kernel::Attention(shape) => vec![shape.want_scores, shape.want_pattern],
            Kernel::Norm(shape) => vec![shape.want],
            Kernel::TopPart(_) | Kernel::TopRow(_) | Kernel::Draw(_) => Vec::new(),
        };
        slots.into_iter().any(|slot| run.wants(slot))
    }

    /// The bytes of weights and activations that it reads, each counted once, and those that it writes, but for what goes
    /// to the trace.
    pub(super) fn traffic(&self, run: &RunWords, matrices: &[MatrixPlan]) -> [u64; 2] {
        let bytes = |numbers: usize| (numbers * size_of::<f32>()) as u64;
        let rows = run.rows();
        let keys = run.past() + rows;
        match self.kernel {
            Kernel::Embed(shape) => {
                let tables = if shape.segment_table == NONE { 2 } else { 3 };
                let sum = rows * shape.hidden as usize;
                [bytes(tables * sum), bytes(sum)]
            }
            Kernel::Linear(shape) => {
                let rows = shape.which().count(run);
                let layout = self.matrix.and_then(|index| matrices.get(index)).map(|matrix| &matrix.layout);
                let weights = layout
                    .map_or(0, |layout| layout.inputs * layout.outputs * 4 / layout.weight_type.per_word());
                let added = if shape.residual == NONE { 0 } else { rows * shape.outputs as usize };
                let x = rows * shape.inputs as usize;
                [weights as u64 + bytes(x + added), bytes(rows * shape.outputs as usize)]
            }
            Kernel::Attention(shape) => {
                let hidden = (shape.heads * shape.head_size) as usize;
                [bytes((rows + 2 * keys) * hidden), bytes(rows * hidden)]
            }
            Kernel::Norm(shape) => [bytes(rows * shape.hidden as usize); 2],
            Kernel::TopPart(shape) => {
                let left = shape.groups_in_row() + shape.parts_in_row() * top::HEAD;
                [shape.vocabulary as usize, left].map(|numbers| bytes(run.predicted() * numbers))
            }
            Kernel::TopRow(shape) => {
                let left = shape.groups_in_row() + shape.parts_in_row() * top::HEAD;
                let read = left + top::TOP * top::GROUP;
                [read, top::LIST].map(|numbers| bytes(run.predicted() * numbers))
            }
            Kernel::Draw(_) => [bytes(top::LIST), bytes(draw::DRAWN)],
        }
    }

    /// Its shape as the kernel reads it.
    pub(super) fn shape(&self) -> Vec<u32> {
        match self.kernel {
            Kernel::Embed(shape) => shape.words(),
            Kernel::Linear(shape) => shape.words(),
            Kernel::Attention(shape) => shape.words(),
            Kernel::Norm(shape) => shape.words(),
            Kernel::TopPart(shape) | Kernel::TopRow(shape) => shape.words(),
            Kernel::Draw(shape) => shape.words(),
        }
    }
}

/// Where an activation is after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Rows of the arena; `heads` is 0 where they are not divided into heads.
    Rows { region: Region, rows: Rows, heads: usize },
    /// Written to the trace when its slot is wanted, `[position, width]`, divided likewise.
    Traced { slot: u32, width: u32, heads: usize },
    /// Written to the trace when its slot is wanted, `[head, query, key]`.
    Map { slot: u32, heads: usize },
}

/// A matrix that kernels read, and what it is made of.
#[derive(Clone, Debug)]
pub(super) struct MatrixPlan {
    pub layout: Layout,
    /// The checkpoint's matrices, equally wide and side by side.
    pub parts: Vec<Matrix>,
    /// The first of their columns that is taken; as many follow as the layout has outputs.
    pub first: usize,
    /// Where the scales of the outputs are in `vectors`, if there are any.
    pub scale: u32,
}

/// A tensor that goes into `vectors`.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub tensor: Tensor,
    pub at: u32,
}

/// What a norm adds to the map by `matrix`, computed when the weights are there: gamma · W, and beta · W + bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    pub matrix: usize,
    /// These in `vectors`; [`NONE`] where there is no bias.
    pub gamma: u32,
    pub beta: u32,
    pub bias: u32,
    /// Where the results go in `vectors`, one after the other.
    pub to: u32,
}

impl Fold {
    /// The numbers of the arena that it is computed in: gamma, beta, and both results.
    pub(super) fn numbers(&self, layout: &Layout) -> usize {
        2 * (layout.inputs + layout.outputs)
    }
}

/// A checkpoint's forward pass.
pub(super) struct Plan {
    pub layout: RunLayout,
    pub widths: Widths,
    pub weight_type: WeightType,
    pub matrices: Vec<MatrixPlan>,
    /// Length of `vectors`, in numbers.
    pub vectors: usize,
    pub loads: Vec<Load>,
    pub folds: Vec<Fold>,
    /// Length of the arena, in numbers.
    pub arena: usize,
    pub steps: Vec<Step>,
    pub places: Vec<(Hook, Place)>,
    /// The scores of the predicted positions.
    pub logits: Option<Region>,
    /// How many rows of logits there is room for.
    pub logits_rows: usize,
    /// The lists of the best of them.
    pub best: Option<Region>,
    /// The token that was drawn last (GPT).
    pub drawn: Option<Region>,
    /// The next-sentence scores.
    pub next_sentence: Option<Region>,
    /// Whether queries see only what stands before them.
    pub causal: bool,
    /// Where the queries of each block look.
    pub sight: Vec<Sight>,
    /// Words of bits for the heads of a block.
    pub head_words: usize,
    /// The residual stream wherever it has a name: where it lies, and before which step it is complete.
    pub residuals: Vec<(Hook, Region, usize)>,
    /// The model's activations, in the order of the forward pass.
    pub order: Vec<Hook>,
}

impl Plan {
    /// The forward pass of a checkpoint, for texts as long as the model reads. Tables are parted so that no part has more
    /// than `max_table` bytes.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        weight_type: WeightType,
        widths: Widths,
        max_table: u64,
    ) -> Plan {
        let begin = |capacity, causal| Builder::new(capacity, causal, weight_type, widths, max_table);
        let (builder, layers) = match &checkpoint.network {
            Network::Bert { config, weights } => {
                let mut builder = begin(config.positions(), false);
                bert::forward(&mut builder, config, weights);
                (builder, config.num_hidden_layers)
            }
            Network::Gpt2 { config, weights } => {
                let mut builder = begin(config.n_positions, true);
                gpt2::forward(&mut builder, config, weights);
                (builder, config.n_layer)
            }
        };
        builder.finish(Hook::all(checkpoint.family(), layers))
    }

    /// Where an activation is, if the model has it.
    pub(super) fn place(&self, hook: Hook) -> Option<Place> {
        self.places.iter().find(|(known, _)| *known == hook).map(|(_, place)| *place)
    }
}
