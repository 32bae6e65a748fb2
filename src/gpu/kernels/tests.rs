//! Every kernel against its CPU twin, on this machine's Vulkan adapter, over a table of odd shapes; `record.rs` keeps the
//! cases for a browser.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod record;

use std::ops::Range;

use wgpu::BufferUsages;

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
/// How far a value may lie from its twin's, relative to the largest.
const TOLERANCE: f32 = 1e-4;

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
    Stored::new(layout, |k, o| values[k * outputs + o] * scale)
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
pub(super) fn computed_by(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, what: &str, case: &Case) -> Vec<f32> {
    let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let make = |words: &[u32], usage| {
        gpu.filled(what, if words.is_empty() { &[0] } else { words }, usage).expect("it fits")
    };
    let arena = make(&bits(&case.arena), storage);
    let trace = make(&bits(&vec![0.0; case.trace]), storage);
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
    let (mut arena, mut trace) = (case.arena.clone(), vec![0.0; case.trace]);
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

/// Runs a case on the GPU and by `twin`; all of the arena and of the trace must be alike.
fn check(gpu: &Gpu, what: &str, case: &Case, twin: impl Fn(&mut Memory<'_>)) {
    let text = source(case.op, case.weights.layout.weight_type, &case.widths);
    let theirs = computed_by(gpu, &gpu.pipeline(case.op.name(), &text), what, case);
    let (arena, trace) = computed_by_twin(case, twin);
    assert!(arena != case.arena || trace.iter().any(|value| *value != 0.0), "{what}: the twin does nothing");
    let largest = arena.iter().chain(&trace).fold(1.0_f32, |most, value| most.max(value.abs()));
    for (index, (ours, theirs)) in arena.iter().chain(&trace).zip(&theirs).enumerate() {
        let difference = (ours - theirs).abs();
        assert!(
            difference <= TOLERANCE * largest,
            "{what}: number {index} is {theirs} on the GPU, {ours} by the twin"
        );
    }
}

fn run(capacity: usize, wants: usize, past: usize, rows: usize, predict: &[u32]) -> RunWords {
    let ids: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 40).collect();
    let segments: Vec<u32> = (0..rows as u32).map(|row| row % 2).collect();
    RunWords::new(RunLayout { capacity, wants, heads: 2 }, past, &ids, &segments, predict)
}

/// Where a run of `linear_case` says where the map is traced.
fn traced(shape: &linear::Shape) -> u32 {
    RunLayout { capacity: shape.capacity as usize, wants: 1, heads: 2 }.slot(0)
}

fn linear_case(
    rows: Range<usize>,
    [inputs, outputs]: [usize; 2],
    weight_type: WeightType,
    widths: Widths,
    which: Rows,
    change: impl FnOnce(&mut linear::Shape, &mut Vec<f32>, &Stored, usize),
) -> (Case, linear::Shape) {
    let capacity = rows.end + 3;
    let weights = matrix(inputs, outputs, &widths, weight_type);
    // x, what is added, statistics, keys, values, y.
    let x = 0;
    let residual = x + capacity * inputs;
    let stats = residual + capacity * outputs;
    let keys = stats + capacity * 2;
    let values = keys + capacity * outputs;
    let y = values + capacity * outputs;
    let arena = filled(y + capacity * outputs, 5);
    let mut vectors = weights.scales.clone();
    let predict: Vec<u32> = rows.clone().rev().step_by(2).map(|row| row as u32).collect();
    let mut words = run(capacity, 1, rows.start, rows.len(), &predict);
    let mut shape = linear::Shape::new(&weights.layout, &words.layout, which, x as u32, y as u32);
    if !vectors.is_empty() {
        shape.scale = 0;
    }
    shape.residual = residual as u32;
    shape.residual_stats = stats as u32;
    shape.keys = keys as u32;
    shape.values = values as u32;
    change(&mut shape, &mut vectors, &weights, outputs);
    let trace = rows.len() * outputs;
    words.want(words.layout.slot(0), 0);
    let (tiled, grid) = shape.grid(&widths, which.count(&words));
    let op = if tiled { Op::LinearTile } else { Op::LinearVector };
    (Case { op, grid, shape: shape.words(), weights, vectors, arena, trace, run: words, widths }, shape)
}

fn push(vectors: &mut Vec<f32>, values: &[f32]) -> u32 {
    let at = vectors.len() as u32;
    vectors.extend_from_slice(values);
    at
}

/// What a norm adds to a map: for each output the sum of its weights times gamma, and the bias with beta in it.
fn folded(weights: &Stored, gamma: &[f32], beta: &[f32], bias: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let product = |x: &[f32], output: usize| {
        let products = x.iter().enumerate().map(|(k, x)| x * weights.opened(k, output));
        products.sum::<f32>() * weights.scale(output)
    };
    let outputs = 0..bias.len();
    let gamma_weights = outputs.clone().map(|output| product(gamma, output)).collect();
    (gamma_weights, outputs.map(|output| product(beta, output) + bias[output]).collect())
}

fn plain(shape: &mut linear::Shape) {
    for field in [&mut shape.residual, &mut shape.residual_stats, &mut shape.keys, &mut shape.values] {
        *field = NONE;
    }
}

#[test]
fn linear_maps_equal_their_twin() {
    let gpu = gpu();
    let sizes = [[36, 108], [5, 3], [50, 36], [33, 129], [1, 1], [96, 65], [1100, 70], [300, 5], [1024, 8]];
    for widths in WIDTHS {
        for weight_type in TYPES {
            // The last three have more inputs than a workgroup has invocations.
            for (rows, size) in ROWS.into_iter().chain([widths.few_rows, 1]).zip(sizes) {
                let what = format!("linear {rows} x {size:?} {weight_type:?} {widths:?}");
                let (mut case, shape) = linear_case(
                    2..2 + rows,
                    size,
                    weight_type,
                    widths,
                    Rows::New,
                    |shape, vectors, _, outputs| {
                        plain(shape);
                        shape.bias = push(vectors, &filled(outputs, 8));
                        shape.want = traced(shape);
                    },
                );
                if weight_type == WeightType::Int8 {
                    // The least and the greatest number that a file may have.
                    case.weights.words[0] = u32::from_le_bytes([0x80, 0x7f, 0xff, 0x01]);
                }
                check(&gpu, &what, &case, |memory| linear::twin(&shape, memory));
            }
        }
    }
}

#[test]
fn norms_residuals_and_activations_equal_their_twin() {
    let gpu = gpu();
    let activations =
        [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh];
    for (index, activation) in activations.into_iter().enumerate() {
        for rows in [1, 9, 40] {
            for (weight_type, widths) in
                TYPES.into_iter().flat_map(|kind| WIDTHS.map(|widths| (kind, widths)))
            {
                let size = [[36, 36], [50, 12], [24, 70], [300, 20], [1100, 9]][index];
                let what =
                    format!("normed linear {rows} x {size:?} {activation:?} {weight_type:?} {widths:?}");
                let (case, shape) = linear_case(
                    1..1 + rows,
                    size,
                    weight_type,
                    widths,
                    Rows::New,
                    |shape, vectors, weights, outputs| {
                        let (residual, residual_stats, keys) =
                            (shape.residual, shape.residual_stats, shape.keys);
                        plain(shape);
                        let gamma = filled(size[0], 9);
                        let (gamma_weights, bias) =
                            folded(weights, &gamma, &filled(size[0], 10), &filled(outputs, 11));
                        shape.gamma = push(vectors, &gamma);
                        shape.gamma_weights = push(vectors, &gamma_weights);
                        shape.bias = push(vectors, &bias);
                        shape.epsilon = 1e-5;
                        *shape = shape.activated(Some(activation));
                        // This norm's own statistics go where keys do elsewhere.
                        shape.stats = keys;
                        shape.residual = residual;
                        shape.residual_stats = residual_stats;
                        shape.residual_gamma = push(vectors, &filled(outputs, 12));
                        shape.residual_beta = push(vectors, &filled(outputs, 13));
                        shape.want = traced(shape);
                    },
                );
                check(&gpu, &what, &case, |memory| linear::twin(&shape, memory));
            }
        }
    }
}

#[test]
fn queries_keys_and_values_go_to_their_places() {
    let gpu = gpu();
    for widths in WIDTHS {
        for rows in [1, 2, 13, 40] {
            let size = [20, 60];
            let (case, shape) =
                linear_case(4..4 + rows, size, WeightType::F16, widths, Rows::New, |shape, _, _, _| {
                    shape.residual = NONE;
                    shape.residual_stats = NONE;
                    shape.want = traced(shape);
                });
            check(&gpu, &format!("qkv of {rows} rows"), &case, |memory| linear::twin(&shape, memory));
        }
    }
}

#[test]
fn heads_read_the_rows_they_are_for() {
    let gpu = gpu();
    for which in [Rows::Predicted, Rows::Gathered, Rows::First] {
        for rows in [3, 21, 70] {
            let (case, shape) =
                linear_case(0..rows, [24, 151], WeightType::F16, Widths::WIDE, which, |shape, _, _, _| {
                    plain(shape)
                });
            check(&gpu, &format!("{which:?} of {rows}"), &case, |memory| linear::twin(&shape, memory));
        }
    }
}

#[test]
fn attention_equals_its_twin() {
    let gpu = gpu();
    // The last is larger than a workgroup.
    let heads = [(1, 4), (2, 6), (3, 12), (5, 16), (12, 64), (20, 5), (2, 128), (1, 200)];
    for widths in [Widths::NARROW, Widths::WIDE] {
        for (rows, (heads, size)) in ROWS.into_iter().chain([9]).zip(heads) {
            let edges = vec![[rows - 1, 0], [0, rows / 2], [rows / 2, rows / 2]];
            let changed = Ablation { heads: vec![[1, heads - 1]], mask: edges, ..Ablation::default() };
            for (sight, past, ablation) in [
                (Sight::Everywhere, 0, Ablation::default()),
                (Sight::Back, 0, Ablation::default()),
                (Sight::Back, 70, Ablation::default()),
                (Sight::Near(3), 70, Ablation::default()),
                (Sight::Everywhere, 0, changed.clone()),
                (Sight::Back, 0, changed.clone()),
                (Sight::Near(9), 0, changed.clone()),
            ] {
                let capacity = past + rows + 2;
                let keys = past + rows;
                let width = capacity * heads * size;
                let mut words = run(capacity, 2, past, rows, &[]);
                let map = heads * rows * keys;
                let [want_scores, want_pattern] = [0, 1].map(|index| words.layout.slot(index));
                words.want(want_pattern, map as u32);
                if sight == Sight::Back {
                    words.want(want_scores, 0);
                }
                let shape = attention::Shape {
                    heads: heads as u32,
                    head_size: size as u32,
                    scale: (size as f32).sqrt().recip() * 3.0,
                    window: attention::window(sight),
                    q: 0,
                    keys: width as u32,
                    values: 2 * width as u32,
                    z: 3 * width as u32,
                    want_scores,
                    want_pattern,
                    heads_off: words.layout.heads() as u32 + 1,
                    edits: words.layout.edits() as u32,
                    capacity: capacity as u32,
                };
                words.ablate(&ablation, 1);
                let case = Case {
                    op: Op::Attention,
                    grid: shape.grid(&widths, rows),
                    shape: shape.words(),
                    weights: Stored::new(Layout::new(0, 0, &widths, WeightType::F32), |_, _| 0.0),
                    vectors: Vec::new(),
                    arena: filled(4 * width, 6),
                    trace: 2 * map,
                    run: words,
                    widths,
                };
                let what =
                    format!("{heads} heads of {size}, {rows} rows after {past}, {sight:?}, {ablation:?}");
                check(&gpu, &what, &case, |memory| attention::twin(&shape, memory));
            }
        }
    }
}

#[test]
fn embeddings_equal_their_twin() {
    let gpu = gpu();
    for weight_type in TYPES {
        // The second table begins with a later word: those before it are left to another.
        for (rows, hidden, segments, first) in [(1, 36, true, 0), (17, 5, false, 20), (65, 192, true, 0)] {
            let capacity = rows + 4;
            let widths = if rows == 65 { Widths::WIDE } else { Widths::NARROW };
            let words = matrix(hidden, 41, &widths, weight_type);
            let mut vectors = words.scales.clone();
            let scale = if vectors.is_empty() { NONE } else { 0 };
            let position_table = push(&mut vectors, &filled(capacity * hidden, 14));
            let segment_table = if segments { push(&mut vectors, &filled(2 * hidden, 15)) } else { NONE };
            let mut run = run(capacity, 3, 4, rows, &[]);
            let [want_word, want_position, want_segment] = [0, 1, 2].map(|index| run.layout.slot(index));
            let shape = embed::Shape {
                hidden: hidden as u32,
                first,
                count: 41,
                position_table,
                segment_table,
                scale,
                drawn: 1,
                sum: 3,
                want_word,
                want_position,
                want_segment,
                capacity: capacity as u32,
            };
            run.want(want_word, 0);
            run.want(want_segment, (rows * hidden) as u32);
            let mut arena = vec![0.0; 3 + capacity * hidden];
            if rows == 1 {
                arena[1] = 33.0;
                run.follow();
            }
            if rows == 17 {
                run.ablate(&Ablation { embeddings: vec![Embedding::Position], ..Ablation::default() }, 1);
            }
            let case = Case {
                op: Op::Embed,
                grid: shape.grid(widths.tile_lanes, rows),
                shape: shape.words(),
                weights: words,
                vectors,
                arena,
                trace: 2 * rows * hidden,
                run,
                widths,
            };
            let what = format!("{rows} embeddings of {hidden}, {weight_type:?}");
            check(&gpu, &what, &case, |memory| embed::twin(&shape, memory));
        }
    }
}

#[test]
fn norms_equal_their_twin() {
    let gpu = gpu();
    for widths in [Widths::NARROW, Widths::WIDE] {
        for (rows, hidden) in [(1, 1), (3, 36), (17, 5), (64, 129)] {
            let mut vectors = filled(hidden, 16);
            let beta = push(&mut vectors, &filled(hidden, 17));
            let mut run = run(rows + 1, 1, 1, rows, &[]);
            let want = run.layout.slot(0);
            let shape = norm::Shape { hidden: hidden as u32, x: 2, gamma: 0, beta, epsilon: 1e-6, want };
            run.want(want, 0);
            let case = Case {
                op: Op::Norm,
                grid: shape.grid(rows),
                shape: shape.words(),
                weights: Stored::new(Layout::new(0, 0, &widths, WeightType::F32), |_, _| 0.0),
                vectors,
                arena: filled(2 + (rows + 1) * hidden, 18),
                trace: rows * hidden,
                run,
                widths,
            };
            check(&gpu, &format!("norm of {rows} x {hidden}"), &case, |memory| norm::twin(&shape, memory));
        }
    }
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
