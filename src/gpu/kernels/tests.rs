//! Every kernel against its CPU twin, on this machine's Vulkan adapter, over a table of odd shapes; `record.rs` keeps the
//! cases for a browser.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod linear_maps;
mod record;
mod regions;
mod software;

use std::cell::RefCell;
use std::collections::HashMap;

use wgpu::{BufferUsages, ComputePipeline};

use super::super::device::Gpu;
use super::super::weights::{Layout, Stored, WeightType};
use super::*;
use crate::trace::{Ablation, Embedding, Sight};
use record::record;
use regions::{Region, difference};

const TYPES: [WeightType; 3] = [WeightType::F32, WeightType::F16, WeightType::Int8];
/// Numbers of rows around the sizes of tiles and workgroups.
pub(super) const ROWS: [usize; 7] = [1, 3, 17, 31, 64, 65, 127];
/// All that the other kernels than linear maps are made for.
const NARROW_AND_WIDE: [Widths; 2] = [Widths::NARROW, Widths::WIDE];
/// What stands in the trace before a kernel runs: nothing that one writes, zeros included.
const UNTOUCHED: f32 = -12_345.0;

pub(super) fn gpu() -> Gpu {
    pollster::block_on(Gpu::new(None))
        .expect("there is a Vulkan adapter; on Debian mesa-vulkan-drivers brings one in software")
}

/// Numbers that repeat themselves in every run, in -1 to 1.
pub(super) fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from((state >> 16) as u16) / 32_768.0 - 1.0
    }
}

fn filled(count: usize, seed: u32) -> Vec<f32> {
    let mut next = noise(seed);
    (0..count).map(|_| next()).collect()
}

fn matrix(inputs: usize, outputs: usize, widths: &Widths, weight_type: WeightType) -> Stored {
    let values = filled(inputs * outputs, 3);
    let scale = (inputs as f32).sqrt().recip();
    let layout = Layout::new(inputs, outputs, widths, weight_type);
    let mut stored = Stored::new(layout, |k, o| values[k * outputs + o] * scale);
    if weight_type == WeightType::Int8 {
        // The least and the greatest number that a file may have.
        stored.words[0] = u32::from_le_bytes([0x80, 0x7f, 0xff, 0x01]);
    }
    stored
}

/// The matrix of a kernel that reads none.
fn no_matrix(widths: &Widths) -> Stored {
    Stored::new(Layout::new(0, 0, widths, WeightType::F32), |_, _| 0.0)
}

fn types_and(widths: &[Widths]) -> impl Iterator<Item = (WeightType, Widths)> {
    TYPES.into_iter().flat_map(|weight_type| widths.iter().map(move |widths| (weight_type, *widths)))
}

/// Everything that a kernel sees.
pub(super) struct Case {
    pub(super) op: Op,
    pub(super) grid: [u32; 2],
    pub(super) shape: Vec<u32>,
    pub(super) weights: Stored,
    pub(super) vectors: Vec<f32>,
    pub(super) arena: Vec<f32>,
    pub(super) trace: usize,
    /// What is written, each kind by itself. Without any, every number is measured by itself.
    pub(super) regions: Vec<Region>,
    pub(super) run: RunWords,
    pub(super) widths: Widths,
}

/// The arena and the trace after the kernel ran on the GPU.
pub(super) fn computed_by(gpu: &Gpu, pipeline: &ComputePipeline, what: &str, case: &Case) -> Vec<f32> {
    let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let make = |words: &[u32], usage| {
        gpu.filled(what, if words.is_empty() { &[0] } else { words }, usage).expect("it fits")
    };
    let arena = make(&bits(&case.arena), storage);
    let trace = make(&bits(&vec![UNTOUCHED; case.trace]), storage);
    let weights = make(&case.weights.words, storage);
    let vectors = make(&bits(&case.vectors), storage);
    let shape = make(&case.shape, BufferUsages::UNIFORM);
    let run = make(case.run.words(), storage);
    let total = case.arena.len() + case.trace;
    let read = gpu
        .buffer(what, (total * 4) as u64, BufferUsages::COPY_DST | BufferUsages::MAP_READ)
        .expect("it fits");
    let bindings = gpu.bind([&arena, &weights, &vectors, &shape, &run, &trace]);
    let mut encoder = gpu.encoder();
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    pass.dispatch_workgroups(case.grid[0], case.grid[1], 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&arena, 0, &read, 0, (case.arena.len() * 4) as u64);
    if case.trace > 0 {
        encoder.copy_buffer_to_buffer(
            &trace,
            0,
            &read,
            (case.arena.len() * 4) as u64,
            (case.trace * 4) as u64,
        );
    }
    gpu.submit(encoder);
    pollster::block_on(gpu.read(&read, total)).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// The arena and the trace after the twin ran.
pub(super) fn computed_by_twin(case: &Case, twin: impl Fn(&mut Memory<'_>)) -> (Vec<f32>, Vec<f32>) {
    let (mut arena, mut trace) = (case.arena.clone(), vec![UNTOUCHED; case.trace]);
    twin(&mut Memory {
        arena: &mut arena,
        weights: &case.weights,
        vectors: &case.vectors,
        run: &case.run,
        trace: &mut trace,
    });
    record(case, &arena, &trace);
    (arena, trace)
}

/// A GPU and the programs that were compiled for it, by their source: many cases share theirs.
struct Kernels {
    gpu: Gpu,
    compiled: RefCell<HashMap<String, ComputePipeline>>,
}

impl Kernels {
    fn new() -> Kernels {
        Kernels { gpu: gpu(), compiled: RefCell::default() }
    }

    /// Runs a case on the GPU and by `twin`: what the twin writes must be alike, and everything else as it was.
    fn check(&self, what: &str, case: &Case, twin: impl Fn(&mut Memory<'_>)) {
        let text = source(case.op, case.weights.layout.weight_type, &case.widths);
        let mut compiled = self.compiled.borrow_mut();
        let pipeline =
            compiled.entry(text).or_insert_with_key(|text| self.gpu.pipeline(case.op.name(), text));
        let theirs = computed_by(&self.gpu, pipeline, what, case);
        let (arena, trace) = computed_by_twin(case, twin);
        let before = [case.arena.as_slice(), &vec![UNTOUCHED; case.trace]].concat();
        if let Some(difference) = difference(&case.regions, &before, &[arena, trace].concat(), &theirs) {
            panic!("{what}: {difference}");
        }
    }
}

fn run(capacity: usize, wants: usize, past: usize, rows: usize, predict: &[u32]) -> RunWords {
    let ids: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 40).collect();
    let segments: Vec<u32> = (0..rows as u32).map(|row| row % 2).collect();
    RunWords::new(RunLayout { capacity, wants, heads: 2 }, past, &ids, &segments, predict)
}

/// The memory of a case, given away piece by piece.
struct Room {
    /// Positions that there is room for.
    capacity: usize,
    vectors: Vec<f32>,
    /// Numbers of the arena, and what they are.
    arena: usize,
    regions: Vec<Region>,
    /// Numbers of the trace, and what they are.
    trace: usize,
    traced: Vec<Region>,
}

impl Room {
    fn new(capacity: usize) -> Room {
        Room { capacity, vectors: Vec::new(), arena: 0, regions: Vec::new(), trace: 0, traced: Vec::new() }
    }

    fn vector(&mut self, values: &[f32]) -> u32 {
        let at = self.vectors.len() as u32;
        self.vectors.extend_from_slice(values);
        at
    }

    /// `width` numbers of the arena for each position.
    fn rows(&mut self, what: &'static str, width: usize) -> u32 {
        let begin = self.arena;
        self.arena += self.capacity * width;
        self.regions.push(Region { what, begin, end: self.arena, step: 1 });
        begin as u32
    }

    /// The mean and the reciprocal deviation of each position, by turns.
    fn statistics(&mut self) -> u32 {
        let (begin, step) = (self.arena, 2);
        self.arena += self.capacity * step;
        let means = Region { what: "means", begin, end: self.arena, step };
        self.regions.extend([means, Region { what: "deviations", begin: begin + 1, ..means }]);
        begin as u32
    }

    /// So many lines of the trace, each a region of its own.
    fn trace(&mut self, what: &'static str, lines: usize, width: usize) -> u32 {
        let at = self.trace;
        self.trace += lines * width;
        let line = |line| Region { what, begin: at + line * width, end: at + (line + 1) * width, step: 1 };
        self.traced.extend((0..lines).map(line));
        at as u32
    }

    /// What lies where in the arena and in the trace behind it.
    fn regions(&self) -> Vec<Region> {
        let behind = self.traced.iter().map(|region| region.behind(self.arena));
        self.regions.iter().copied().chain(behind).collect()
    }
}

#[test]
fn attention_equals_its_twin() {
    let kernels = Kernels::new();
    // The last is larger than a workgroup.
    let heads = [(1, 4), (2, 6), (3, 12), (5, 16), (12, 64), (20, 5), (2, 128), (1, 200)];
    for widths in NARROW_AND_WIDE {
        for (turn, rows) in ROWS.into_iter().enumerate() {
            for (index, (heads, size)) in heads.into_iter().enumerate() {
                let edges = vec![[rows - 1, 0], [0, rows / 2], [rows / 2, rows / 2]];
                let changed = Ablation { heads: vec![[1, heads - 1]], mask: edges, ..Ablation::default() };
                // Each number of rows meets each number of heads, and each of both meets each of these.
                let ways = [
                    (Sight::Everywhere, 0, Ablation::default()),
                    (Sight::Back, 0, Ablation::default()),
                    (Sight::Back, 70, Ablation::default()),
                    (Sight::Near(3), 70, Ablation::default()),
                    (Sight::Everywhere, 0, changed.clone()),
                    (Sight::Back, 0, changed.clone()),
                    (Sight::Near(9), 0, changed),
                ];
                let (sight, past, ablation) = &ways[(turn + index) % ways.len()];
                let capacity = past + rows + 2;
                let mut room = Room::new(capacity);
                let mut words = run(capacity, 2, *past, rows, &[]);
                let [want_scores, want_pattern] = [0, 1].map(|index| words.layout.slot(index));
                // A query's pattern sums to 1, however many keys it sees: that of each query is a region.
                words.want(want_pattern, room.trace("pattern", heads * rows, past + rows));
                if *sight == Sight::Back {
                    words.want(want_scores, room.trace("scores", 1, heads * rows * (past + rows)));
                }
                let [q, keys, values, z] =
                    ["queries", "keys", "values", "z"].map(|what| room.rows(what, heads * size));
                let shape = attention::Shape {
                    heads: heads as u32,
                    head_size: size as u32,
                    scale: (size as f32).sqrt().recip() * 3.0,
                    window: attention::window(*sight),
                    q,
                    keys,
                    values,
                    z,
                    want_scores,
                    want_pattern,
                    heads_off: words.layout.heads() as u32 + 1,
                    edits: words.layout.edits() as u32,
                    capacity: capacity as u32,
                };
                words.ablate(ablation, 1);
                let case = Case {
                    op: Op::Attention,
                    grid: shape.grid(&widths, rows),
                    shape: shape.words(),
                    weights: no_matrix(&widths),
                    vectors: Vec::new(),
                    arena: filled(room.arena, 6),
                    trace: room.trace,
                    regions: room.regions(),
                    run: words,
                    widths,
                };
                let what = format!(
                    "{heads} heads of {size}, {rows} rows after {past}, {sight:?}, {ablation:?}, {widths:?}"
                );
                kernels.check(&what, &case, |memory| attention::twin(&shape, memory));
            }
        }
    }
}

#[test]
fn embeddings_equal_their_twin() {
    let kernels = Kernels::new();
    let left_out = [None, Some(Embedding::Token), Some(Embedding::Position), Some(Embedding::Segment)];
    for (weight_type, widths) in types_and(&NARROW_AND_WIDE) {
        for (rows, left_out) in ROWS.into_iter().zip(left_out.into_iter().cycle()) {
            // The last is a part of a table: the words before and after it are left to others.
            for (hidden, segments, first, count) in [(36, true, 0, 41), (5, false, 0, 41), (50, true, 6, 25)]
            {
                let capacity = rows + 4;
                let words = matrix(hidden, count, &widths, weight_type);
                let mut room = Room { vectors: words.scales.clone(), arena: 2, ..Room::new(capacity) };
                let mut run = run(capacity, 3, 4, rows, &[]);
                let [want_word, want_position, want_segment] = [0, 1, 2].map(|index| run.layout.slot(index));
                let shape = embed::Shape {
                    hidden: hidden as u32,
                    first,
                    count: count as u32,
                    position_table: room.vector(&filled(capacity * hidden, 14)),
                    segment_table: if segments { room.vector(&filled(2 * hidden, 15)) } else { NONE },
                    scale: if words.scales.is_empty() { NONE } else { 0 },
                    drawn: 1,
                    sum: room.rows("sum", hidden),
                    want_word,
                    want_position,
                    want_segment,
                    capacity: capacity as u32,
                };
                for (slot, what) in
                    [(want_word, "token"), (want_position, "position"), (want_segment, "segment")]
                {
                    run.want(slot, room.trace(what, 1, rows * hidden));
                }
                run.ablate(
                    &Ablation { embeddings: left_out.into_iter().collect(), ..Ablation::default() },
                    1,
                );
                let mut arena = filled(room.arena, 7);
                if rows == 1 {
                    arena[1] = 30.0;
                    run.follow();
                }
                let what =
                    format!("{rows} embeddings of {hidden} without {left_out:?}, {weight_type:?} {widths:?}");
                let case = Case {
                    op: Op::Embed,
                    grid: shape.grid(widths.tile_lanes, rows),
                    shape: shape.words(),
                    weights: words,
                    arena,
                    trace: room.trace,
                    regions: room.regions(),
                    vectors: room.vectors,
                    run,
                    widths,
                };
                kernels.check(&what, &case, |memory| embed::twin(&shape, memory));
            }
        }
    }
}

#[test]
fn norms_equal_their_twin() {
    let kernels = Kernels::new();
    for widths in NARROW_AND_WIDE {
        for rows in ROWS {
            for hidden in [1, 5, 36, 50, 129] {
                let mut room = Room { arena: 2, ..Room::new(rows + 1) };
                let mut run = run(room.capacity, 1, 1, rows, &[]);
                let want = run.layout.slot(0);
                run.want(want, room.trace("norm", 1, rows * hidden));
                let shape = norm::Shape {
                    hidden: hidden as u32,
                    x: room.rows("x", hidden),
                    gamma: room.vector(&filled(hidden, 16)),
                    beta: room.vector(&filled(hidden, 17)),
                    epsilon: 1e-6,
                    want,
                };
                let case = Case {
                    op: Op::Norm,
                    grid: shape.grid(rows),
                    shape: shape.words(),
                    weights: no_matrix(&widths),
                    arena: filled(room.arena, 18),
                    trace: room.trace,
                    regions: room.regions(),
                    vectors: room.vectors,
                    run,
                    widths,
                };
                let what = format!("norm of {rows} x {hidden}, {widths:?}");
                kernels.check(&what, &case, |memory| norm::twin(&shape, memory));
            }
        }
    }
}

/// Of what a run changes, nothing costs a word that is not changed.
#[test]
fn a_run_that_changes_nothing_is_written_as_any_other() {
    let plain = run(40, 2, 3, 17, &[19]);
    let ablated = |ablation: &Ablation| {
        let mut run = plain.clone();
        run.ablate(ablation, 1);
        run
    };
    assert_eq!(ablated(&Ablation::default()), plain);
    let embeddings = vec![Embedding::Token];
    let heads_and_embeddings = Ablation { heads: vec![[1, 0]], embeddings, ..Ablation::default() };
    assert_eq!(ablated(&heads_and_embeddings).words().len(), plain.words().len());
    let mask = Ablation { mask: vec![[4, 2]], ..Ablation::default() };
    assert_eq!(ablated(&mask).words().len(), plain.layout.words());
}

/// The fields of `struct Shape` in a kernel's file.
fn fields(source: &str) -> Vec<(String, String)> {
    let (_, after) = source.split_once("struct Shape {").expect("a kernel has a shape");
    let (body, _) = after.split_once("\n}").expect("a kernel has a shape");
    let lines = body.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let fields = lines.filter_map(|line| line.trim_end_matches(',').split_once(": "));
    fields.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn shapes_are_alike_on_both_sides() {
    for (source, ours) in [
        (include_str!("embed.wgsl"), embed::Shape::FIELDS),
        (include_str!("linear.wgsl"), linear::Shape::FIELDS),
        (include_str!("attention.wgsl"), attention::Shape::FIELDS),
        (include_str!("norm.wgsl"), norm::Shape::FIELDS),
        (include_str!("top.wgsl"), top::Shape::FIELDS),
        (include_str!("draw.wgsl"), draw::Shape::FIELDS),
    ] {
        let theirs = fields(source);
        assert_eq!(theirs.len(), ours.len());
        for ((name, kind), (our_name, our_kind)) in theirs.iter().zip(ours) {
            assert_eq!((name.as_str(), kind.as_str()), (*our_name, *our_kind));
        }
    }
}
