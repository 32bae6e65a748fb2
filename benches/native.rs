//! GPT-2's kernels on this machine's own GPU, without a browser: `cargo bench --bench native`.
//!
//! For each shape and type of weights: reading a prompt, and drawing one token after the other with the KV cache. Beside
//! each time stands how much of it the weights' way from memory and the arithmetic account for, if the GPU's bandwidth
//! (GB/s) and speed in f32 (TFLOP/s) are given: `cargo bench --bench native -- 3350 67`. Weights are random, of a fixed
//! seed. Writes `benches/results/native.json`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should say so and stop"
)]

use std::rc::Rc;
use std::time::Instant;

use cloze::checkpoint::{
    Activation, Checkpoint, Gpt2Config, Gpt2Layer, Gpt2Weights, Linear, Matrix, Network, Norm,
};
use cloze::gpu::{Gpu, GpuModel, Input, WeightType};
use cloze::trace::Ablation;
use serde_json::json;

const WARM_UPS: usize = 2;
const RUNS: usize = 7;
const TOKENS: usize = 32;

/// Vocabulary, width, layers, heads, positions.
const SHAPES: [[usize; 5]; 2] = [[4096, 192, 4, 6, 256], [50_257, 768, 12, 12, 1024]];

fn main() {
    // `cargo bench` adds options of its own.
    let given: Vec<f64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let limits = if let [gb, tflops] = given[..] { Some((gb * 1e9, tflops * 1e12)) } else { None };
    let gpu = Rc::new(pollster::block_on(Gpu::new(None)).expect("there is a Vulkan adapter"));
    println!("{}\n", gpu.name());
    println!("| GPT-2 of | weights | what | ms | of the limit |\n|---|---|---|--:|--:|");
    let mut figures = Vec::new();
    for shape in SHAPES {
        if gpu.software() && shape != SHAPES[0] {
            println!("\nThis adapter is software: {shape:?} would take it an hour, and is left out.");
            continue;
        }
        let checkpoint = random(shape);
        for weight_type in [WeightType::F32, WeightType::F16, WeightType::Int8] {
            let model = pollster::block_on(GpuModel::new(Rc::clone(&gpu), &checkpoint, weight_type))
                .expect("it fits");
            let [vocabulary, hidden, layers, heads, positions] = shape;
            let name = format!("{vocabulary}/{hidden}/{layers}/{heads}");
            let mut say = |what: String, ms: f64, least: Option<f64>| {
                let share = least.map_or("".to_owned(), |least| format!("{:.0} %", 100.0 * least / ms));
                println!("| {name} | {weight_type:?} | {what} | {ms:.2} | {share} |");
                figures.push(json!({
                    "shape": name, "weights": format!("{weight_type:?}"), "what": what, "ms": ms, "leastMs": least,
                }));
            };
            // A multiplication and an addition for each weight outside of the tables, and for the head's one row.
            let inside = (12 * layers * hidden * hidden) as f64;
            let head = (vocabulary * hidden) as f64;
            for length in [16, 64, 512].into_iter().filter(|length| *length <= positions) {
                let ids: Vec<u32> = (0..length).map(|i| (i * 37 % vocabulary) as u32).collect();
                let flop = 2.0 * (inside * length as f64 + head);
                let ms = median(|| run(&model, &ids, false));
                say(format!("prompt of {length}"), ms, limits.map(|(_, speed)| flop / speed * 1e3));
            }
            let mut ids: Vec<u32> = vec![1; 16];
            run(&model, &ids, true);
            let ms = median(|| {
                ids.truncate(16);
                let start = Instant::now();
                for token in 0..TOKENS {
                    ids.push((token * 31 % vocabulary) as u32);
                    run(&model, &ids, true);
                }
                start.elapsed().as_secs_f64() * 1e3 / TOKENS as f64
            });
            let bytes = (inside + head) * 4.0 / weight_type.per_word() as f64;
            say("a token".to_owned(), ms, limits.map(|(bandwidth, _)| bytes / bandwidth * 1e3));
        }
    }
    let report =
        json!({ "command": "cargo bench --bench native", "adapter": gpu.name(), "figures": figures });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results/native.json");
    std::fs::write(path, format!("{report:#}\n")).expect("the results' folder is there");
}

/// One run up to the scores of the last position, in ms.
fn run(model: &GpuModel, ids: &[u32], cached: bool) -> f64 {
    let predict = [ids.len() as u32 - 1];
    let ablate = Ablation::default();
    let input = Input { ids, segments: &[], predict: &predict, want: &[], cached, ablate: &ablate };
    let start = Instant::now();
    let output = pollster::block_on(model.run(&input)).expect("it runs");
    assert!(output.logits.iter().all(|logit| logit.is_finite()));
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    for _ in 0..WARM_UPS {
        measure();
    }
    let mut times: Vec<f64> = (0..RUNS).map(|_| measure()).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// A checkpoint of random weights.
fn random([vocab_size, n_embd, n_layer, n_head, n_positions]: [usize; 5]) -> Checkpoint {
    let mut state = 1_u32;
    let mut values = |count: usize, scale: f32| -> Vec<f32> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f32::from((state >> 16) as u16) / 32_768.0 - 1.0) * scale
        };
        (0..count).map(next).collect()
    };
    let mut matrix = |rows: usize, cols: usize| Matrix { rows, cols, data: values(rows * cols, 0.05) };
    let norm = || Norm { gamma: vec![1.0; n_embd], beta: vec![0.0; n_embd] };
    let mut linear =
        |inputs: usize, outputs: usize| Linear { weight: matrix(inputs, outputs), bias: vec![0.0; outputs] };
    let layers = (0..n_layer)
        .map(|_| Gpt2Layer {
            ln_1: norm(),
            c_attn: linear(n_embd, 3 * n_embd),
            c_proj: linear(n_embd, n_embd),
            ln_2: norm(),
            c_fc: linear(n_embd, 4 * n_embd),
            mlp_proj: linear(4 * n_embd, n_embd),
        })
        .collect();
    let table = |linear: Linear| linear.weight;
    let weights = Gpt2Weights {
        wte: table(linear(vocab_size, n_embd)),
        wpe: table(linear(n_positions, n_embd)),
        layers,
        ln_f: norm(),
        lm_head: None,
    };
    let config = Gpt2Config {
        vocab_size,
        n_positions,
        n_embd,
        n_layer,
        n_head,
        n_inner: 4 * n_embd,
        layer_norm_epsilon: 1e-5,
        activation_function: Activation::GeluTanh,
        scale_attn_weights: true,
        scale_attn_by_inverse_layer_idx: false,
        tie_word_embeddings: true,
    };
    Checkpoint { network: Network::Gpt2 { config, weights }, parameters: 0, half_precision: true }
}
