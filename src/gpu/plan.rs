//! A forward pass as a list of dispatches: the parts it is written in, laid out in memory before anything runs.
//!
//! [`Plan`] is plain data; [`super::execute`] makes pipelines, buffers and bind groups of it, once.

use std::ops::Range;

use super::kernels::linear::{Rows, fold_norm};
use super::kernels::{NONE, Op, RunLayout, RunWords, Widths, attention, embed, linear, norm};
use super::weights::{Stored, WeightType};
use super::{bert, gpt2};
use crate::checkpoint::{self, Activation, Checkpoint, Matrix, Network, Norm};
use crate::trace::Hook;

/// The bytes that rows of logits may take; more predictions than fit are computed in turns.
const LOGITS_BYTES: usize = 64 << 20;

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

/// The residual stream at some point: rows of the arena, and the layer norm that whoever reads them applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    region: Region,
    norm: Option<NormAt>,
}

/// A layer norm in `vectors`.
#[derive(Clone, Copy, Debug)]
struct NormAt {
    gamma: u32,
    beta: u32,
    epsilon: f32,
    /// Where the first map that reads the stream leaves what it found of each row, for those that add the stream.
    stats: Region,
}

/// Queries, keys and values of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Qkv {
    q: Region,
    /// `[hidden, position]`: its rows are dimensions.
    keys: u32,
    values: Region,
}

/// A kernel with its shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kernel {
    Embed(embed::Shape),
    Linear(linear::Shape, Rows),
    Attention(attention::Shape),
    Norm(norm::Shape),
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
    /// It computes predictions, and is done again when they take several turns.
    pub head: bool,
}

impl Step {
    /// The kernel that runs and how many workgroups of it.
    pub(super) fn launch(&self, run: &RunWords, widths: &Widths) -> (Op, [u32; 2]) {
        match self.kernel {
            Kernel::Embed(shape) => (Op::Embed, shape.grid(widths.tile_lanes, run.rows())),
            Kernel::Linear(shape, rows) => {
                let norm = shape.norm();
                let (tiled, grid) = shape.grid(widths, rows.count(run));
                (if tiled { Op::LinearTile { norm } } else { Op::LinearVector { norm } }, grid)
            }
            Kernel::Attention(shape) => (Op::Attention, shape.grid(run.rows())),
            Kernel::Norm(shape) => (Op::Norm, shape.grid(run.rows())),
        }
    }

    /// The kernels that it can run as.
    pub(super) fn ops(&self) -> Vec<Op> {
        match self.kernel {
            Kernel::Embed(_) => vec![Op::Embed],
            Kernel::Linear(shape, Rows::First) => vec![Op::LinearVector { norm: shape.norm() }],
            Kernel::Linear(shape, _) => {
                vec![Op::LinearTile { norm: shape.norm() }, Op::LinearVector { norm: shape.norm() }]
            }
            Kernel::Attention(_) => vec![Op::Attention],
            Kernel::Norm(_) => vec![Op::Norm],
        }
    }

    /// The bytes of weights and activations that it reads, each counted once, and those that it writes, but for what goes
    /// to the trace.
    pub(super) fn traffic(&self, run: &RunWords, matrices: &[Stored]) -> [u64; 2] {
        let bytes = |numbers: usize| (numbers * size_of::<f32>()) as u64;
        let rows = run.rows();
        let keys = run.past() + rows;
        match self.kernel {
            Kernel::Embed(shape) => {
                let tables = if shape.segment_table == NONE { 2 } else { 3 };
                let sum = rows * shape.hidden as usize;
                [bytes(tables * sum), bytes(sum)]
            }
            Kernel::Linear(shape, which) => {
                let rows = which.count(run);
                let stored = self.matrix.and_then(|index| matrices.get(index));
                let weights = stored
                    .map_or(0, |stored| stored.inputs * stored.outputs * 4 / stored.weight_type.per_word());
                let added = if shape.residual == NONE { 0 } else { rows * shape.outputs as usize };
                let x = rows * shape.inputs as usize;
                [weights as u64 + bytes(x + added), bytes(rows * shape.outputs as usize)]
            }
            Kernel::Attention(shape) => {
                let hidden = (shape.heads * shape.head_size) as usize;
                [bytes((rows + 2 * keys) * hidden), bytes(rows * hidden)]
            }
            Kernel::Norm(shape) => [bytes(rows * shape.hidden as usize); 2],
        }
    }

    /// Its shape as the kernel reads it.
    pub(super) fn shape(&self) -> Vec<u32> {
        match self.kernel {
            Kernel::Embed(shape) => shape.words(),
            Kernel::Linear(shape, _) => shape.words(),
            Kernel::Attention(shape) => shape.words(),
            Kernel::Norm(shape) => shape.words(),
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

/// A checkpoint's forward pass.
pub(super) struct Plan {
    pub layout: RunLayout,
    pub widths: Widths,
    pub weight_type: WeightType,
    pub matrices: Vec<Stored>,
    pub vectors: Vec<f32>,
    /// Length of the arena, in numbers.
    pub arena: usize,
    pub steps: Vec<Step>,
    pub places: Vec<(Hook, Place)>,
    /// The scores of the predicted positions.
    pub logits: Option<Region>,
    /// How many rows of logits there is room for.
    pub logits_rows: usize,
    /// The next-sentence scores.
    pub next_sentence: Option<Region>,
    /// Whether queries see only what stands before them.
    pub causal: bool,
    /// Words of bits for the heads of a block.
    pub head_words: usize,
    /// The model's activations, in the order of the forward pass.
    pub order: Vec<Hook>,
}

impl Plan {
    /// The forward pass of a checkpoint, for texts as long as the model reads.
    pub(super) fn new(checkpoint: &Checkpoint, weight_type: WeightType, widths: Widths) -> Plan {
        let (mut builder, layers) = match &checkpoint.network {
            Network::Bert { config, weights } => {
                let capacity = config.max_position_embeddings;
                let mut builder = Builder::new(capacity, false, weight_type, widths);
                bert::forward(&mut builder, config, weights);
                (builder, config.num_hidden_layers)
            }
            Network::Gpt2 { config, weights } => {
                let mut builder = Builder::new(config.n_positions, true, weight_type, widths);
                gpt2::forward(&mut builder, config, weights);
                (builder, config.n_layer)
            }
        };
        builder.plan.order = Hook::all(checkpoint.family(), layers);
        builder.plan
    }

    /// Where an activation is, if the model has it.
    pub(super) fn place(&self, hook: Hook) -> Option<Place> {
        self.places.iter().find(|(known, _)| *known == hook).map(|(_, place)| *place)
    }
}

/// Writes a plan, a part after the other.
pub(super) struct Builder {
    plan: Plan,
}

/// What a map does beside multiplying.
#[derive(Clone, Default)]
pub(super) struct And {
    /// Applied to the result.
    pub activation: Option<Activation>,
    /// Added to it after that.
    pub residual: Option<Stream>,
    /// What the result is called before the residual is added.
    pub hook: Option<Hook>,
    /// What it is called where no activation has its name.
    pub called: String,
}

impl Builder {
    /// Begins a plan for up to `capacity` positions.
    pub(super) fn new(capacity: usize, causal: bool, weight_type: WeightType, widths: Widths) -> Builder {
        Builder {
            plan: Plan {
                layout: RunLayout { capacity, wants: 0, heads: 0 },
                widths,
                weight_type,
                matrices: Vec::new(),
                vectors: Vec::new(),
                arena: 0,
                steps: Vec::new(),
                places: Vec::new(),
                logits: None,
                logits_rows: 0,
                next_sentence: None,
                causal,
                head_words: 0,
                order: Vec::new(),
            },
        }
    }

    fn region(&mut self, width: usize, rows: usize) -> Region {
        let offset = self.plan.arena as u32;
        self.plan.arena += width * rows;
        Region { offset, width: width as u32 }
    }

    fn positions(&mut self, width: usize) -> Region {
        self.region(width, self.plan.layout.capacity)
    }

    fn vector(&mut self, values: &[f32]) -> u32 {
        let at = self.plan.vectors.len() as u32;
        self.plan.vectors.extend_from_slice(values);
        at
    }

    fn slot(&mut self) -> u32 {
        self.plan.layout.wants += 1;
        (self.plan.layout.wants - 1) as u32
    }

    fn matrix(&mut self, inputs: usize, outputs: usize, value: impl Fn(usize, usize) -> f32) -> usize {
        let columns = self.plan.widths.columns_in_group();
        self.plan.matrices.push(Stored::new(inputs, outputs, columns, self.plan.weight_type, value));
        self.plan.matrices.len() - 1
    }

    fn place(&mut self, hook: Hook, place: Place) {
        self.plan.places.push((hook, place));
    }

    fn step(&mut self, computes: String, kernel: Kernel, matrix: Option<usize>) {
        let head = matches!(kernel, Kernel::Linear(_, Rows::Predicted | Rows::Gathered));
        self.plan.steps.push(Step { computes, kernel, matrix, only_if: None, head });
    }

    /// A table of words, `[vocabulary, hidden]`, kept as the head that is tied to it reads it.
    pub(super) fn words(&mut self, table: &Matrix) -> usize {
        self.matrix(table.cols, table.rows, |d, id| table.data[id * table.cols + d])
    }

    /// The sum of the embeddings.
    pub(super) fn embed(&mut self, words: usize, position: &Matrix, segment: Option<&Matrix>) -> Stream {
        let hidden = position.cols;
        let region = self.positions(hidden);
        let position_table = self.vector(&position.data);
        let segment_table = segment.map_or(NONE, |table| self.vector(&table.data));
        let scale = self.scale(words);
        let [want_word, want_position, want_segment] = [(); 3].map(|()| self.slot());
        let width = hidden as u32;
        let traced = |slot| Place::Traced { slot, width, heads: 0 };
        self.place(Hook::Embed, traced(want_word));
        self.place(Hook::PosEmbed, traced(want_position));
        if segment.is_some() {
            self.place(Hook::TokenTypeEmbed, traced(want_segment));
        }
        self.place(Hook::EmbedSum, Place::Rows { region, rows: Rows::New, heads: 0 });
        let padded = self.plan.matrices[words].padded;
        let shape = embed::Shape {
            hidden: width,
            padded: padded as u32,
            position_table,
            segment_table,
            scale,
            sum: region.offset,
            want_word,
            want_position,
            want_segment,
        };
        self.step(Hook::EmbedSum.to_string(), Kernel::Embed(shape), Some(words));
        Stream { region, norm: None }
    }

    /// The stream with a layer norm in front of whatever reads it.
    pub(super) fn normed(&mut self, stream: Stream, norm: &Norm, epsilon: f64) -> Stream {
        let gamma = self.vector(&norm.gamma);
        let beta = self.vector(&norm.beta);
        let stats = self.positions(2);
        Stream { norm: Some(NormAt { gamma, beta, epsilon: epsilon as f32, stats }), ..stream }
    }

    /// Names the stream, as a reader sees it.
    pub(super) fn hook(&mut self, hook: Hook, stream: Stream) {
        let Region { offset, width } = stream.region;
        let Some(norm) = stream.norm else {
            self.place(hook, Place::Rows { region: stream.region, rows: Rows::New, heads: 0 });
            return;
        };
        let want = self.slot();
        self.place(hook, Place::Traced { slot: want, width, heads: 0 });
        let (gamma, beta, epsilon) = (norm.gamma, norm.beta, norm.epsilon);
        let shape = norm::Shape { hidden: width, x: offset, gamma, beta, epsilon, want };
        let kernel = Kernel::Norm(shape);
        let computes = hook.to_string();
        self.plan.steps.push(Step { computes, kernel, matrix: None, only_if: Some(want), head: false });
    }

    fn scale(&mut self, matrix: usize) -> u32 {
        if self.plan.matrices[matrix].scales.is_empty() {
            return NONE;
        }
        let scales = self.plan.matrices[matrix].scales.clone();
        self.vector(&scales)
    }

    /// The shape of a map from `x` to `y`, with the norm of `x` and the bias.
    fn shape(&mut self, x: Stream, matrix: usize, bias: &[f32], y: Region, rows: Rows) -> linear::Shape {
        let scale = self.scale(matrix);
        let weights = &self.plan.matrices[matrix];
        let mut shape = linear::Shape::new(weights, rows, x.region.offset, y.offset);
        shape.scale = scale;
        match x.norm {
            None if bias.is_empty() => {}
            None => shape.bias = self.vector(bias),
            Some(norm) => {
                let width = shape.inputs as usize;
                let of = |at: u32| &self.plan.vectors[at as usize..][..width];
                let (gamma_weights, bias) = fold_norm(weights, of(norm.gamma), of(norm.beta), bias);
                shape.gamma = norm.gamma;
                shape.epsilon = norm.epsilon;
                shape.gamma_weights = self.vector(&gamma_weights);
                shape.bias = self.vector(&bias);
                if rows == Rows::New {
                    shape.stats = norm.stats.offset;
                }
            }
        }
        shape
    }

    /// `and(x · weight + bias)`.
    pub(super) fn linear(&mut self, x: Stream, weights: &checkpoint::Linear, rows: Rows, and: And) -> Stream {
        let Matrix { rows: inputs, cols: outputs, data } = &weights.weight;
        let matrix = self.matrix(*inputs, *outputs, |k, output| data[k * outputs + output]);
        self.linear_by(x, matrix, &weights.bias, rows, and)
    }

    fn linear_by(&mut self, x: Stream, matrix: usize, bias: &[f32], rows: Rows, and: And) -> Stream {
        let outputs = self.plan.matrices[matrix].outputs;
        let count = match rows {
            Rows::New => self.plan.layout.capacity,
            Rows::First => 1,
            Rows::Predicted | Rows::Gathered => self.plan.logits_rows,
        };
        let y = self.region(outputs, count);
        let mut shape = self.shape(x, matrix, bias, y, rows).activated(and.activation);
        if let Some(residual) = and.residual {
            shape.residual = residual.region.offset;
            if let Some(norm) = residual.norm {
                shape.residual_gamma = norm.gamma;
                shape.residual_beta = norm.beta;
                shape.residual_stats = norm.stats.offset;
            }
        }
        if let Some(hook) = and.hook {
            if rows == Rows::New {
                shape.want = self.slot();
                self.place(hook, Place::Traced { slot: shape.want, width: y.width, heads: 0 });
            } else {
                self.place(hook, Place::Rows { region: y, rows, heads: 0 });
            }
        }
        self.step(
            and.hook.map_or(and.called, |hook| hook.to_string()),
            Kernel::Linear(shape, rows),
            Some(matrix),
        );
        Stream { region: y, norm: None }
    }

    /// Queries, keys and values by one map, `[hidden, 3 hidden]`.
    pub(super) fn qkv(&mut self, x: Stream, weights: &checkpoint::Linear, layer: usize, heads: usize) -> Qkv {
        let Matrix { rows: hidden, cols: outputs, data } = &weights.weight;
        let matrix = self.matrix(*hidden, *outputs, |k, output| data[k * outputs + output]);
        let q = self.positions(*hidden);
        let keys = self.positions(*hidden).offset;
        let values = self.positions(*hidden);
        let mut shape = self.shape(x, matrix, &weights.bias, q, Rows::New);
        shape.keys = keys;
        shape.values = values.offset;
        shape.want = self.slot();
        let rows = Rows::New;
        self.place(Hook::Q(layer), Place::Rows { region: q, rows, heads });
        self.place(Hook::K(layer), Place::Traced { slot: shape.want, width: q.width, heads });
        self.place(Hook::V(layer), Place::Rows { region: values, rows, heads });
        self.step(format!("blocks.{layer}.attn.qkv"), Kernel::Linear(shape, rows), Some(matrix));
        Qkv { q, keys, values }
    }

    /// Attention of every head.
    pub(super) fn attend(&mut self, qkv: Qkv, layer: usize, heads: usize, scale: f32) -> Stream {
        let z = self.positions(qkv.q.width as usize);
        let [want_scores, want_pattern] = [(); 2].map(|()| self.slot());
        self.place(Hook::AttnScores(layer), Place::Map { slot: want_scores, heads });
        self.place(Hook::Pattern(layer), Place::Map { slot: want_pattern, heads });
        self.place(Hook::Z(layer), Place::Rows { region: z, rows: Rows::New, heads });
        let shape = attention::Shape {
            heads: heads as u32,
            head_size: qkv.q.width / heads as u32,
            scale,
            causal: u32::from(self.plan.causal),
            q: qkv.q.offset,
            keys: qkv.keys,
            values: qkv.values.offset,
            z: z.offset,
            want_scores,
            want_pattern,
            heads_off: self.plan.layout.heads as u32,
        };
        self.plan.head_words = heads.div_ceil(32);
        self.plan.layout.heads += self.plan.head_words;
        self.step(Hook::Z(layer).to_string(), Kernel::Attention(shape), None);
        Stream { region: z, norm: None }
    }

    /// Makes room for the predictions of a vocabulary: as many rows as fit.
    pub(super) fn predictions(&mut self, vocabulary: usize) {
        let fit = LOGITS_BYTES / (vocabulary * size_of::<f32>());
        self.plan.logits_rows = fit.clamp(1, self.plan.layout.capacity);
    }

    /// The head that scores every word, by the table of words or by a table of its own.
    pub(super) fn logits(&mut self, x: Stream, table: usize, bias: &[f32], rows: Rows) {
        let and = And { hook: Some(Hook::Logits), ..And::default() };
        let logits = self.linear_by(x, table, bias, rows, and);
        self.plan.logits = Some(logits.region);
    }

    /// Names the next-sentence scores.
    pub(super) fn next_sentence(&mut self, scores: Stream) {
        self.plan.next_sentence = Some(scores.region);
    }
}
