//! A forward pass as a list of dispatches, laid out in memory before anything runs.
//!
//! Plain data: [`super::builder`] writes it, [`super::execute`] makes buffers and bind groups of it, once.

use std::ops::Range;

use super::builder::Builder;
use super::execute::bytes;
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

    /// The slots of the trace that it writes to where a run wants them.
    fn slots(&self) -> Vec<u32> {
        match self.kernel {
            Kernel::Embed(shape) => vec![shape.want_word, shape.want_position, shape.want_segment],
            Kernel::Linear(shape) => vec![shape.want],
            Kernel::Attention(shape) => vec![shape.want_scores, shape.want_pattern],
            Kernel::Norm(shape) => vec![shape.want],
            Kernel::TopPart(_) | Kernel::TopRow(_) | Kernel::Draw(_) => Vec::new(),
        }
    }

    /// Whether it writes something to the trace that `run` wants.
    pub(super) fn traces(&self, run: &RunWords) -> bool {
        self.slots().into_iter().any(|slot| run.wants(slot))
    }

    /// The bytes of weights and activations that it reads, each counted once, and those that it writes.
    pub(super) fn traffic(&self, run: &RunWords, matrices: &[MatrixPlan]) -> [u64; 2] {
        let [reads, writes] = self.traffic_in_arena(run, matrices);
        let wanted = self.slots().into_iter().filter(|slot| run.wants(*slot)).count();
        let (rows, keys) = (run.rows(), run.past() + run.rows());
        let each = match self.kernel {
            Kernel::Embed(shape) => rows * shape.hidden as usize,
            // Of queries, keys and values it is the keys: the others have rows in the arena.
            Kernel::Linear(shape) if shape.keys != NONE => rows * shape.outputs as usize / 3,
            Kernel::Linear(shape) => shape.which().count(run) * shape.outputs as usize,
            Kernel::Attention(shape) => shape.heads as usize * rows * keys,
            // A norm by itself writes to the trace alone, and that is counted already.
            Kernel::Norm(_) | Kernel::TopPart(_) | Kernel::TopRow(_) | Kernel::Draw(_) => 0,
        };
        [reads, writes + bytes(wanted * each)]
    }

    /// Likewise, but for what goes to the trace.
    fn traffic_in_arena(&self, run: &RunWords, matrices: &[MatrixPlan]) -> [u64; 2] {
        let layout = self.matrix.and_then(|index| matrices.get(index)).map(|matrix| &matrix.layout);
        let per_word = layout.map_or(1, |layout| layout.weight_type.per_word());
        let rows = run.rows();
        let keys = run.past() + rows;
        match self.kernel {
            Kernel::Embed(shape) => {
                // Of words, which are kept like matrices, and of positions and segments, which are not.
                let others = if shape.segment_table == NONE { 1 } else { 2 };
                let sum = rows * shape.hidden as usize;
                [(sum * 4 / per_word) as u64 + bytes(others * sum), bytes(sum)]
            }
            Kernel::Linear(shape) => {
                let rows = shape.which().count(run);
                let weights = layout.map_or(0, |layout| layout.inputs * layout.outputs * 4 / per_word);
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
            // Of all logits only where the list cannot show where the filters cut.
            Kernel::Draw(shape) => {
                let is_listed = (1..=top::TOP).contains(&run.top_k());
                let row = if is_listed { 0 } else { shape.vocabulary as usize };
                [top::LIST + row, 1].map(bytes)
            }
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

/// The most bytes that something may have which kernels see as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// A part of a table of words.
    pub table: u64,
    /// The arena.
    pub arena: u64,
}

/// A model that reads fewer positions than these is of no use: it is refused for want of room.
const FEWEST_POSITIONS: usize = 64;

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
    /// The forward pass of a checkpoint, for texts as long as the model reads, or as there is room for. Tables are parted.
    pub(super) fn new(checkpoint: &Checkpoint, weight_type: WeightType, widths: Widths, most: Most) -> Plan {
        let positions = match &checkpoint.network {
            Network::Bert { config, .. } => config.positions(),
            Network::Gpt2 { config, .. } => config.n_positions,
        };
        let mut plan = Plan::of_texts_up_to(positions, checkpoint, weight_type, widths, most);
        // Nearly all of the arena grows with the positions, so that this comes from above to as many as fit.
        while bytes(plan.arena) > most.arena && plan.layout.capacity > FEWEST_POSITIONS {
            let capacity = plan.layout.capacity;
            let fit = (capacity as u64 * most.arena / bytes(plan.arena)) as usize;
            let fit = fit.clamp(FEWEST_POSITIONS, capacity - 1);
            plan = Plan::of_texts_up_to(fit, checkpoint, weight_type, widths, most);
        }
        plan
    }

    fn of_texts_up_to(
        capacity: usize,
        checkpoint: &Checkpoint,
        weight_type: WeightType,
        widths: Widths,
        most: Most,
    ) -> Plan {
        let begin = |causal| Builder::new(capacity, causal, weight_type, widths, most.table);
        let (builder, layers) = match &checkpoint.network {
            Network::Bert { config, weights } => {
                let mut builder = begin(false);
                bert::forward(&mut builder, config, weights);
                (builder, config.num_hidden_layers)
            }
            Network::Gpt2 { config, weights } => {
                let mut builder = begin(true);
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
