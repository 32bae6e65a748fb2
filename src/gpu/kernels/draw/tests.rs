//! The kernels that sample, from the logits to the draw, against their CPU twins and against `lesson::sampling`.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

use super::super::tests::{Case, ROWS, computed_by, computed_by_twin, gpu, noise};
use super::super::top::{self, Best, HEAD, LIST, PART, SORTED, TOP};
use super::super::*;
use super::{Shape, luck, twin};
use crate::engine::protocol::Sampling;
use crate::gpu::{Gpu, Layout};
use crate::lesson::sampling;

/// Around the sizes of lists and of parts, and GPT-2's.
const VOCABULARIES: [usize; 11] = [1, 2, 63, 64, 65, 127, 1023, 1024, 1025, 5000, 50_257];
/// How far a sum of e^x may lie from its twin's, relative to itself.
const TOLERANCE: f32 = 1e-5;

const LAYOUT: RunLayout = RunLayout { capacity: 127, wants: 1, heads: 1 };

/// A GPU with the kernels that sample.
struct Sampler {
    gpu: Gpu,
    widths: Widths,
    part: wgpu::ComputePipeline,
    row: wgpu::ComputePipeline,
    draw: wgpu::ComputePipeline,
}

impl Sampler {
    fn new(widths: Widths) -> Sampler {
        let gpu = gpu();
        let pipeline = |op: Op| gpu.pipeline(op.name(), &source(op, WeightType::F32, &widths));
        let [part, row, draw] = [Op::TopPart, Op::TopRow, Op::Draw].map(pipeline);
        Sampler { gpu, widths, part, row, draw }
    }

    /// The arena after a kernel ran.
    fn computed(&self, what: &str, case: &Case) -> Vec<f32> {
        let pipeline = match case.op {
            Op::TopPart => &self.part,
            Op::TopRow => &self.row,
            _ => &self.draw,
        };
        computed_by(&self.gpu, pipeline, what, case)
    }
}

/// A run that predicts `rows` rows.
fn run(rows: usize, sampling: &Sampling, step: usize) -> RunWords {
    let (zeros, predict) = (vec![0; rows], Vec::from_iter(0..rows as u32));
    let mut run = RunWords::new(LAYOUT, 0, &zeros, &zeros, &predict);
    run.sample(sampling, step);
    run
}

/// No weights.
fn weights() -> Stored {
    Stored::new(Layout::new(0, 0, &Widths::NARROW, WeightType::F32), |_, _| 0.0)
}

fn case(op: Op, grid: [u32; 2], shape: Vec<u32>, arena: Vec<f32>, run: RunWords) -> Case {
    let (weights, widths) = (weights(), Widths::NARROW);
    let (vectors, regions) = (Vec::new(), Vec::new());
    Case { op, grid, shape, weights, vectors, arena, trace: 0, regions, run, widths }
}

/// Where things lie for `rows` rows of logits, and an arena with them.
fn laid_out(logits: &[f32], rows: usize, widths: &Widths) -> (top::Shape, Vec<f32>) {
    let vocabulary = logits.len() / rows;
    let mut shape =
        top::Shape { vocabulary: vocabulary as u32, logits: 5, maxima: 0, parts: 0, best: 0, sorted: NONE };
    shape.maxima = shape.logits + logits.len() as u32;
    shape.parts = shape.maxima + (rows * shape.groups_in_row()) as u32;
    shape.best = shape.parts + (rows * shape.parts_in_row() * HEAD) as u32;
    let mut length = shape.best as usize + rows * LIST;
    if !widths.shares {
        shape.sorted = length as u32;
        length += rows * SORTED;
    }
    let mut arena = vec![0.25; length];
    arena[shape.logits as usize..][..logits.len()].copy_from_slice(logits);
    (shape, arena)
}

/// Lists must be equal number by number, but for the sums of e^x. Parts are as the beginning of lists.
fn check_lists(what: &str, length: usize, ours: &[f32], theirs: &[f32]) {
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let (list, number) = (index / length, index % length);
        let allowed = if (1..HEAD).contains(&number) { TOLERANCE * ours } else { 0.0 };
        assert!(
            (ours - theirs).abs() <= allowed,
            "{what}: number {number} of list {list} is {theirs} on the GPU, {ours} by the twin"
        );
    }
}

/// Both steps on the GPU and by the twin, and the list of the last row against a plain sort.
fn check(sampler: &Sampler, what: &str, logits: &[f32], rows: usize, temperature: f32) {
    let widths = sampler.widths;
    let (shape, arena) = laid_out(logits, rows, &widths);
    let run = run(rows, &Sampling { temperature, ..Sampling::default() }, 0);
    let [maxima, parts, best] = [shape.maxima, shape.parts, shape.best].map(|at| at as usize);

    let lists = best..best + rows * LIST;

    let grid = shape.grid_of_parts(rows);
    let first = Case { widths, ..case(Op::TopPart, grid, shape.words(), arena, run.clone()) };
    let theirs = sampler.computed(what, &first);
    let (ours, _) = computed_by_twin(&first, |memory| top::part_twin(&shape, memory));
    check_lists(&format!("{what}, parts"), HEAD, &ours[parts..best], &theirs[parts..best]);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&ours[..maxima]), bits(&theirs[..maxima]), "{what}: the logits were written to");
    assert_eq!(ours[maxima..parts], theirs[maxima..parts], "{what}: the largest of each group");
    assert_eq!(bits(&ours[best..]), bits(&theirs[best..]), "{what}: the first step left its place");

    let second = Case { widths, ..case(Op::TopRow, shape.grid(rows), shape.words(), theirs, run) };
    let theirs = sampler.computed(what, &second);
    let (ours, _) = computed_by_twin(&second, |memory| top::row_twin(&shape, memory));
    check_lists(&format!("{what}, rows"), LIST, &ours[lists.clone()], &theirs[lists.clone()]);
    assert_eq!(bits(&ours[..best]), bits(&theirs[..best]), "{what}: the second step left its place");

    let last = &logits[logits.len() - logits.len() / rows..];
    let list = Best::read(&theirs[lists.end - LIST..lists.end]).expect("it is a list");
    let finite = last.iter().all(|logit| logit.is_finite());
    assert_eq!(list.finite, finite, "{what}");
    if finite {
        let all = sampling::distribution(last, &Sampling::default());
        let want: Vec<(u32, f32)> = all.iter().take(TOP).map(|c| (c.id, last[c.id as usize])).collect();
        assert_eq!(list.candidates, want, "{what}");
        for (considered, (_, logit)) in all.iter().zip(&list.candidates) {
            let p = list.probability(*logit);
            assert!((p - considered.before).abs() <= TOLERANCE * considered.before, "{what}: {p}");
        }
        let fall = |logit: &f32| f64::from(*logit) - f64::from(list.largest);
        let total: f64 = last.iter().map(|logit| (fall(logit) / f64::from(temperature)).exp()).sum();
        let off = (f64::from(list.total_at_temperature) / total - 1.0).abs();
        assert!(off <= f64::from(TOLERANCE), "{what}: the sum at the run's temperature is off by {off}");
    }
}

#[test]
fn the_best_equal_their_twin() {
    for sampler in [Sampler::new(Widths::NARROW), Sampler::new(Widths::WIDE)] {
        for (index, vocabulary) in VOCABULARIES.into_iter().enumerate() {
            // In steps of five, so that many rows come with several parts too.
            let rows = if vocabulary > 10_000 { 1 } else { ROWS[index * 5 % ROWS.len()] };
            let mut next = noise(index as u32 + 1);
            let logits: Vec<f32> = (0..rows * vocabulary).map(|_| next() * 15.0).collect();
            let temperature = [1.0, 0.3, 2.0, f32::INFINITY][index % 4];
            let what = format!("{rows} rows of {vocabulary} at {temperature}, {:?}", sampler.widths);
            check(&sampler, &what, &logits, rows, temperature);
        }
    }
}

#[test]
fn the_best_are_found_in_any_order() {
    let samplers = [Sampler::new(Widths::NARROW), Sampler::new(Widths::WIDE)];
    let vocabulary = 2 * PART + 77;
    let orders: [(&str, &dyn Fn(usize) -> f32); 8] = [
        ("equal", &|_| -3.5),
        ("two values", &|id| (id % 3 / 2) as f32),
        ("few values", &|id| (id * 7919 % 40) as f32),
        ("zeros of both signs", &|id| if id % 2 == 0 { -0.0 } else { 0.0 }),
        ("rising", &|id| id as f32 * 0.01),
        ("falling", &|id| id as f32 * -0.01),
        ("huge", &|id| if id % 5 == 0 { f32::MAX } else { f32::MIN }),
        ("near the lowest", &|id| f32::MIN + 1e32 * (id % 7) as f32),
    ];
    for (what, order) in orders {
        let logits: Vec<f32> = (0..vocabulary).map(order).collect();
        for temperature in [1.0, 1e-30, f32::INFINITY] {
            for sampler in &samplers {
                check(sampler, &format!("{what} at {temperature}"), &logits, 1, temperature);
            }
        }
    }
}

#[test]
fn logits_that_are_no_finite_numbers_are_told() {
    for sampler in [Sampler::new(Widths::NARROW), Sampler::new(Widths::WIDE)] {
        for (index, flaw) in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
            for at in [0, 1500, 2999] {
                let mut logits = vec![1.0; 3000];
                logits[at] = flaw;
                check(&sampler, &format!("{flaw} at {at}"), &logits, 1, 1.0);
                let only = vec![flaw; index + 1];
                check(&sampler, &format!("{flaw} alone"), &only, 1, 1.0);
            }
        }
    }
}

#[test]
fn a_list_is_read_as_it_was_written() {
    let mut list = vec![f32::MIN; HEAD + TOP];
    list.resize(LIST, NONE as f32);
    list[..HEAD].copy_from_slice(&[2.0, 1.5, 1.25, 0.0]);
    list[HEAD..][..2].copy_from_slice(&[2.0, 1.0]);
    list[HEAD + TOP..][..2].copy_from_slice(&[50_256.0, 0.0]);
    let best = Best::read(&list).expect("it is a list");
    assert_eq!(best.candidates, [(50_256, 2.0), (0, 1.0)]);
    assert_eq!([best.largest, best.total, best.total_at_temperature], [2.0, 1.5, 1.25]);
    assert!(best.finite && (best.probability(2.0) - 1.0 / 1.5).abs() < 1e-6);
    list[3] = 1.0;
    assert!(!Best::read(&list).expect("it is a list").finite);
    assert_eq!(Best::read(&list[1..]), None);
}

/// Draws by the kernel, and asserts that its twin draws the same.
fn drawn(sampler: &Sampler, logits: &[f32], sampling: &Sampling, step: usize) -> u32 {
    let run = run(1, sampling, step);
    // The twin's lists, for which nothing is sorted here.
    let (top, mut arena) = laid_out(logits, 1, &Widths::WIDE);
    let (weights, vectors, trace) = (&weights(), &Vec::new(), &mut [][..]);
    let memory = &mut Memory { arena: &mut arena, weights, vectors, run: &run, trace };
    top::part_twin(&top, memory);
    top::row_twin(&top, memory);
    let drawn = arena.len() as u32;
    arena.push(-1.0);
    let top::Shape { vocabulary, logits: row, maxima, best, .. } = top;
    let shape = Shape { vocabulary, logits: row, maxima, best, drawn };
    let widths = sampler.widths;
    let drawing = Case { widths, ..case(Op::Draw, shape.grid(), shape.words(), arena, run) };
    let theirs = sampler.computed("draw", &drawing);
    let (ours, _) = computed_by_twin(&drawing, |memory| twin(&shape, memory));
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();

    assert_eq!(bits(&ours), bits(&theirs), "{sampling:?} at {step} of {} logits, {widths:?}", logits.len());
    theirs[drawn as usize] as u32
}

/// Draws in every way, or in one of `every` so many, and asserts that `lesson::sampling` draws the same.
fn draws(sampler: &Sampler, logits: &[f32], every: usize) {
    // Each of them with each other, once in 6 * 7 * 5 seeds.
    for seed in (0..210u32).step_by(every) {
        let temperature = [1.0, 0.0, 0.7, 1.5, 0.2, 4.0][seed as usize % 6];
        let top_k = [0, 50, 1, TOP, TOP + 1, 100, logits.len() + 1][seed as usize / 6 % 7];
        let top_p = [1.0, 0.9, 0.5, 0.0, 0.95][seed as usize / 42 % 5];
        let sampling = Sampling { temperature, top_k, top_p, seed };
        let step = seed as usize % 11;
        let drawn = drawn(sampler, logits, &sampling, step);
        let want = sampling::sample(logits, &sampling, step);
        assert_eq!(Some(drawn), want, "{sampling:?} at {step} of {} logits", logits.len());
    }
}

#[test]
fn draws_equal_those_of_the_lesson() {
    for (sampler, every) in [(Sampler::new(Widths::NARROW), 1), (Sampler::new(Widths::WIDE), 11)] {
        let rows = [(1, 1.0), (2, 1.0), (40, 3.0), (64, 2.0), (65, 2.0), (700, 6.0), (3000, 9.0)];
        for (vocabulary, spread) in rows {
            let mut next = noise(vocabulary);
            let logits: Vec<f32> = (0..vocabulary).map(|_| next() * spread).collect();
            draws(&sampler, &logits, every);
        }
        // So flat that the list never shows where the filters cut.
        for (vocabulary, mean, every) in [(3000, 0.0, every), (50_257, -35.0, 11)] {
            let mut next = noise(vocabulary);
            let logits: Vec<f32> = (0..vocabulary).map(|_| mean + next() * 0.5).collect();
            draws(&sampler, &logits, every);
        }
    }
}

#[test]
fn draws_of_equal_logits_and_of_a_certain_one_are_right() {
    for (sampler, every) in [(Sampler::new(Widths::NARROW), 1), (Sampler::new(Widths::WIDE), 11)] {
        draws(&sampler, &[0.5; 50], every);
        draws(&sampler, &[0.5; 300], every);
        // The last one within k is one of many equals, zeros of both signs among them.
        let few: Vec<f32> = (0..300).map(|id| [-1.0, -0.0, 0.0, 1.0, 1.5][id * 7919 % 5]).collect();
        draws(&sampler, &few, every);
        let mut certain = vec![-80.0; 500];
        certain[499] = 80.0;
        draws(&sampler, &certain, every);
    }
}

#[test]
fn close_races_are_decided_right() {
    let logits = vec![0.0; 3000];
    let sampling = Sampling::default();
    let samplers = [Sampler::new(Widths::NARROW), Sampler::new(Widths::WIDE)];
    let mut close = 0;
    for step in 0..30_000 {
        let run = run(1, &sampling, step);
        let (mut first, mut second) = (f32::MAX, f32::MAX);
        for id in 0..3000 {
            let luck = luck(&run, id);
            second = second.min(luck.max(first));
            first = first.min(luck);
        }
        // Nearer than rounding they need not be told apart.
        if (1.000_002..1.0001).contains(&(second / first)) {
            close += 1;
            for sampler in &samplers {
                drawn(sampler, &logits, &sampling, step);
            }
        }
    }
    assert!(close > 2, "{close} races were close");
}

#[test]
fn whatever_is_drawn_from_is_an_id() {
    for sampler in [Sampler::new(Widths::NARROW), Sampler::new(Widths::WIDE)] {
        for flaw in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
            for flaws in [1, 100, 200] {
                let mut logits = vec![1.0; 200];
                logits[200 - flaws..].fill(flaw);
                for temperature in [f32::from_bits(1), 1.0, f32::INFINITY] {
                    for (top_k, top_p) in [(0, 1.0), (0, 0.9), (100, 0.9), (20, 1.0)] {
                        let sampling = Sampling { temperature, top_k, top_p, seed: 3 };
                        assert!(drawn(&sampler, &logits, &sampling, 1) < 200);
                    }
                }
            }
        }
    }
}

#[test]
fn parameters_outside_their_range_are_taken_to_its_end() {
    let parameters = |temperature, top_p| {
        let run = run(1, &Sampling { temperature, top_k: 3, top_p, seed: 0 }, 0);
        (run.inverse_temperature(), run.top_k(), run.top_p())
    };
    assert_eq!(parameters(2.0, 0.9), (0.5, 3, 0.9));
    assert_eq!(parameters(f32::NAN, f32::NAN), (1.0, 3, 1.0));
    assert_eq!(parameters(f32::INFINITY, 7.0), (0.0, 3, 1.0));
    assert_eq!(parameters(f32::from_bits(1), -1.0), (f32::MAX, 3, 0.0));
    for cold in [0.0, -0.0, -1.0, f32::NEG_INFINITY] {
        assert_eq!(parameters(cold, 0.9), (1.0, 1, 0.9));
    }
}
