//! The parts that a forward pass is written in: each adds its memory and its dispatches to a plan.

use super::kernels::linear::{Rows, fold_norm};
use super::kernels::{NONE, RunLayout, Widths, attention, embed, linear, norm};
use super::plan::{Kernel, Place, Plan, Region, Step};
use super::weights::{Stored, WeightType};
use crate::checkpoint::{self, Activation, Matrix, Norm};
use crate::trace::Hook;

/// The bytes that rows of logits may take; more predictions than fit are computed in turns.
const LOGITS_BYTES: usize = 64 << 20;

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

    /// The plan of a model with the activations of `order`.
    pub(super) fn finish(mut self, order: Vec<Hook>) -> Plan {
        self.plan.order = order;
        self.plan
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
        let gathered = |rows| matches!(rows, Rows::Predicted | Rows::Gathered);
        let head = matches!(kernel, Kernel::Linear(shape) if gathered(shape.which()));
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
        self.step(and.hook.map_or(and.called, |hook| hook.to_string()), Kernel::Linear(shape), Some(matrix));
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
        self.step(format!("blocks.{layer}.attn.qkv"), Kernel::Linear(shape), Some(matrix));
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
