//! Every kernel against its CPU twin, on this machine's Vulkan adapter, over a table of odd shapes; `record.rs` keeps the
//! cases for a browser.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod record;
mod software;

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter::repeat_n;

use wgpu::{BufferUsages, ComputePipeline};

use super::super::device::Gpu;
use super::super::weights::{Layout, Stored, WeightType};
use super::linear::Rows;
use super::*;
use crate::checkpoint::Activation;
use crate::trace::{Ablation, Embedding, Sight};
use record::record;

const TYPES: [WeightType; 3] = [WeightType::F32, WeightType::F16, WeightType::Int8];
/// Numbers of rows around the sizes of tiles and workgroups.
const ROWS: [usize; 7] = [1, 3, 17, 31, 64, 65, 127];
/// All that the kernels of linear maps are made for.
const WIDTHS: [Widths; 3] = [Widths::NARROW, Widths::NARROW_SUBGROUPS, Widths::WIDE];
/// The two of them that make a difference to the other kernels.
const NARROW_AND_WIDE: [Widths; 2] = [Widths::NARROW, Widths::WIDE];
/// How far a value may lie from its twin's, relative to the largest that the kernel writes.
const TOLERANCE: f32 = 1e-4;
/// What stands in the trace before a kernel runs: nothing that one writes, zeros included.
const UNTOUCHED: f32 = -12_345.0;
/// How many positions stand before those of a run of [`Map`].
const PAST: usize = 2;

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
        let before = case.arena.iter().chain(repeat_n(&UNTOUCHED, case.trace));
        let ours = arena.iter().chain(&trace);
        let largest = before
            .clone()
            .zip(ours.clone())
            .filter(|(before, ours)| before != ours)
            .map(|(_, ours)| ours.abs())
            .reduce(f32::max)
            .unwrap_or_else(|| panic!("{what}: the twin does nothing"));
        for (index, ((before, ours), theirs)) in before.zip(ours).zip(&theirs).enumerate() {
            let allowed = if before == ours { 0.0 } else { TOLERANCE * largest };
            assert!(
                (ours - theirs).abs() <= allowed,
                "{what}: number {index} is {theirs} on the GPU, {ours} by the twin, and was {before}; the largest is {largest}"
            );
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
    /// Numbers of the arena.
    arena: usize,
}

impl Room {
    fn vector(&mut self, values: &[f32]) -> u32 {
        let at = self.vectors.len() as u32;
        self.vectors.extend_from_slice(values);
        at
    }

    /// `width` numbers of the arena for each position.
    fn rows(&mut self, width: usize) -> u32 {
        let at = self.arena as u32;
        self.arena += self.capacity * width;
        at
    }
}

/// A linear map of some rows.
#[derive(Clone, Copy, Debug)]
struct Map {
    which: Rows,
    rows: usize,
    /// Inputs and outputs.
    size: [usize; 2],
    weight_type: WeightType,
    widths: Widths,
    one_by_one: bool,
}

impl Map {
    /// For so many rows each, maps by every type of weights and in every form.
    fn all(which: Rows, rows: &[usize], size: [usize; 2]) -> impl Iterator<Item = Map> {
        types_and(&WIDTHS).flat_map(move |(weight_type, widths)| {
            rows.iter().flat_map(move |&rows| {
                let forms = [true, false].into_iter();
                // Few rows come in both forms.
                let forms = forms.filter(move |one_by_one| !one_by_one || widths.one_by_one(rows, rows));
                forms.map(move |one_by_one| Map { which, rows, size, weight_type, widths, one_by_one })
            })
        })
    }

    /// Checks the map, and what `more` adds to it.
    fn check(self, kernels: &Kernels, more: impl FnOnce(&mut linear::Shape, &mut Room, &Stored)) {
        let Map { which, rows, size: [inputs, outputs], weight_type, widths, one_by_one } = self;
        // Every other position is predicted.
        let new = if which == Rows::New { rows } else { 2 * rows - 1 };
        let predict: Vec<u32> = (PAST..PAST + new).rev().step_by(2).map(|row| row as u32).collect();
        let capacity = PAST + new + 3;
        let mut run = run(capacity, 1, PAST, new, &predict);
        let weights = matrix(inputs, outputs, &widths, weight_type);
        let mut room = Room { capacity, vectors: weights.scales.clone(), arena: 0 };
        let mut shape = linear::Shape::new(&weights.layout, &run.layout, which, room.rows(inputs), 0);
        if weight_type == WeightType::Int8 {
            shape.scale = 0;
        }
        more(&mut shape, &mut room, &weights);
        shape.y = room.rows(shape.stride as usize);
        let traced = shape.want != NONE;
        if traced {
            run.want(shape.want, 0);
        }
        let (op, grid) = shape.launch(&widths, rows, one_by_one);
        let (arena, trace) = (filled(room.arena, 5), if traced { rows * outputs } else { 0 });
        let (words, vectors) = (shape.words(), room.vectors);
        let case = Case { op, grid, shape: words, weights, vectors, arena, trace, run, widths };
        kernels.check(&format!("{self:?}, {shape:?}"), &case, |memory| linear::twin(&shape, memory));
    }
}

/// Where a run of [`Map::check`] says where the map is traced.
fn traced(room: &Room) -> u32 {
    RunLayout { capacity: room.capacity, wants: 1, heads: 2 }.slot(0)
}

/// Puts a norm before the map: for each output the sum of its weights times gamma, and a bias with beta in it.
fn normed(shape: &mut linear::Shape, room: &mut Room, weights: &Stored) {
    let (inputs, outputs) = (shape.inputs as usize, shape.outputs as usize);
    let product = |x: &[f32], output: usize| {
        let products = x.iter().enumerate().map(|(k, x)| x * weights.opened(k, output));
        products.sum::<f32>() * weights.scale(output)
    };
    let [gamma, beta, bias] =
        [(inputs, 9), (inputs, 10), (outputs, 11)].map(|(count, seed)| filled(count, seed));
    let all = |x: &[f32]| (0..outputs).map(|output| product(x, output)).collect::<Vec<_>>();
    let with_beta: Vec<f32> = all(&beta).iter().zip(bias).map(|(beta, bias)| beta + bias).collect();
    shape.gamma = room.vector(&gamma);
    shape.gamma_weights = room.vector(&all(&gamma));
    shape.bias = room.vector(&with_beta);
    shape.epsilon = 1e-5;
    shape.stats = room.rows(2);
}

#[test]
fn linear_maps_equal_their_twin() {
    let kernels = Kernels::new();
    let check = |map: Map| {
        map.check(&kernels, |shape, room, _| {
            shape.bias = room.vector(&filled(map.size[1], 8));
            shape.want = traced(room);
        });
    };
    for size in [[1, 1], [5, 3], [18, 70], [50, 36], [33, 129]] {
        Map::all(Rows::New, &ROWS, size).for_each(check);
    }
    // The most rows that are computed one by one, and more inputs than a workgroup then has invocations.
    for size in [[1100, 70], [300, 5], [1024, 8]] {
        Map::all(Rows::New, &[1, 2, 16], size).for_each(check);
    }
}

#[test]
fn norms_residuals_and_activations_equal_their_twin() {
    let kernels = Kernels::new();
    for (activation, size, added_is_normed) in [
        (Activation::Gelu, [36, 36], true),
        (Activation::GeluTanh, [50, 12], false),
        (Activation::Relu, [18, 70], true),
        (Activation::Silu, [5, 5], false),
        (Activation::Tanh, [66, 9], true),
    ] {
        let few = Map::all(Rows::New, &[2, 16], [1100, 9]);
        for map in Map::all(Rows::New, &ROWS, size).chain(few) {
            map.check(&kernels, |shape, room, weights| {
                normed(shape, room, weights);
                *shape = shape.activated(Some(activation));
                let outputs = shape.outputs as usize;
                shape.residual = room.rows(outputs);
                if added_is_normed {
                    shape.residual_stats = room.rows(2);
                    shape.residual_gamma = room.vector(&filled(outputs, 12));
                    shape.residual_beta = room.vector(&filled(outputs, 13));
                }
                shape.want = traced(room);
            });
        }
    }
}

#[test]
fn queries_keys_and_values_go_to_their_places() {
    let kernels = Kernels::new();
    for hidden in [5, 18, 36, 50] {
        for map in Map::all(Rows::New, &ROWS, [hidden, 3 * hidden]) {
            map.check(&kernels, |shape, room, weights| {
                // GPT's are of a norm.
                if hidden % 4 == 2 {
                    normed(shape, room, weights);
                }
                shape.keys = room.rows(hidden);
                shape.values = room.rows(hidden);
                shape.want = traced(room);
            });
        }
    }
}

#[test]
fn heads_read_the_rows_they_are_for() {
    let kernels = Kernels::new();
    let several =
        [Rows::Predicted, Rows::Gathered].into_iter().flat_map(|which| Map::all(which, &ROWS, [50, 151]));
    for map in several.chain(Map::all(Rows::First, &[1], [18, 18])) {
        map.check(&kernels, |shape, room, weights| {
            if map.which == Rows::Predicted {
                normed(shape, room, weights);
                shape.stats = NONE;
            }
            // Beside its own part of a row there is another's.
            shape.stride += 5;
        });
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
                let mut room = Room { capacity, vectors: Vec::new(), arena: 0 };
                let mut words = run(capacity, 2, *past, rows, &[]);
                let [want_scores, want_pattern] = [0, 1].map(|index| words.layout.slot(index));
                let map = heads * rows * (past + rows);
                words.want(want_pattern, 0);
                let scored = *sight == Sight::Back;
                if scored {
                    words.want(want_scores, map as u32);
                }
                let [q, keys, values, z] = [(); 4].map(|()| room.rows(heads * size));
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
                    trace: if scored { 2 * map } else { map },
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
                let mut room = Room { capacity, vectors: words.scales.clone(), arena: 2 };
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
                    sum: room.rows(hidden),
                    want_word,
                    want_position,
                    want_segment,
                    capacity: capacity as u32,
                };
                for (at, slot) in [want_word, want_position, want_segment].into_iter().enumerate() {
                    run.want(slot, (at * rows * hidden) as u32);
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
                    vectors: room.vectors,
                    arena,
                    trace: 3 * rows * hidden,
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
                let mut room = Room { capacity: rows + 1, vectors: Vec::new(), arena: 2 };
                let mut run = run(room.capacity, 1, 1, rows, &[]);
                let want = run.layout.slot(0);
                run.want(want, 0);
                let shape = norm::Shape {
                    hidden: hidden as u32,
                    x: room.rows(hidden),
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
                    vectors: room.vectors,
                    arena: filled(room.arena, 18),
                    trace: rows * hidden,
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
