//! A plan on a GPU: everything it needs is made once; a run writes one small buffer, encodes one pass, maps one buffer.
//! The weights come later: [`super::load`].

use std::ops::Range;
use std::rc::Rc;

use futures_util::lock::Mutex;
use wgpu::{BindGroup, Buffer, BufferUsages, ComputePipeline};

use super::decode::DECODED;
use super::device::{Gpu, GpuError};
use super::kernels::top::Best;
use super::kernels::{Op, RunWords, top};
use super::plan::{Plan, Scores, Step};
use super::reading::{Reading, Source};
use crate::trace::{Ablation, Activation, Hook};

/// What a run computes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The whole input.
    pub ids: &'a [u32],
    /// Its segments, as long; none for GPT.
    pub segments: &'a [u32],
    /// The positions whose scores are wanted.
    pub predict: &'a [u32],
    /// What to record.
    pub want: &'a [Hook],
    /// How many of the best scores of each predicted position are enough; none if all are needed.
    pub best: Option<usize>,
    /// Take what an earlier run computed of the same beginning (GPT). Activations then cover the new positions only,
    /// and recorded logits the predicted ones.
    pub cached: bool,
    /// What to leave out or change. Such a run takes nothing from an earlier one and leaves nothing to a later one.
    pub ablate: &'a Ablation,
    /// The ids and segments of the runs that `ablate` takes hidden states from, one for each.
    pub sources: &'a [(Vec<u32>, Vec<u32>)],
    /// Nobody asked for it: [`GpuModel::dispatches`] goes on to tell of the run before.
    pub aside: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// `[predicted positions, vocabulary]`; empty without a head, and where the best are enough.
    pub logits: Vec<f32>,
    /// The best for each predicted position, where they are enough.
    pub best: Vec<Best>,
    /// The next-sentence scores, where there is the head.
    pub next_sentence: Option<Vec<f32>>,
    /// What was asked for, in the order of the forward pass.
    pub activations: Vec<Activation>,
    /// Positions that were computed: none where all of them lay there from the run before.
    pub computed: usize,
}

/// From so many bytes on it is cheaper to find the best scores on the GPU than to read all of them.
const MUCH: u64 = 256 << 10;

/// What the buffers are for whose size depends on what is asked for.
const TRACE: BufferUsages = BufferUsages::STORAGE.union(BufferUsages::COPY_SRC);
const READ: BufferUsages = BufferUsages::COPY_DST.union(BufferUsages::MAP_READ);
const STATES: BufferUsages = BufferUsages::COPY_DST.union(BufferUsages::COPY_SRC);

/// A checkpoint on a GPU.
pub struct GpuModel {
    pub(super) gpu: Rc<Gpu>,
    pub(super) plan: Plan,
    pub(super) arena: Buffer,
    pub(super) run: Buffer,
    pub(super) vectors: Buffer,
    pub(super) matrices: Vec<Buffer>,
    /// The shape of each step.
    shapes: Vec<Buffer>,
    /// What runs that follow each other change (GPT).
    pub(super) steps: Option<Buffer>,
    /// One run at a time.
    pub(super) turn: Mutex<Turn>,
}

/// What only one run at a time may use.
pub(super) struct Turn {
    pub room: Room,
    /// The tokens whose keys and values lie in the arena.
    pub known: Vec<u32>,
    /// What the last run was that somebody asked for.
    pub last: Option<(RunWords, Scores)>,
    /// Whether it is that run's results that lie in the arena, not those of one that nobody asked for.
    pub lies_there: bool,
    /// The run whose results lie in the arena as a whole, before anything was wanted of it. One that is the same for the
    /// kernels writes to the trace what is wanted now, attention above all, and nothing is computed twice.
    pub whole: Option<(RunWords, Scores)>,
}

/// Which steps a submission takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The forward pass.
    Everything,
    /// The heads, for further positions that are predicted.
    Heads,
    /// Those that write to the trace: the rest lies in the arena.
    Traces,
}

/// The buffers whose size depends on what is asked for. They only grow.
pub(super) struct Room {
    trace: Buffer,
    pub read: Buffer,
    /// Hidden states of other runs.
    states: Buffer,
    /// What each step sees.
    bindings: Vec<BindGroup>,
}

/// A row of the residual stream that is put in the place of what this run computed.
struct Replaced {
    /// The step before which that is done.
    before: usize,
    /// Where the row begins among the states, in numbers.
    state: usize,
    /// Its place in the arena, in numbers.
    row: Range<usize>,
}

impl GpuModel {
    /// Makes what a plan needs, with room for the weights.
    pub(super) fn make(gpu: Rc<Gpu>, plan: Plan) -> Result<GpuModel, GpuError> {
        let storage = BufferUsages::STORAGE;
        let filled = storage | BufferUsages::COPY_DST;
        // Before anything is made: a browser gives back what was made for nothing only when it collects its garbage.
        let needed = plan.matrices.iter().map(|matrix| matrix.layout.words());
        for numbers in needed.chain([plan.arena, plan.vectors]) {
            gpu.check(bytes(numbers), storage)?;
        }
        let matrices = plan
            .matrices
            .iter()
            .map(|matrix| gpu.buffer("weights", bytes(matrix.layout.words()), filled))
            .collect::<Result<Vec<_>, _>>()?;
        let arena = gpu.buffer("arena", bytes(plan.arena), filled | BufferUsages::COPY_SRC)?;
        let run = gpu.buffer("run", bytes(plan.layout.words()), filled)?;
        let vectors = gpu.buffer("vectors", bytes(plan.vectors), filled | BufferUsages::COPY_SRC)?;
        let shapes = plan
            .steps
            .iter()
            .map(|step| gpu.filled("shape", &step.shape(), BufferUsages::UNIFORM))
            .collect::<Result<Vec<_>, _>>()?;
        let steps = match plan.drawn {
            Some(_) => {
                let length = bytes(DECODED * RunWords::new(plan.layout, 0, &[], &[], &[]).words().len());
                Some(gpu.buffer("steps", length, BufferUsages::COPY_SRC | BufferUsages::COPY_DST)?)
            }
            None => None,
        };
        let trace = gpu.buffer("trace", bytes(1), TRACE)?;
        let read = gpu.buffer("read", bytes(1), READ)?;
        let states = gpu.buffer("states", bytes(1), STATES)?;
        let room = Room { trace: trace.clone(), read, states, bindings: Vec::new() };
        let turn = Mutex::new(Turn { room, known: Vec::new(), last: None, lies_there: false, whole: None });
        let mut model = GpuModel { gpu, plan, arena, run, vectors, matrices, shapes, steps, turn };
        model.turn.get_mut().room.bindings = model.bindings(&trace);
        Ok(model)
    }

    /// Something in place of the trace, while nothing is traced.
    pub(super) fn trace(&mut self) -> Buffer {
        self.turn.get_mut().room.trace.clone()
    }

    fn bindings(&self, trace: &Buffer) -> Vec<BindGroup> {
        let steps = self.plan.steps.iter().zip(&self.shapes);
        steps
            .map(|(step, shape)| {
                // A kernel that reads no matrix is given something in its place.
                let weights = step.matrix.map_or(&self.vectors, |index| &self.matrices[index]);
                self.gpu.bind([&self.arena, weights, &self.vectors, shape, &self.run, trace])
            })
            .collect()
    }

    /// Makes room for so many numbers of trace and of reading.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`], [`GpuError::OutOfMemory`].
    pub(super) async fn make_room(&self, room: &mut Room, trace: usize, read: usize) -> Result<(), GpuError> {
        self.enlarge(&mut room.read, "read", read, READ).await?;
        if self.enlarge(&mut room.trace, "trace", trace, TRACE).await? {
            room.bindings = self.bindings(&room.trace);
        }
        Ok(())
    }

    /// Puts a larger buffer in the place of one that has no room for so many numbers; whether it did.
    async fn enlarge(
        &self,
        buffer: &mut Buffer,
        label: &str,
        numbers: usize,
        usage: BufferUsages,
    ) -> Result<bool, GpuError> {
        if bytes(numbers) <= buffer.size() {
            return Ok(false);
        }
        let size = self.gpu.with_room_to_grow(bytes(numbers), usage);
        let larger = || self.gpu.buffer(label, size, usage);
        let (larger, verdict) = self.gpu.guarded(larger)?;
        // The small one stays if there is no memory for it: whoever waits for this model has to find something whole.
        verdict.await?;
        std::mem::replace(buffer, larger).destroy();
        Ok(true)
    }

    /// Runs the model once. Runs that are asked for meanwhile wait.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] if what is wanted is too large to be read back, [`GpuError::OutOfMemory`] if there is no memory
    /// left for it; [`GpuError::Lost`] if the GPU was taken away; [`GpuError::Failed`] if it fails.
    pub async fn run(&self, input: &Input<'_>) -> Result<Output, GpuError> {
        let mut turn = self.turn.lock().await;
        let Turn { room, known, last, lies_there, whole } = &mut *turn;
        let plain = input.ablate.is_empty();
        let past = if input.cached && plain { shared(known, input.ids) } else { 0 };
        let ids = &input.ids[past..];
        let segments = input.segments.get(past..).unwrap_or_default();
        let every_logit = input.want.contains(&Hook::Logits) && !input.cached;
        let predict: Vec<u32> =
            if every_logit { (0..input.ids.len() as u32).collect() } else { input.predict.to_vec() };
        let all = bytes(predict.len() * self.plan.logits.map_or(0, |region| region.width as usize));
        let enough = input.best.is_some_and(|count| count <= top::TOP)
            && !input.want.contains(&Hook::Logits)
            && all > MUCH;
        let (scores, scored) =
            if enough { (Scores::Best, self.plan.best) } else { (Scores::All, self.plan.logits) };
        let (first, later) = predict.split_at(predict.len().min(self.plan.logits_rows));
        // What lies in the arena is overwritten from here on, and whole again when the run is done.
        known.clear();
        let there = whole.take();
        let lay_there = std::mem::take(lies_there);
        let replaced = self.take_states(room, input).await?;
        let mut words = RunWords::new(self.plan.layout, past, ids, segments, first);
        words.ablate(input.ablate, self.plan.head_words);
        let in_one_turn =
            past == 0 && (later.is_empty() || scored.is_none()) && replaced.is_empty() && !input.cached;
        let this = in_one_turn.then(|| (words.clone(), scores));
        let again = this.is_some() && there == this;
        let mut reading = Reading::default();
        let scored_at = scored.map(|region| reading.take(region.rows(0..first.len())));
        let next_sentence_at = self.plan.next_sentence.map(|region| reading.take(region.rows(0..1)));
        let pieces: Vec<(Hook, Vec<usize>, Source)> = self
            .plan
            .order
            .iter()
            .filter(|hook| input.want.contains(hook))
            .filter_map(|hook| self.plan.piece(*hook, predict.len(), input.ablate, &mut words, &mut reading))
            .collect();
        let part = if again { Part::Traces } else { Part::Everything };
        let values = self.submit(room, &words, &reading, &replaced, scores, part).await?;
        let (arena, trace) = values.split_at(reading.from_arena);

        let mut logits = scored_at.map_or_else(Vec::new, |at| arena[at].to_vec());
        if let Some(region) = scored {
            for some in later.chunks(self.plan.logits_rows) {
                let words = RunWords::new(self.plan.layout, past, ids, segments, some);
                let mut reading = Reading::default();
                reading.take(region.rows(0..some.len()));
                logits.extend(self.submit(room, &words, &reading, &[], scores, Part::Heads).await?);
            }
        }
        if plain {
            known.extend_from_slice(input.ids);
        }
        *whole = this;
        // One that computed nothing anew is still the run before it.
        *lies_there = if again { lay_there } else { false };
        if !input.aside && !*lies_there {
            *last = Some((words, scores));
            *lies_there = true;
        }

        let activations = pieces.into_iter().map(|(hook, shape, source)| {
            let data = match source {
                Source::Arena(at) => arena[at].to_vec(),
                Source::Trace(at) => trace[at].to_vec(),
                Source::Logits => logits.clone(),
                Source::Known(data) => data,
            };
            Activation { hook, shape, data }
        });
        let activations = activations.collect();
        if let Some(region) = self.plan.logits.filter(|_| every_logit) {
            let row = |position: &u32| {
                &logits[*position as usize * region.width as usize..][..region.width as usize]
            };
            logits = input.predict.iter().flat_map(row).copied().collect();
        }
        let mut best = Vec::new();
        if enough {
            best = logits.chunks(top::LIST).filter_map(Best::read).collect();
            logits.clear();
        }
        let next_sentence = next_sentence_at.map(|at| arena[at].to_vec());
        Ok(Output { logits, best, next_sentence, activations, computed: if again { 0 } else { ids.len() } })
    }

    /// Computes the runs that hidden states are taken from, and keeps those.
    async fn take_states(&self, room: &mut Room, input: &Input<'_>) -> Result<Vec<Replaced>, GpuError> {
        let Input { ablate: Ablation { patch: patches, .. }, sources, .. } = input;
        let places = patches
            .iter()
            .filter_map(|patch| self.plan.residuals.iter().find(|(hook, ..)| *hook == patch.hook));
        let mut replaced: Vec<Replaced> = Vec::new();
        let mut length = 0;
        for (patch, (_, region, before)) in patches.iter().zip(places) {
            let row = region.rows(patch.position..patch.position + 1);
            replaced.push(Replaced { before: *before, state: length, row });
            length += region.width as usize;
        }
        self.enlarge(&mut room.states, "states", length, STATES).await?;
        for (((ids, segments), patch), Replaced { before, state, row }) in
            sources.iter().zip(patches).zip(&replaced)
        {
            let words = RunWords::new(self.plan.layout, 0, ids, segments, &[]);
            self.gpu.write(&self.run, 0, words.words());
            let mut encoder = self.gpu.encoder();
            self.encode(&mut encoder, self.launches(room, &words, 0..*before, Scores::All));
            let offset = row.start - patch.position * row.len() + patch.source() * row.len();
            encoder.copy_buffer_to_buffer(
                &self.arena,
                bytes(offset),
                &room.states,
                bytes(*state),
                bytes(row.len()),
            );
            self.gpu.submit(encoder);
        }
        Ok(replaced)
    }

    /// Encodes dispatches as one pass.
    pub(super) fn encode<'a>(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        launches: impl Iterator<Item = Launch<'a>>,
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for launch in launches {
            launch.encode(&mut pass);
        }
    }

    /// The dispatches of some steps of a run.
    pub(super) fn launches<'a>(
        &'a self,
        room: &'a Room,
        words: &'a RunWords,
        steps: Range<usize>,
        scores: Scores,
    ) -> impl Iterator<Item = Launch<'a>> {
        let steps = self.plan.steps[steps.clone()].iter().zip(&room.bindings[steps]);
        steps.filter_map(move |(step, bindings)| {
            let wanted = step.only_if.is_none_or(|slot| words.wants(slot)) && step.scores <= scores;
            let (op, grid) = step.launch(words, &self.plan.widths);
            let something = wanted && grid.iter().all(|count| *count > 0);
            if !something {
                return None;
            }
            Some(Launch { step, op, grid, pipeline: self.gpu.kernel(op, self.plan.weight_type), bindings })
        })
    }

    /// Computes one turn, or a part of it, and reads what is to be read of it.
    async fn submit(
        &self,
        room: &mut Room,
        words: &RunWords,
        reading: &Reading,
        replaced: &[Replaced],
        scores: Scores,
        part: Part,
    ) -> Result<Vec<f32>, GpuError> {
        self.make_room(room, reading.from_trace, reading.len()).await?;
        self.gpu.write(&self.run, 0, words.words());
        let mut encoder = self.gpu.encoder();
        let launches = |steps: Range<usize>| {
            self.launches(room, words, steps, scores).filter(|launch| match part {
                Part::Everything => true,
                Part::Heads => launch.step.head,
                Part::Traces => launch.step.traces(words),
            })
        };
        // One pass, unless something is put in between.
        let mut next = 0;
        let mut in_order: Vec<&Replaced> = replaced.iter().collect();
        in_order.sort_by_key(|replaced| replaced.before);
        for Replaced { before, state, row } in in_order {
            self.encode(&mut encoder, launches(next..*before));
            let (from, to) = (bytes(*state), bytes(row.start));
            encoder.copy_buffer_to_buffer(&room.states, from, &self.arena, to, bytes(row.len()));
            next = *before;
        }
        self.encode(&mut encoder, launches(next..self.plan.steps.len()));

        let mut to = 0;
        let mut copy = |from: &Buffer, range: Range<usize>| {
            if !range.is_empty() {
                encoder.copy_buffer_to_buffer(from, bytes(range.start), &room.read, to, bytes(range.len()));
                to += bytes(range.len());
            }
        };
        for range in &reading.arena {
            copy(&self.arena, range.clone());
        }
        copy(&room.trace, 0..reading.from_trace);
        self.gpu.submit(encoder);
        self.gpu.read(&room.read, reading.len()).await
    }
}

impl Drop for GpuModel {
    /// Gives the memory back at once: a browser would wait for its garbage collector, which does not see how much it is.
    fn drop(&mut self) {
        let Room { trace, read, states, .. } = &self.turn.get_mut().room;
        let own = [&self.arena, &self.run, &self.vectors, trace, read, states];
        own.into_iter()
            .chain(&self.steps)
            .chain(&self.matrices)
            .chain(&self.shapes)
            .for_each(Buffer::destroy);
    }
}

/// One dispatch of a run.
pub(super) struct Launch<'a> {
    pub step: &'a Step,
    pub op: Op,
    pub grid: [u32; 2],
    pipeline: &'a ComputePipeline,
    bindings: &'a BindGroup,
}

impl Launch<'_> {
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y] = self.grid;
        pass.set_pipeline(self.pipeline);
        pass.set_bind_group(0, self.bindings, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// How many tokens of `ids` need no computing, since `known` begins with them: all but the last at most, whose scores are
/// always asked for.
pub(super) fn shared(known: &[u32], ids: &[u32]) -> usize {
    let shared = known.iter().zip(ids).take_while(|(known, id)| known == id).count();
    shared.min(ids.len().saturating_sub(1))
}

/// In 64 bits: a browser's `usize` has 32.
pub(super) fn bytes(numbers: usize) -> u64 {
    numbers as u64 * size_of::<f32>() as u64
}
