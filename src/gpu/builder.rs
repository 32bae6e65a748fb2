//! The parts that a forward pass is written in: each adds its memory and its dispatches to a plan.

use std::ops::Range;

use super::kernels::linear::Rows;
use super::kernels::{NONE, RunLayout, Widths, attention, draw, embed, linear, norm, top};
use super::plan::{Fold, Kernel, Load, MatrixPlan, Place, Plan, Region, Scores, Step};
use super::weights::{Layout, WeightType};
use crate::checkpoint::{self, Activation, Matrix, Norm, Tensor};
use crate::trace::{Hook, Sight};

/// The bytes that rows of logits may take; more predictions than fit are computed in turns.
const LOGITS_BYTES: usize = 64 << 20;

/// The most workgroups in one direction that every GPU allows (WebGPU, `maxComputeWorkgroupsPerDimension`).
const MOST_GROUPS: usize = 65_535;

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

/// A table of words as matrices of `[hidden, words]`: one, or several where one would be too large to bind.
#[derive(Clone, Debug)]
pub(super) struct Table {
    parts: Vec<usize>,
}

/// Writes a plan, a part after the other.
pub(super) struct Builder {
    plan: Plan,
    /// The most bytes that a matrix may have.
    max_table: u64,
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
    /// Begins a plan for up to `capacity` positions, no matrix of which has more than `max_table` bytes if it can be
    /// parted.
    pub(super) fn new(
        capacity: usize,
        causal: bool,
        weight_type: WeightType,
        widths: Widths,
        max_table: u64,
    ) -> Builder {
        Builder {
            plan: Plan {
                layout: RunLayout { capacity, wants: 0, heads: 0 },
                widths,
                weight_type,
                matrices: Vec::new(),
                vectors: 0,
                loads: Vec::new(),
                folds: Vec::new(),
                arena: 0,
                steps: Vec::new(),
                places: Vec::new(),
                logits: None,
                logits_rows: 0,
                best: None,
                drawn: None,
                next_sentence: None,
                causal,
                sight: Vec::new(),
                head_words: 0,
                residuals: Vec::new(),
                order: Vec::new(),
            },
            max_table,
        }
    }

    /// The plan of a model with the activations of `order`.
    pub(super) fn finish(mut self, order: Vec<Hook>) -> Plan {
        self.plan.order = order;
        // Folds are computed where the arena begins, before anything else is in it.
        let folds = self.plan.folds.iter().map(|fold| fold.numbers(&self.plan.matrices[fold.matrix].layout));
        self.plan.arena = self.plan.arena.max(folds.max().unwrap_or_default());
        // In a run's words these stand behind what may be asked for, and all of that is known now.
        for step in &mut self.plan.steps {
            if let Kernel::Attention(shape) = &mut step.kernel {
                shape.heads_off += self.plan.layout.heads() as u32;
                shape.edits = self.plan.layout.edits() as u32;
            }
        }
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

    /// Room in `vectors`.
    fn room(&mut self, count: usize) -> u32 {
        self.plan.vectors += count;
        (self.plan.vectors - count) as u32
    }

    /// A tensor in `vectors`.
    fn vector(&mut self, tensor: &Tensor) -> u32 {
        let at = self.room(tensor.count);
        self.plan.loads.push(Load { tensor: tensor.clone(), at });
        at
    }

    fn slot(&mut self) -> u32 {
        self.plan.layout.wants += 1;
        self.plan.layout.slot(self.plan.layout.wants - 1)
    }

    /// Some columns of matrices that stand side by side.
    fn matrix(&mut self, parts: Vec<Matrix>, columns: Range<usize>) -> usize {
        let inputs = parts.first().map_or(0, |part| part.rows);
        let weight_type = self.plan.weight_type;
        let scale = match weight_type {
            WeightType::Int8 => self.room(columns.len()),
            WeightType::F32 | WeightType::F16 => NONE,
        };
        let layout = Layout::new(inputs, columns.len(), &self.plan.widths, weight_type);
        self.plan.matrices.push(MatrixPlan { layout, parts, first: columns.start, scale });
        self.plan.matrices.len() - 1
    }

    fn whole(&mut self, matrix: &Matrix) -> usize {
        self.matrix(vec![matrix.clone()], 0..matrix.cols)
    }

    fn place(&mut self, hook: Hook, place: Place) {
        self.plan.places.push((hook, place));
    }

    fn step(&mut self, computes: String, kernel: Kernel, matrix: Option<usize>) {
        let gathered = |rows| matches!(rows, Rows::Predicted | Rows::Gathered);
        let (head, scores) = match kernel {
            Kernel::Linear(shape) => (gathered(shape.which()), Scores::All),
            Kernel::TopPart(_) | Kernel::TopRow(_) => (true, Scores::Best),
            Kernel::Draw(_) => (true, Scores::Drawn),
            Kernel::Embed(_) | Kernel::Attention(_) | Kernel::Norm(_) => (false, Scores::All),
        };
        self.plan.steps.push(Step { computes, kernel, matrix, only_if: None, scores, head });
    }

    /// A table of words, `[vocabulary, hidden]`, kept as the head that is tied to it reads it.
    pub(super) fn words(&mut self, table: &Matrix) -> Table {
        let turned = table.turned();
        let group = self.plan.widths.padded(1);
        let column_bytes = (turned.rows * size_of::<f32>() / self.plan.weight_type.per_word()) as u64;
        let groups = 4 * self.plan.widths.vector_lanes as usize * MOST_GROUPS;
        let most = groups.min((self.max_table / column_bytes.max(1)) as usize) / group * group;
        let firsts = (0..turned.cols).step_by(most.max(group));
        let columns = firsts.map(|first| first..turned.cols.min(first + most.max(group)));
        Table { parts: columns.map(|columns| self.matrix(vec![turned.clone()], columns)).collect() }
    }

    /// The sum of the embeddings; the first position has row `first` of its table.
    pub(super) fn embed(
        &mut self,
        words: &Table,
        (position, first): (&Matrix, usize),
        segment: Option<&Matrix>,
    ) -> Stream {
        let hidden = position.cols;
        let region = self.positions(hidden);
        let position_table = self.vector(&position.tensor) + (first * hidden) as u32;
        let segment_table = segment.map_or(NONE, |table| self.vector(&table.tensor));
        if self.plan.causal {
            self.plan.drawn = Some(self.region(1, 1));
        }
        let drawn = self.plan.drawn.map_or(NONE, |drawn| drawn.offset);
        let [want_word, want_position, want_segment] = [(); 3].map(|()| self.slot());
        let width = hidden as u32;
        let traced = |slot| Place::Traced { slot, width, heads: 0 };
        self.place(Hook::Embed, traced(want_word));
        self.place(Hook::PosEmbed, traced(want_position));
        if segment.is_some() {
            self.place(Hook::TokenTypeEmbed, traced(want_segment));
        }
        self.place(Hook::EmbedSum, Place::Rows { region, rows: Rows::New, heads: 0 });
        for &part in &words.parts {
            let MatrixPlan { layout, first, scale, .. } = &self.plan.matrices[part];
            let shape = embed::Shape {
                hidden: width,
                first: *first as u32,
                count: layout.outputs as u32,
                position_table,
                segment_table,
                scale: *scale,
                drawn,
                sum: region.offset,
                want_word,
                want_position,
                want_segment,
                capacity: self.plan.layout.capacity as u32,
            };
            self.step(Hook::EmbedSum.to_string(), Kernel::Embed(shape), Some(part));
        }
        self.plan.residuals.push((Hook::EmbedSum, region, self.plan.steps.len()));
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
        self.plan.residuals.push((hook, stream.region, self.plan.steps.len()));
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
        let (only_if, scores) = (Some(want), Scores::All);
        self.plan.steps.push(Step { computes, kernel, matrix: None, only_if, scores, head: false });
    }

    /// The shape of a map from `x` to `y`, with the norm of `x` and the bias that begins at `bias` in `vectors`.
    fn shape(&mut self, x: Stream, matrix: usize, bias: u32, y: u32, rows: Rows) -> linear::Shape {
        let MatrixPlan { layout, scale, .. } = &self.plan.matrices[matrix];
        let mut shape = linear::Shape::new(layout, &self.plan.layout, rows, x.region.offset, y);
        shape.scale = *scale;
        shape.bias = bias;
        if let Some(norm) = x.norm {
            shape.gamma = norm.gamma;
            shape.epsilon = norm.epsilon;
            shape.gamma_weights = self.room(shape.outputs as usize * 2);
            shape.bias = shape.gamma_weights + shape.outputs;
            if rows == Rows::New {
                shape.stats = norm.stats.offset;
            }
            let (gamma, beta, to) = (norm.gamma, norm.beta, shape.gamma_weights);
            self.plan.folds.push(Fold { matrix, gamma, beta, bias, to });
        }
        shape
    }

    /// `and(x · weight + bias)`.
    pub(super) fn linear(&mut self, x: Stream, weights: &checkpoint::Linear, rows: Rows, and: And) -> Stream {
        let matrix = self.whole(&weights.weight);
        let bias = weights.bias.as_ref().map_or(NONE, |bias| self.vector(bias));
        let count = match rows {
            Rows::New => self.plan.layout.capacity,
            Rows::First => 1,
            Rows::Predicted | Rows::Gathered => self.plan.logits_rows,
        };
        let y = self.region(weights.weight.cols, count);
        let mut shape = self.shape(x, matrix, bias, y.offset, rows).activated(and.activation);
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

    /// Queries, keys and values by one map, `[hidden, 3 hidden]`, or by three side by side, all of them with a bias or none.
    pub(super) fn qkv<'a>(
        &mut self,
        x: Stream,
        maps: impl IntoIterator<Item = &'a checkpoint::Linear>,
        layer: usize,
        heads: usize,
    ) -> Qkv {
        let hidden = x.region.width as usize;
        let (weights, biases): (Vec<_>, Vec<_>) =
            maps.into_iter().map(|map| (map.weight.clone(), map.bias.as_ref())).unzip();
        let matrix = self.matrix(weights, 0..3 * hidden);
        // They lie one after the other, since nothing else is put into `vectors` meanwhile.
        let bias = biases.into_iter().flatten().map(|bias| self.vector(bias)).min().unwrap_or(NONE);
        let q = self.positions(hidden);
        let keys = self.positions(hidden).offset;
        let values = self.positions(hidden);
        let mut shape = self.shape(x, matrix, bias, q.offset, Rows::New);
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
    pub(super) fn attend(
        &mut self,
        qkv: Qkv,
        layer: usize,
        heads: usize,
        scale: f32,
        sight: Sight,
    ) -> Stream {
        let z = self.positions(qkv.q.width as usize);
        let [want_scores, want_pattern] = [(); 2].map(|()| self.slot());
        self.place(Hook::AttnScores(layer), Place::Map { slot: want_scores, heads });
        self.place(Hook::Pattern(layer), Place::Map { slot: want_pattern, heads });
        self.place(Hook::Z(layer), Place::Rows { region: z, rows: Rows::New, heads });
        let shape = attention::Shape {
            heads: heads as u32,
            head_size: qkv.q.width / heads as u32,
            scale,
            window: attention::window(sight),
            q: qkv.q.offset,
            keys: qkv.keys,
            values: qkv.values.offset,
            z: z.offset,
            want_scores,
            want_pattern,
            heads_off: self.plan.layout.heads as u32,
            edits: 0,
            capacity: self.plan.layout.capacity as u32,
        };
        self.plan.sight.push(sight);
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
    pub(super) fn logits(&mut self, x: Stream, table: &Table, bias: Option<&Tensor>, rows: Rows) {
        let vocabulary = table.parts.iter().map(|part| self.plan.matrices[*part].layout.outputs).sum();
        let bias = bias.map_or(NONE, |bias| self.vector(bias));
        let y = self.region(vocabulary, self.plan.logits_rows);
        for &part in &table.parts {
            let first = self.plan.matrices[part].first as u32;
            let bias = if bias == NONE { NONE } else { bias + first };
            let mut shape = self.shape(x, part, bias, y.offset + first, rows);
            shape.stride = y.width;
            self.step(Hook::Logits.to_string(), Kernel::Linear(shape), Some(part));
        }
        self.place(Hook::Logits, Place::Rows { region: y, rows, heads: 0 });
        self.plan.logits = Some(y);
        self.best(y);
    }

    /// Finds the best of the logits, and draws one of them where the model continues a text.
    fn best(&mut self, logits: Region) {
        let rows = self.plan.logits_rows;
        let mut shape = top::Shape {
            vocabulary: logits.width,
            logits: logits.offset,
            maxima: 0,
            parts: 0,
            best: 0,
            sorted: NONE,
        };
        shape.maxima = self.region(shape.groups_in_row(), rows).offset;
        shape.parts = self.region(shape.parts_in_row() * top::HEAD, rows).offset;
        let best = self.region(top::LIST, rows);
        shape.best = best.offset;
        if !self.plan.widths.shares {
            shape.sorted = self.region(top::SORTED, rows).offset;
        }
        self.step("the best of each part of the logits".to_owned(), Kernel::TopPart(shape), None);
        self.step("the best logits".to_owned(), Kernel::TopRow(shape), None);
        self.plan.best = Some(best);
        if let Some(drawn) = self.plan.drawn {
            let top::Shape { vocabulary, logits, maxima, best, .. } = shape;
            let shape = draw::Shape { vocabulary, logits, maxima, best, drawn: drawn.offset };
            self.step("the next token".to_owned(), Kernel::Draw(shape), None);
        }
    }

    /// Names the next-sentence scores.
    pub(super) fn next_sentence(&mut self, scores: Stream) {
        self.plan.next_sentence = Some(scores.region);
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that cannot go on should fail")]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::checkpoint::{Checkpoint, Header};
    use crate::gpu::kernels::RunWords;
    use crate::gpu::plan::Most;

    #[test]
    fn no_dispatch_has_more_workgroups_than_a_gpu_allows() {
        let words = 300_000;
        let config = json!({
            "model_type": "gpt2", "vocab_size": words, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 1,
        });
        let mut at = 0;
        let tensors = [
            ("wte.weight", vec![words, 4]),
            ("wpe.weight", vec![8, 4]),
            ("h.0.ln_1.weight", vec![4]),
            ("h.0.ln_1.bias", vec![4]),
            ("h.0.attn.c_attn.weight", vec![4, 12]),
            ("h.0.attn.c_attn.bias", vec![12]),
            ("h.0.attn.c_proj.weight", vec![4, 4]),
            ("h.0.attn.c_proj.bias", vec![4]),
            ("h.0.ln_2.weight", vec![4]),
            ("h.0.ln_2.bias", vec![4]),
            ("h.0.mlp.c_fc.weight", vec![4, 16]),
            ("h.0.mlp.c_fc.bias", vec![16]),
            ("h.0.mlp.c_proj.weight", vec![16, 4]),
            ("h.0.mlp.c_proj.bias", vec![4]),
            ("ln_f.weight", vec![4]),
            ("ln_f.bias", vec![4]),
        ];
        let tensors = tensors.into_iter().map(|(name, shape)| {
            let begin = at;
            at += 4 * shape.iter().product::<usize>();
            (name.to_owned(), json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, at]}))
        });
        let tensors = tensors.collect::<Map<String, Value>>();
        let json = serde_json::to_vec(&tensors).expect("it is JSON");
        let header = [&(json.len() as u64).to_le_bytes(), json.as_slice()].concat();
        let header = Header::parse(&header).expect("a header");
        let config = serde_json::to_vec(&config).expect("it is JSON");
        let checkpoint = Checkpoint::read(&config, &header).expect("a checkpoint");
        for widths in [Widths::NARROW, Widths::WIDE] {
            let most = Most { table: u64::MAX, arena: u64::MAX };
            let plan = Plan::new(&checkpoint, WeightType::F16, widths, most);
            let run = RunWords::new(plan.layout, 0, &[1, 2, 3], &[], &[0, 1, 2]);
            for step in &plan.steps {
                let (op, grid) = step.launch(&run, &widths);
                assert!(grid.iter().all(|groups| *groups as usize <= MOST_GROUPS), "{op:?}: {grid:?}");
            }
        }
    }
}
