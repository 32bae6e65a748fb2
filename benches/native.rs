//! GPT-2's kernels on this machine's own GPU, without a browser: `cargo bench --bench native`.
//!
//! For each shape and type of weights: reading a prompt, and drawing sixteen tokens before one reading with the KV cache.
//! Where `native_torch.py` ran before on the same card, PyTorch's times stand beside these, and how much of a time the
//! weights' way from memory (a token) or the arithmetic (a prompt) accounts for, by the bandwidth and the speed in f32 that
//! PyTorch had there. Weights are random, of a fixed seed. Writes `native.json` and `native.md` in `benches/results`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should say so and stop"
)]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cloze::checkpoint::{Checkpoint, Header};
use cloze::engine::protocol::Sampling;
use cloze::gpu::{DECODED, Gpu, GpuModel, Input, Loading, WeightType};
use cloze::trace::Ablation;
use serde_json::{Value, json};

const WARM_UPS: usize = 2;
const WARM_UP: Duration = Duration::from_millis(300);
const RUNS: usize = 7;
const TOKENS: usize = 32;
/// What a figure of decoding is called.
const TOKEN: &str = "a token";

/// Vocabulary, width, layers, heads, positions.
const SHAPES: [[usize; 5]; 2] = [[4096, 192, 4, 6, 256], [50_257, 768, 12, 12, 1024]];

fn main() {
    // Cargo starts a benchmark in the package's folder.
    let torch = std::fs::read_to_string("benches/results/native-torch.json").ok();
    let torch: Option<Value> = torch.map(|text| serde_json::from_str(&text).expect("it is JSON"));
    let gpu = Rc::new(pollster::block_on(Gpu::new(None)).expect("there is a Vulkan adapter"));
    let mut table = format!("{}, Vulkan", gpu.name());
    let same_card = torch.as_ref().is_some_and(|torch| torch["device"] == gpu.name());
    if let Some(torch) = &torch {
        let text = |key: &str| torch[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| torch[key].as_f64().unwrap_or_default();
        table += &if same_card {
            format!(
                "; PyTorch {} on {}, which copies {:.0} GB/s and multiplies {:.1} TFLOP/s in f32",
                text("torch"),
                text("device"),
                number("bandwidthGBs"),
                number("f32TFLOPs")
            )
        } else {
            format!("; PyTorch's times are left out, being of another device, {}", text("device"))
        };
    }
    // Another card's times and speed would compare the cards.
    let torch = torch.filter(|_| same_card);
    let speed = |key: &str| torch.as_ref().and_then(|torch| torch[key].as_f64());
    let (bandwidth, flops) =
        (speed("bandwidthGBs").map(|gb| gb * 1e9), speed("f32TFLOPs").map(|tera| tera * 1e12));
    let theirs = |shape: &str, weights: &str, what: &str| {
        let figures = torch.as_ref()?["figures"].as_array()?;
        let what = if what == TOKEN { "a token, CUDA graph" } else { what };
        let is_it = |figure: &&Value| {
            figure["shape"] == shape && figure["weights"] == weights && figure["what"] == what
        };
        figures.iter().find(is_it)?["ms"].as_f64()
    };

    table += ".\n\n| GPT-2 of | weights | what | Cloze, ms | PyTorch, ms | of the limit |\n|---|---|---|--:|--:|--:|\n";
    println!("{table}");
    let mut figures = Vec::new();
    for shape in SHAPES {
        if gpu.software() && shape != SHAPES[0] {
            println!("\nThis adapter is software: {shape:?} would take it an hour, and is left out.");
            continue;
        }
        for weight_type in [WeightType::F32, WeightType::F16, WeightType::Int8] {
            let model = random(&gpu, shape, weight_type);
            let [vocabulary, hidden, layers, heads, positions] = shape;
            let (name, weights) =
                (format!("{vocabulary}/{hidden}/{layers}/{heads}"), format!("{weight_type:?}"));
            let mut say = |what: &str, ms: f64, least: Option<f64>| {
                let theirs = theirs(&name, &weights, what);
                let shown = theirs.map_or("–".to_owned(), |ms| format!("{ms:.2}"));
                let share = least.map_or("–".to_owned(), |least| format!("{:.0} %", 100.0 * least / ms));
                let line = format!("| {name} | {weights} | {what} | {ms:.2} | {shown} | {share} |");
                println!("{line}");
                table += &(line + "\n");
                figures.push(json!({
                    "shape": name, "weights": weights, "what": what, "ms": ms, "leastMs": least, "torchMs": theirs,
                }));
            };
            // A multiplication and an addition for each weight outside of the tables, and for the head's one row.
            let inside = (12 * layers * hidden * hidden) as f64;
            let head = (vocabulary * hidden) as f64;
            for length in [16, 64, 512].into_iter().filter(|length| *length <= positions) {
                let ids: Vec<u32> = (0..length).map(|i| (i * 37 % vocabulary) as u32).collect();
                let flop = 2.0 * (inside * length as f64 + head);
                let ms = median(|| run(&model, &ids, false));
                say(&format!("prompt of {length}"), ms, flops.map(|speed| flop / speed * 1e3));
            }
            let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
            let ms = median(|| {
                let mut ids: Vec<u32> = vec![1; 16];
                run(&model, &ids, true);
                let start = Instant::now();
                while ids.len() < 16 + TOKENS {
                    let drawn = model.decode(&ids, &greedy, 0..DECODED);
                    let drawn = pollster::block_on(drawn).expect("it runs");
                    assert!(!drawn.is_empty(), "the model has room");
                    ids.extend(drawn.iter().map(|drawn| drawn.id));
                }
                start.elapsed().as_secs_f64() * 1e3 / TOKENS as f64
            });
            let bytes = (inside + head) * 4.0 / weight_type.per_word() as f64;
            say(TOKEN, ms, bandwidth.map(|bandwidth| bytes / bandwidth * 1e3));
            kernels(&model, TOKEN);
            if positions >= 512 {
                run(&model, &(0..512).collect::<Vec<u32>>(), false);
                kernels(&model, "a prompt of 512");
            }
        }
    }
    let report =
        json!({ "command": "cargo bench --bench native", "adapter": gpu.name(), "figures": figures });
    for (name, contents) in [("native.json", format!("{report:#}\n")), ("native.md", table)] {
        std::fs::write(format!("benches/results/{name}"), contents).expect("the results' folder is there");
    }
}

/// Tells where the GPU's time went in the last run, kernel by kernel, where it can be asked.
fn kernels(model: &GpuModel, what: &str) {
    let of_run = pollster::block_on(model.dispatches()).expect("it runs").expect("there was a run");
    let mut sums: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for dispatch in of_run.dispatches {
        // `blocks.0.attn.qkv` and `blocks.1.attn.qkv` are one kind.
        let kind: Vec<&str> =
            dispatch.computes.split('.').filter(|part| part.parse::<usize>().is_err()).collect();
        let sum = sums.entry(format!("{} {}", dispatch.kernel, kind.join("."))).or_default();
        *sum = (sum.0 + 1, sum.1 + dispatch.ms.unwrap_or_default());
    }
    let sums: Vec<String> = sums
        .iter()
        .map(|(kind, (count, ms))| format!("{kind} {:.1} µs × {count}", ms / *count as f64 * 1e3))
        .collect();
    println!("    {what}, by kernel: {}", sums.join(", "));
}

/// One run up to the scores of the last position, in ms.
fn run(model: &GpuModel, ids: &[u32], cached: bool) -> f64 {
    if ids.len() > 1 {
        // What the run before computed of the same text would be used again.
        run(model, &[0], false);
    }
    let predict = [ids.len() as u32 - 1];
    let ablate = Ablation::default();
    let input = Input {
        ids,
        segments: &[],
        predict: &predict,
        want: &[],
        best: None,
        cached,
        ablate: &ablate,
        sources: &[],
        aside: false,
    };
    let start = Instant::now();
    let output = pollster::block_on(model.run(&input)).expect("it runs");
    assert!(output.logits.iter().all(|logit| logit.is_finite()));
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    // A GPU that had nothing to do runs slowly at first.
    let start = Instant::now();
    for _ in 0..WARM_UPS {
        measure();
    }
    while start.elapsed() < WARM_UP {
        measure();
    }
    let mut times: Vec<f64> = (0..RUNS).map(|_| measure()).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// A checkpoint of random weights, its file made up as it is taken.
fn random(
    gpu: &Rc<Gpu>,
    [vocab_size, n_embd, n_layer, n_head, n_positions]: [usize; 5],
    weight_type: WeightType,
) -> GpuModel {
    let config = json!({
        "model_type": "gpt2", "vocab_size": vocab_size, "n_positions": n_positions, "n_embd": n_embd,
        "n_layer": n_layer, "n_head": n_head,
    });
    let config = serde_json::to_vec(&config).expect("it is JSON");
    let mut tensors = vec![
        ("wte.weight".to_owned(), vec![vocab_size, n_embd]),
        ("wpe.weight".to_owned(), vec![n_positions, n_embd]),
        ("ln_f.weight".to_owned(), vec![n_embd]),
        ("ln_f.bias".to_owned(), vec![n_embd]),
    ];
    for layer in 0..n_layer {
        for norm in ["ln_1", "ln_2"] {
            tensors.push((format!("h.{layer}.{norm}.weight"), vec![n_embd]));
            tensors.push((format!("h.{layer}.{norm}.bias"), vec![n_embd]));
        }
        for (map, inputs, outputs) in [
            ("attn.c_attn", n_embd, 3 * n_embd),
            ("attn.c_proj", n_embd, n_embd),
            ("mlp.c_fc", n_embd, 4 * n_embd),
            ("mlp.c_proj", 4 * n_embd, n_embd),
        ] {
            tensors.push((format!("h.{layer}.{map}.weight"), vec![inputs, outputs]));
            tensors.push((format!("h.{layer}.{map}.bias"), vec![outputs]));
        }
    }
    let mut at = 0;
    let entries = tensors.iter().map(|(name, shape)| {
        let begin = at;
        at += 4 * shape.iter().product::<usize>();
        (name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, at]}))
    });
    let entries: serde_json::Map<_, _> = entries.collect();
    let json = serde_json::to_vec(&entries).expect("it is JSON");
    let header = [&(json.len() as u64).to_le_bytes(), json.as_slice()].concat();
    let header = Header::parse(&header).expect("a header");
    let checkpoint = Checkpoint::read(&config, &header).expect("a checkpoint");
    pollster::block_on(async {
        let mut loading = Loading::new(Rc::clone(gpu), &checkpoint, weight_type).expect("it fits");
        let mut state = 1_u32;
        for (name, shape) in &tensors {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (f32::from((state >> 16) as u16) / 32_768.0 - 1.0) * 0.05
            };
            let bytes: Vec<u8> = (0..shape.iter().product()).flat_map(|_| next().to_le_bytes()).collect();
            loading.take(name, &bytes).expect("numbers");
        }
        loading.finish().await.expect("it computes")
    })
}
