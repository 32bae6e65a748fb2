//! Every activation of every reference checkpoint, on the CPU path and on this machine's Vulkan adapter, against Hugging
//! Face's own implementation, and the properties that hold for any model. The references and the script that makes them
//! lie in `tests/golden`.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cloze::checkpoint::{Checkpoint, Header, Matrix, NumberType};
use cloze::engine::protocol::{GenerateRequest, Problem, RunRequest, Sampling, Step};
use cloze::engine::{Loader, Reference, Session};
use cloze::gpu::kernels::Widths;
use cloze::gpu::{Gpu, Layout, Stored, Traits};
use cloze::hub::{Files, Vocabulary};
use cloze::lesson::sampling::softmax;
use cloze::trace::{
    Ablation, Activation, Candidate, Dispatch, Embedding, Family, Hook, ModelCard, Patch, Prediction, Run,
    WeightType,
};
use safetensors::tensor::{TensorView, serialize_to_file};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;
use serde_json::json;

/// How far an activation may lie from its reference on the CPU, and two ways of computing the same from each other.
const TOLERANCE: f32 = 1e-4;

/// How far an activation may lie from its reference on a GPU.
const GPU_TOLERANCE: f32 = 1e-3;

/// Where a model computes.
enum Engine {
    Cpu,
    Gpu(Rc<Gpu>),
}

/// What the kernels of a real GPU are chosen by.
const WIDE: Traits = Traits { software: false, subgroup: 0 };

/// The adapter, with the kernels for what it is, or for what it is taken for.
fn adapter(taken_for: Option<Traits>) -> Gpu {
    pollster::block_on(Gpu::new(taken_for))
        .expect("there is a Vulkan adapter; on Debian mesa-vulkan-drivers brings one in software")
}

impl Engine {
    fn gpu(taken_for: Option<Traits>) -> Engine {
        Engine::Gpu(Rc::new(adapter(taken_for)))
    }

    /// The GPU with the kernels for what it is, and with those that a real one gets.
    fn gpus() -> [Engine; 2] {
        [None, Some(WIDE)].map(Engine::gpu)
    }

    fn both() -> [Engine; 2] {
        [Engine::Cpu, Engine::gpu(None)]
    }

    /// The CPU, and the GPU with either form of its kernels.
    fn all() -> [Engine; 3] {
        let [own, wide] = Engine::gpus();
        [Engine::Cpu, own, wide]
    }

    fn name(&self) -> &'static str {
        match self {
            Engine::Cpu => "CPU",
            Engine::Gpu(gpu) if gpu.software() => "GPU in software",
            Engine::Gpu(_) => "GPU",
        }
    }

    /// How far an activation may lie from its reference.
    fn tolerance(&self) -> f32 {
        match self {
            Engine::Cpu => TOLERANCE,
            Engine::Gpu(_) => GPU_TOLERANCE,
        }
    }
}

#[derive(Deserialize)]
struct Golden {
    family: Family,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    id: String,
    text: String,
    text_b: Option<String>,
    hooks: Vec<Hook>,
}

/// A checkpoint with its references.
struct Reviewed {
    name: String,
    session: Session,
    golden: Golden,
    values: Vec<u8>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> Files {
    Files {
        config: read(&folder.join("config.json")),
        vocabulary: Vocabulary::Tokenizer(read(&folder.join("tokenizer.json"))),
        weights: read(&folder.join("model.safetensors")),
    }
}

/// The models that the page brings.
const EMBEDDED: [&str; 2] = ["bert", "gpt"];

/// Where a model and its references lie: one of the page's, or else a small random checkpoint.
fn folders(name: &str) -> [PathBuf; 2] {
    let at = if EMBEDDED.contains(&name) {
        ["assets/models", "tests/golden/embedded"]
    } else {
        ["tests/golden/checkpoints"; 2]
    };
    at.map(|at| root().join(at).join(name))
}

fn reviewed(engine: &Engine, name: &str) -> Reviewed {
    let [folder, golden] = folders(name);
    let files = files(&folder);
    let settings: serde_json::Value = serde_json::from_slice(&files.config).expect("config.json is JSON");
    let session = match engine {
        Engine::Cpu => pollster::block_on(Session::on_cpu(name, files)),
        // Nothing of it is rounded, so that it is comparable.
        Engine::Gpu(gpu) => on_gpu(gpu, name, &files, Some(stored(&files))),
    };
    let session = session.unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let named = serde_json::to_value(session.card().architecture).expect("a name");
    assert_eq!(settings["model_type"], named, "{name}");
    let values = read(&golden.join("golden.safetensors"));
    let golden = serde_json::from_slice(&read(&golden.join("golden.json")))
        .expect("golden.json is as make.py writes it");
    Reviewed { name: name.to_owned(), session, golden, values }
}

/// How a file keeps its weights.
fn stored(files: &Files) -> WeightType {
    Header::parse(&files.weights).expect("a header").stored()
}

/// Brings a checkpoint to a GPU in pieces, as a network does.
fn on_gpu(gpu: &Rc<Gpu>, name: &str, files: &Files, weights: Option<WeightType>) -> Result<Session, Problem> {
    let (config, length) = (files.config.clone(), files.weights.len() as u64);
    let mut loader =
        Loader::new(name, config, files.vocabulary.clone(), Some(length), Rc::clone(gpu), weights)?;
    for piece in files.weights.chunks(50_001) {
        loader.push(piece)?;
    }
    pollster::block_on(loader.finish())
}

/// The names of the small random checkpoints.
fn small() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("tests/golden/checkpoints"))
        .expect("the checkpoints lie there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert!(names.len() >= 19, "only {} reference checkpoints", names.len());
    names
}

/// The small random checkpoints, then those of the page.
fn names() -> Vec<String> {
    small().into_iter().chain(EMBEDDED.map(str::to_owned)).collect()
}

fn all(engine: &Engine) -> Vec<Reviewed> {
    names().iter().map(|name| reviewed(engine, name)).collect()
}

/// On which of [`Engine::gpus`] a model runs often: software takes seconds for one of the page's with a real GPU's kernels.
fn gpus_for<'a>(name: &str, gpus: &'a [Engine; 2]) -> &'a [Engine] {
    let is_slow = matches!(&gpus[0], Engine::Gpu(own) if own.software()) && EMBEDDED.contains(&name);
    if is_slow { &gpus[..1] } else { gpus }
}

fn all_on_gpus() -> impl Iterator<Item = Reviewed> {
    let gpus = Engine::gpus();
    names().into_iter().flat_map(move |name| {
        gpus_for(&name, &gpus).iter().map(|gpu| reviewed(gpu, &name)).collect::<Vec<_>>()
    })
}

fn run(session: &Session, request: &RunRequest) -> Run {
    pollster::block_on(session.run(request)).unwrap_or_else(|problem| panic!("{problem}"))
}

fn generate(session: &Session, request: &GenerateRequest) -> Vec<Step> {
    pollster::block_on(session.generate(request)).unwrap_or_else(|problem| panic!("{problem}"))
}

/// What the GPU did for the last run, without the time that it took.
fn dispatches(session: &Session) -> Vec<Dispatch> {
    let done = pollster::block_on(session.kernels()).unwrap_or_else(|problem| panic!("{problem}"));
    done.dispatches.into_iter().map(|dispatch| Dispatch { ms: None, ..dispatch }).collect()
}

fn everything(session: &Session, case: &Case) -> Run {
    let request = RunRequest {
        text: case.text.clone(),
        text_b: case.text_b.clone(),
        want: case.hooks.clone(),
        ..RunRequest::default()
    };
    run(session, &request)
}

/// How far numbers like `values` may lie off in the model `name`, where others may by `tolerance`. The page's GPT has
/// numbers of 300, which f32 tells apart by 3e-5: transformers' own f32 lies 1.5e-4 from its f64 there.
fn bound(name: &str, tolerance: f32, values: &[f32]) -> f32 {
    let finite = values.iter().filter(|value| value.is_finite());
    let largest = finite.fold(0.0_f32, |most, value| value.abs().max(most));
    if name == "gpt" { tolerance.max(1e-5 * largest) } else { tolerance }
}

fn largest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() })
        .fold(0.0, |most, d| if d.is_nan() || d > most { d } else { most })
}

#[test]
fn every_activation_equals_hugging_face() {
    let without_subgroups = Traits { software: true, subgroup: 0 };
    for engine in Engine::all().into_iter().chain([Engine::gpu(Some(without_subgroups))]) {
        every_activation_on(&engine);
    }
}

fn every_activation_on(engine: &Engine) {
    let mut compared = 0;
    for reviewed in all(engine) {
        let references = SafeTensors::deserialize(&reviewed.values).expect("golden.safetensors is readable");
        let layers = reviewed.session.card().layers;
        let mut worst = (0.0, String::new());
        for case in &reviewed.golden.cases {
            // What DistilBERT does not have.
            let card = reviewed.session.card();
            let has = |hook: &Hook| match hook {
                Hook::TokenTypeEmbed => card.segments > 0,
                Hook::Pooled | Hook::NspLogits => card.next_sentence,
                _ => true,
            };
            let expected: Vec<Hook> =
                Hook::all(reviewed.golden.family, layers).into_iter().filter(has).collect();
            let headless = !case.hooks.contains(&Hook::Logits);
            assert!(
                headless || expected.iter().all(|hook| case.hooks.contains(hook)),
                "{}: a hook has no reference",
                reviewed.name
            );
            let run = everything(&reviewed.session, case);
            for &hook in &case.hooks {
                let name = format!("{}/{hook}", case.id);
                let reference = references
                    .tensor(&name)
                    .unwrap_or_else(|error| panic!("{}: {name}: {error}", reviewed.name));
                let values: Vec<f32> = reference
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect();
                let ours = run
                    .activation(hook)
                    .unwrap_or_else(|| panic!("{}: {name} was not recorded", reviewed.name));
                assert_eq!(ours.shape, reference.shape(), "{}: shape of {name}", reviewed.name);
                let difference = largest_difference(&ours.data, &values);
                assert!(
                    difference <= bound(&reviewed.name, engine.tolerance(), &values),
                    "{}, {}: {name} differs by {difference}",
                    engine.name(),
                    reviewed.name
                );
                if difference > worst.0 {
                    worst = (difference, name);
                }
                compared += 1;
            }
        }
        println!("{}, {}: {:e} at most, at {}", engine.name(), reviewed.name, worst.0, worst.1);
    }
    assert!(compared > 500, "only {compared} activations were compared");
}

#[test]
fn patterns_are_probabilities_and_causal_ones_look_back_only() {
    for reviewed in Engine::both().iter().flat_map(all) {
        for case in &reviewed.golden.cases {
            let run = everything(&reviewed.session, case);
            for layer in 0..run.model.layers {
                let Activation { shape, data, .. } = run.activation(Hook::Pattern(layer)).expect("asked for");
                let [_, queries, keys] = shape[..] else { panic!("a pattern has three axes") };
                for (row, weights) in data.chunks(keys).enumerate() {
                    let sum: f32 = weights.iter().sum();
                    assert!(
                        (sum - 1.0).abs() < 1e-5,
                        "{}: layer {layer}, row {row} sums to {sum}",
                        reviewed.name
                    );
                    if reviewed.golden.family == Family::Gpt2 {
                        let hidden = &weights[row % queries + 1..];
                        assert!(hidden.iter().all(|weight| *weight == 0.0), "{}: looks ahead", reviewed.name);
                    }
                }
            }
        }
    }
}

#[test]
fn generation_with_the_cache_equals_generation_without() {
    let every = Engine::all();
    let every = every.iter().flat_map(|engine| all(engine).into_iter().map(move |one| (engine, one)));
    for (engine, Reviewed { name, session: caching, golden, .. }) in
        every.filter(|(_, one)| one.golden.family == Family::Gpt2)
    {
        // One of its own: a run without the cache would write anew whatever the steps before it left there.
        let recomputing = reviewed(engine, &name).session;
        let text = &golden.cases[0].text;
        let layers = caching.card().layers;
        let want = vec![Hook::Logits, Hook::Pattern(layers - 1), Hook::FinalHidden];
        let mut drawn = Vec::new();
        for step in 0..6 {
            let request = |cached| RunRequest {
                text: text.clone(),
                drawn: drawn.clone(),
                want: want.clone(),
                cached,
                ..RunRequest::default()
            };
            let with = run(&caching, &request(true));
            let without = run(&recomputing, &request(false));
            if step > 0 {
                assert_eq!(with.computed, 1, "{name}: a step costs one position");
            }
            assert_eq!(without.computed, without.tokens.len());
            for &hook in &want {
                let (with, without) =
                    (with.activation(hook).expect("asked"), without.activation(hook).expect("asked"));
                // The last row of the whole, for each head of a pattern.
                let width = *without.shape.last().expect("axes");
                let rows =
                    if without.shape.len() == 3 { without.shape[1] } else { without.data.len() / width };
                let new_rows = if with.shape.len() == 3 { with.shape[1] } else { with.data.len() / width };
                let last = |data: &[f32], rows: usize| -> Vec<f32> {
                    data.chunks(width * rows).flat_map(|head| head[width * (rows - 1)..].to_vec()).collect()
                };
                let difference = largest_difference(&last(&with.data, new_rows), &last(&without.data, rows));
                assert!(
                    difference <= bound(&name, TOLERANCE, &without.data),
                    "{name}, {}: {hook} differs by {difference} at step {step}",
                    engine.name()
                );
            }
            let top = &with.predictions[0].top;
            // Not always the first, so that texts differ; and once a branch: the cache must rewind.
            drawn.push(top[step % 2].id);
            if step == 3 {
                drawn.truncate(1);
                drawn.push(top[2].id);
            }
        }
    }
}

/// The references are short; tiles of rows, and of keys, are for texts that are not.
#[test]
fn long_texts_compute_the_same_with_every_form_of_the_kernels() {
    let gpus = Engine::gpus();
    for name in ["bert", "gpt"] {
        let on = |engine| reviewed(engine, name).session;
        let (on_cpu, on_gpus) = (on(&Engine::Cpu), gpus.each_ref().map(on));
        let layers = on_cpu.card().layers;
        let want = vec![
            Hook::ResidMid(0),
            Hook::K(layers - 1),
            Hook::Pattern(layers - 1),
            Hook::ResidPost(layers - 1),
            Hook::FinalHidden,
            Hook::Logits,
        ];
        for words in [20, 61, 190] {
            let text =
                "The old man walked along the river, and the children ran after him. ".repeat(words / 10);
            let ask = RunRequest { text, want: want.clone(), ..RunRequest::default() };
            let reference = run(&on_cpu, &ask);
            assert!(reference.tokens.len() > words, "{} tokens", reference.tokens.len());
            for session in &on_gpus {
                let ours = run(session, &ask);
                for &hook in &want {
                    let [ours, theirs] = [&ours, &reference].map(|run| run.activation(hook).expect("asked"));
                    assert_eq!(ours.shape, theirs.shape);
                    let difference = largest_difference(&ours.data, &theirs.data);
                    assert!(
                        difference <= bound(name, GPU_TOLERANCE, &theirs.data),
                        "{name}, {} tokens: {hook} differs by {difference}",
                        reference.tokens.len()
                    );
                }
            }
        }
    }
}

/// A tile of rows or a block of keys may be full, lack one or have one too many, and few rows are computed one by one. Other
/// small checkpoints differ in what they compute, not in how many rows of it.
#[test]
fn a_text_of_any_length_computes_the_same_on_every_engine() {
    let text = "The cat sat on the mat, and the dog [MASK] beside it. ".repeat(40);
    let gpus = Engine::gpus();
    for name in ["bert-untied", "gpt-scaled-by-layer", "gpt-neo-local", "bert", "gpt"] {
        let Reviewed { session: on_cpu, golden, .. } = reviewed(&Engine::Cpu, name);
        let gpus = gpus_for(name, &gpus);
        let on_gpus: Vec<Session> = gpus.iter().map(|gpu| reviewed(gpu, name).session).collect();
        let ModelCard { family, positions, .. } = *on_cpu.card();
        // BERT reads its two special tokens whatever else there is.
        let shortest = if family == Family::Bert { 2 } else { 1 };
        // Every length there is, but of the page's models, which take longer, those that a tile or a block begins or ends with.
        let lengths: Vec<usize> = if EMBEDDED.contains(&name) {
            vec![shortest, 3, 8, 9, 16, 17, 31, 64, 65]
        } else {
            (shortest..=positions).collect()
        };
        for length in lengths {
            // Without a wish first: fewer scores are computed then, and the second run finds the rest in the first.
            for want in [&Vec::new(), &golden.cases[0].hooks] {
                let (text, want) = (text.clone(), want.clone());
                let request = RunRequest { text, want, max_tokens: Some(length), ..RunRequest::default() };
                let theirs = run(&on_cpu, &request);
                assert_eq!(theirs.tokens.len(), length, "{name}");
                for (gpu, on_gpu) in gpus.iter().zip(&on_gpus) {
                    let ours = run(on_gpu, &request);
                    let what = format!("{name}, {}, {length} tokens", gpu.name());
                    assert_eq!(
                        (&ours.tokens, ours.activations.len()),
                        (&theirs.tokens, theirs.activations.len()),
                        "{what}"
                    );
                    for (ours, theirs) in ours.activations.iter().zip(&theirs.activations) {
                        assert_eq!((ours.hook, &ours.shape), (theirs.hook, &theirs.shape), "{what}");
                        let difference = largest_difference(&ours.data, &theirs.data);
                        assert!(
                            difference <= bound(name, gpu.tolerance(), &theirs.data),
                            "{what}: {} differs by {difference}",
                            ours.hook
                        );
                    }
                    assert_eq!(ours.predictions.len(), theirs.predictions.len(), "{what}");
                    for (ours, theirs) in ours.predictions.iter().zip(&theirs.predictions) {
                        assert_eq!(ours.position, theirs.position, "{what}");
                        assert_same_candidates(&what, &ours.top, &theirs.top);
                    }
                }
            }
        }
    }
}

#[test]
fn interventions_change_the_same_on_every_engine() {
    let gpus = Engine::gpus();
    for on_cpu in all(&Engine::Cpu) {
        let name = &on_cpu.name;
        let gpus = gpus_for(name, &gpus);
        let on_gpus: Vec<Session> = gpus.iter().map(|gpu| reviewed(gpu, name).session).collect();
        let card = on_cpu.session.card().clone();
        let case = &on_cpu.golden.cases[0];
        let plain = everything(&on_cpu.session, case);
        let tokens = plain.tokens.len();
        let causal = card.family == Family::Gpt2;
        let patch = |hook, position, of| {
            let text = "the small dog".to_owned();
            Patch { hook, position, text, text_b: None, of: Some(of) }
        };
        // A head; a cell that every model sees; all that the second query sees; what only BERT sees; an embedding.
        let blind = (0..tokens).filter(|key| !causal || *key <= 1).map(|key| [1, key]).collect();
        let ablations = [
            Ablation { heads: vec![[card.layers - 1, card.heads - 1], [0, 0]], ..Ablation::default() },
            Ablation { mask: vec![[2, 0]], ..Ablation::default() },
            Ablation { mask: blind, ..Ablation::default() },
            Ablation { mask: vec![[0, tokens - 1], [1, 2]], ..Ablation::default() },
            Ablation { embeddings: vec![Embedding::Position], ..Ablation::default() },
            Ablation {
                embeddings: vec![if card.segments > 0 { Embedding::Segment } else { Embedding::Token }],
                heads: vec![[0, card.heads - 1]],
                mask: vec![[2, 1]],
                ..Ablation::default()
            },
            Ablation { patch: vec![patch(Hook::ResidPost(card.layers - 1), 1, 2)], ..Ablation::default() },
            Ablation {
                patch: vec![patch(Hook::ResidPre(0), 2, 0), patch(Hook::ResidMid(0), 1, 1)],
                heads: vec![[card.layers - 1, 0]],
                ..Ablation::default()
            },
        ];
        for ablate in ablations {
            let request = RunRequest {
                text: case.text.clone(),
                text_b: case.text_b.clone(),
                want: case.hooks.clone(),
                cached: true,
                ablate: ablate.clone(),
                ..RunRequest::default()
            };
            let ours = run(&on_cpu.session, &request);
            for (on_gpu, gpu) in on_gpus.iter().zip(gpus) {
                let theirs = run(on_gpu, &request);
                for hook in &case.hooks {
                    let [ours, theirs] = [&ours, &theirs].map(|run| run.activation(*hook).expect("asked"));
                    assert_eq!(ours.shape, theirs.shape);
                    let difference = largest_difference(&ours.data, &theirs.data);
                    assert!(
                        difference <= gpu.tolerance(),
                        "{name}, {}: {hook} differs by {difference} with {ablate:?}",
                        gpu.name()
                    );
                }
                let Some(Patch { hook, position, text, of, .. }) = ablate.patch.first() else { continue };
                // The state is that of the other run.
                let request = RunRequest { text: text.clone(), want: vec![*hook], ..RunRequest::default() };
                let other = run(on_gpu, &request);
                let row = |run: &Run, row: usize| -> Vec<f32> {
                    let recorded = run.activation(*hook).expect("asked");
                    recorded.data.chunks(card.hidden).nth(row).expect("it has it").to_vec()
                };
                let difference =
                    largest_difference(&row(&theirs, *position), &row(&other, of.expect("given")));
                assert!(difference <= 1e-4, "{name}: {hook} differs by {difference} from the other run's");
            }
            let last = Hook::ResidPost(card.layers - 1);
            let changed = largest_difference(
                &ours.activation(last).expect("asked").data,
                &plain.activation(last).expect("asked").data,
            );
            assert!(changed > 1e-3, "{name}: {ablate:?} changes nothing");
            for &[layer, head] in &ablate.heads {
                let z = ours.activation(Hook::Z(layer)).expect("asked");
                let size = z.shape[2];
                let rows = z.data.chunks(card.heads * size).map(|row| &row[head * size..][..size]);
                assert!(rows.flatten().all(|value| *value == 0.0), "{name}: head {head} is not off");
            }
            for &[query, key] in &ablate.mask {
                let pattern = ours.activation(Hook::Pattern(0)).expect("asked");
                let own = plain.activation(Hook::Mask(0)).expect("asked");
                let opened = own.data[query * tokens + key] == 0.0;
                for head in pattern.data.chunks(tokens * tokens) {
                    assert_eq!(
                        head[query * tokens + key] > 0.0,
                        opened,
                        "{name}: [{query}, {key}] of {ablate:?}"
                    );
                }
            }
        }
        // And nothing of it stays behind.
        for session in on_gpus.iter().chain([&on_cpu.session]) {
            let request = RunRequest {
                text: case.text.clone(),
                text_b: case.text_b.clone(),
                want: vec![Hook::FinalHidden],
                cached: true,
                ..RunRequest::default()
            };
            let again = run(session, &request);
            let (now, before) = (again.activation(Hook::FinalHidden), plain.activation(Hook::FinalHidden));
            let difference = largest_difference(&now.expect("asked").data, &before.expect("asked").data);
            assert!(difference <= TOLERANCE, "{name}: {difference} stays behind");
        }
    }
}

#[test]
fn a_model_reads_as_many_tokens_as_the_gpu_has_room_for() {
    let gpus = [None, Some(WIDE)].map(|form| Engine::Gpu(Rc::new(adapter(form).with_arenas_of(8_000_000))));
    for name in EMBEDDED {
        let whole = reviewed(&Engine::Cpu, name);
        for little in gpus.each_ref().map(|gpu| reviewed(gpu, name)) {
            let positions = little.session.card().positions;
            assert!((64..whole.session.card().positions).contains(&positions), "{name}: {positions}");
            let long = |max_tokens| RunRequest {
                text: "The cat sat on the mat. ".repeat(100),
                want: vec![Hook::Pattern(3), Hook::FinalHidden],
                max_tokens,
                ..RunRequest::default()
            };
            let [ours, theirs] =
                [run(&little.session, &long(None)), run(&whole.session, &long(Some(positions)))];
            assert_eq!((ours.tokens.len(), ours.truncated), (positions, theirs.truncated), "{name}");
            for (ours, theirs) in ours.activations.iter().zip(&theirs.activations) {
                let difference = largest_difference(&ours.data, &theirs.data);
                let most = bound(name, GPU_TOLERANCE, &theirs.data);
                assert!(difference <= most, "{name}: {} differs by {difference}", ours.hook);
            }
            if whole.session.card().family == Family::Gpt2 {
                let text = "The cat sat on the mat. ".repeat(9);
                let prompt = RunRequest { text: text.clone(), ..RunRequest::default() };
                let prompt = run(&little.session, &prompt).tokens.len();
                let lengths = (0..4).map(|seed| {
                    let sampling = Sampling { seed, ..Sampling::default() };
                    let request = GenerateRequest {
                        text: text.clone(),
                        max_new_tokens: 1000,
                        sampling,
                        ..GenerateRequest::default()
                    };
                    prompt + generate(&little.session, &request).len()
                });
                // A text may end before.
                assert_eq!(lengths.max(), Some(positions), "{name} goes on until it is full");
            }
        }
    }
}

#[test]
fn a_table_in_parts_is_a_table() {
    // Several parts of each word table of some 36 dimensions and 300 words.
    let gpus = [None, Some(WIDE)].map(|form| Engine::Gpu(Rc::new(adapter(form).with_tables_of(8_000))));
    for name in ["bert-3-heads", "bert-untied", "gpt-1-layer", "gpt-untied"] {
        let whole = reviewed(&Engine::Cpu, name);
        for parted in gpus.each_ref().map(|gpu| reviewed(gpu, name)) {
            for case in &whole.golden.cases {
                let (parted, whole) = (everything(&parted.session, case), everything(&whole.session, case));
                for (ours, theirs) in parted.activations.iter().zip(&whole.activations) {
                    let difference = largest_difference(&ours.data, &theirs.data);
                    assert!(difference <= GPU_TOLERANCE, "{name}: {} differs by {difference}", ours.hook);
                }
                for (ours, theirs) in parted.predictions.iter().zip(&whole.predictions) {
                    let ids = |all: &[Candidate]| all.iter().map(|one| one.id).collect::<Vec<_>>();
                    assert_eq!(ids(&ours.top), ids(&theirs.top), "{name}");
                }
            }
            run(&parted.session, &RunRequest { text: "a".into(), ..RunRequest::default() });
            let steps = dispatches(&parted.session);
            assert!(steps.iter().filter(|step| step.kernel == "embed").count() > 1, "{name} has one table");
        }
    }
}

/// The matrices of a file's linear maps.
fn matrices(files: &Files) -> impl Iterator<Item = Matrix> {
    let header = Header::parse(&files.weights).expect("a header");
    Checkpoint::read(&files.config, &header).expect("a checkpoint").maps().into_iter().flatten()
}

/// A file whose matrices are rounded as a GPU keeps them: opened again, in single precision.
fn rounded(files: &Files, weight_type: WeightType) -> Files {
    let begin_of_values = Header::parse(&files.weights).expect("a header").length();
    let mut weights = files.weights.clone();
    for matrix in matrices(files) {
        let (rows, cols) = (matrix.rows, matrix.cols);
        let begin = begin_of_values + matrix.tensor.bytes.start;
        let bytes = &files.weights[begin..begin + matrix.tensor.bytes.len()];
        let values = matrix.tensor.numbers(bytes, &[]).expect("numbers").to_vec();
        let layout = Layout::new(rows, cols, &Widths::WIDE, weight_type);
        let stored = Stored::new(layout, |row, col| values[matrix.index(row, col)]);
        for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
            let value = stored.opened(row, col) * stored.scale(col);
            let at = begin + 4 * matrix.index(row, col);
            weights[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    Files { weights, ..files.clone() }
}

/// Whatever was recorded, each by the name that references have: `<case>/<hook>`.
type Recorded = Vec<(String, Activation)>;

fn recorded(session: &Session, golden: &Golden) -> Recorded {
    let of_case = |case: &Case| -> Recorded {
        let named = |activation: Activation| (format!("{}/{}", case.id, activation.hook), activation);
        everything(session, case).activations.into_iter().map(named).collect()
    };
    golden.cases.iter().flat_map(of_case).collect()
}

/// How far each activation lies from the reference of that name.
fn differences<'a>(ours: &'a Recorded, theirs: &Recorded) -> Vec<(&'a str, f32)> {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs
        .map(|((name, ours), (reference, theirs))| {
            assert_eq!((name, &ours.shape), (reference, &theirs.shape));
            (name.as_str(), largest_difference(&ours.data, &theirs.data))
        })
        .collect()
}

/// Leaves a reference with rounded weights to `tests/browser/goldens.test.mjs`, as a file like `golden.safetensors`: in the
/// folder of the kernels' cases (`src/gpu/kernels/tests/record.rs`). Without one nothing is written.
fn leave_to_browsers(name: &str, weight_type: WeightType, reference: &Recorded) {
    let Some(folder) = std::env::var_os("CLOZE_KERNELS").filter(|folder| !folder.is_empty()) else { return };
    let folder = PathBuf::from(folder).join("rounded");
    let file = folder.join(format!("{name}-{}.safetensors", weight_type.name()));
    let bytes = |data: &[f32]| data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let values: Vec<Vec<u8>> = reference.iter().map(|(_, activation)| bytes(&activation.data)).collect();
    let tensors = reference.iter().zip(&values).map(|((name, activation), values)| {
        let tensor = TensorView::new(Dtype::F32, activation.shape.clone(), values);
        (name, tensor.expect("as many bytes as the shape says"))
    });
    let written = fs::create_dir_all(&folder).map_err(SafeTensorError::from);
    written
        .and_then(|()| serialize_to_file(tensors, None, &file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

#[test]
fn rounded_weights_compute_what_a_reference_rounded_the_same_way_does() {
    let gpus = [None, Some(WIDE)].map(|form| Rc::new(adapter(form)));
    let mut tried = 0;
    for name in &small() {
        let [folder, golden] = folders(name);
        let files = files(&folder);
        // What other files lose was lost when they were made.
        let mut matrices = matrices(&files);
        if !matrices.all(|matrix| matrix.tensor.number_type == NumberType::F32) {
            continue;
        }
        tried += 1;
        let golden: Golden = serde_json::from_slice(&read(&golden.join("golden.json"))).expect("a golden");
        let on_cpu = |files| {
            let session = pollster::block_on(Session::on_cpu(name, files)).expect("it loads");
            recorded(&session, &golden)
        };
        let exact = on_cpu(files.clone());
        let effects = [WeightType::F16, WeightType::Int8].map(|weight_type| {
            let theirs = on_cpu(rounded(&files, weight_type));
            leave_to_browsers(name, weight_type, &theirs);
            for gpu in &gpus {
                let ours = on_gpu(gpu, name, &files, Some(weight_type)).expect("it loads");
                assert_eq!(ours.weights(), weight_type);
                let ours = recorded(&ours, &golden);
                for (activation, difference) in differences(&ours, &theirs) {
                    assert!(
                        difference <= GPU_TOLERANCE,
                        "{name}, {weight_type:?}: {activation} differs by {difference}"
                    );
                }
            }
            differences(&theirs, &exact).iter().fold(0.0_f32, |most, (_, effect)| most.max(*effect))
        });
        // Weights that were not rounded, or otherwise, would not pass for these; and more rounding is seen more.
        assert!(effects[0] > 2.0 * GPU_TOLERANCE && effects[1] > 2.0 * effects[0], "{name}: {effects:?}");
    }
    assert!(tried >= 6, "only {tried} checkpoints in single precision");
}

#[test]
fn a_watched_piece_has_the_probability_that_its_logit_gives() {
    for engine in Engine::both() {
        for Reviewed { name, session, golden, .. } in all(&engine) {
            let card = session.card();
            let text = golden.cases[0].text.clone();
            for ablate in
                [Ablation::default(), Ablation { heads: vec![[0, card.heads - 1]], ..Ablation::default() }]
            {
                let request =
                    RunRequest { text: text.clone(), watch: Some(3), ablate, ..RunRequest::default() };
                let whole = run(
                    &session,
                    &RunRequest { want: vec![Hook::Logits, Hook::FinalHidden], ..request.clone() },
                );
                let Some(logits) = whole.activation(Hook::Logits) else { continue };
                let expected = |position: usize| {
                    softmax(&logits.data[position * card.vocabulary..][..card.vocabulary])[3]
                };
                let check = |run: &Run| {
                    for prediction in &run.predictions {
                        let (watched, p) =
                            (prediction.watched.expect("watched"), expected(prediction.position));
                        assert!((watched - p).abs() <= TOLERANCE, "{name}: {watched}, not {p}");
                    }
                };
                check(&whole);
                if card.family == Family::Gpt2 {
                    // What GPT expects after a token does not depend on what follows: the text may be cut there.
                    for count in 1..whole.tokens.len() {
                        let cut = run(&session, &RunRequest { max_tokens: Some(count), ..request.clone() });
                        assert_eq!((&cut.tokens[..], cut.predictions.len()), (&whole.tokens[..count], 1));
                        check(&cut);
                    }
                }
                let beyond = RunRequest { watch: Some(card.vocabulary as u32), ..request };
                assert!(run(&session, &beyond).predictions.iter().all(|found| found.watched.is_none()));
            }
        }
    }
}

#[test]
fn the_gpu_tells_what_it_did() {
    let [cpu, gpu] = Engine::both();
    let refused = pollster::block_on(reviewed(&cpu, "gpt").session.kernels());
    assert_eq!(refused.expect_err("the CPU has no kernels").code, "no-kernels");
    for name in ["bert", "gpt"] {
        let session = reviewed(&gpu, name).session;
        let card = session.card();
        run(&session, &RunRequest { text: "The cat sat on the mat".into(), ..RunRequest::default() });
        let next =
            RunRequest { text: "The cat sat on the mat and".into(), cached: true, ..RunRequest::default() };
        run(&session, &next);
        let done = pollster::block_on(session.kernels()).expect("it ran");
        assert!(done.dispatches.len() <= 6 * card.layers + 5, "{name}: {} dispatches", done.dispatches.len());
        assert!(done.dispatches.len() > 5 * card.layers);
        for dispatch in &done.dispatches {
            let source = &done.sources[&dispatch.kernel];
            assert!(source.contains("@compute") && source.contains("// "), "{source}");
            assert!(
                dispatch.reads > 0 && dispatch.writes > 0 && !dispatch.computes.is_empty(),
                "{dispatch:?}"
            );
            assert!(dispatch.ms.is_none_or(|ms| (0.0..10_000.0).contains(&ms)), "{dispatch:?}");
        }
        // A token reads every weight of GPT once, in 8 bits, but only its own row of the position table.
        let reads: u64 = done.dispatches.iter().map(|dispatch| dispatch.reads).sum();
        let weights = (card.parameters - card.positions * card.hidden) as u64;
        if name == "gpt" {
            assert!((weights..3 * weights / 2).contains(&reads), "{reads} bytes for {weights} weights");
        }
        // And what is computed afterwards is as if nothing had been asked.
        let [before, after] = [(); 2].map(|()| run(&session, &next).predictions);
        assert_eq!(before, after);
        // The self-check runs a text of its own, which nobody asked for.
        let reference =
            Reference::parse(&read(&folders(name)[0].join("selfcheck.json"))).expect("reference values");
        let before = dispatches(&session);
        assert!(pollster::block_on(session.check(&reference)).expect("it runs").ok);
        assert_eq!(dispatches(&session), before, "{name}: the self-check is told of");
    }
}

#[test]
fn what_the_gpu_is_seen_to_do_is_not_taken_for_what_nobody_asked_for() {
    let [_, gpu] = Engine::both();
    for name in EMBEDDED {
        let reference =
            Reference::parse(&read(&folders(name)[0].join("selfcheck.json"))).expect("reference values");
        // The self-check's own text comes between a run and a look at it, which does the run once more.
        let looked_at = || {
            let session = reviewed(&gpu, name).session;
            run(&session, &RunRequest { text: "Other words".into(), ..RunRequest::default() });
            assert!(pollster::block_on(session.check(&reference)).expect("it runs").ok);
            dispatches(&session);
            session
        };
        let text = reference.text.clone();
        let all = RunRequest { text: text.clone(), want: vec![Hook::Logits], ..RunRequest::default() };
        let fresh = reviewed(&gpu, name).session;
        let expected = run(&fresh, &all);
        let found = run(&looked_at(), &all);
        assert!(found.computed > 0, "{name}");
        assert_eq!(found.activations, expected.activations, "{name}");

        let more = RunRequest { text: format!("{text} and"), cached: true, ..RunRequest::default() };
        let [found, expected] =
            [looked_at(), reviewed(&gpu, name).session].map(|session| run(&session, &more));
        assert_eq!(found.predictions, expected.predictions, "{name}");

        // What the self-check computed is there for whoever asks for just that, and is then what the GPU did last.
        let session = reviewed(&gpu, name).session;
        run(&session, &RunRequest { text: "Other words".into(), ..RunRequest::default() });
        assert!(pollster::block_on(session.check(&reference)).expect("it runs").ok);
        assert_eq!(run(&session, &all).computed, 0, "{name}");
        assert_eq!(dispatches(&session), dispatches(&fresh), "{name}");
    }
}

#[test]
fn what_the_run_before_computed_is_there_without_running_again() {
    for Reviewed { name, session, golden, .. } in all_on_gpus() {
        let ModelCard { family, layers, .. } = session.card().clone();
        for case in &golden.cases {
            let request = |want: Vec<Hook>, ablate: &Ablation| {
                let (text, text_b) = (case.text.clone(), case.text_b.clone());
                run(
                    &session,
                    &RunRequest { text, text_b, want, ablate: ablate.clone(), ..RunRequest::default() },
                )
            };
            let elsewhere =
                || run(&session, &RunRequest { text: "Other words.".into(), ..RunRequest::default() });
            // All scores take a run of their own: they were not all computed before.
            let want: Vec<Hook> =
                Hook::all(family, layers).into_iter().filter(|hook| *hook != Hook::Logits).collect();
            for ablate in [Ablation::default(), Ablation { heads: vec![[0, 0]], ..Ablation::default() }] {
                let expected = request(want.clone(), &ablate);
                elsewhere();
                let before = request(Vec::new(), &ablate);
                assert!(before.computed > 0, "{name}");
                let again = request(want.clone(), &ablate);
                assert_eq!(again.computed, 0, "{name}: it was computed before");
                assert_eq!(again.activations, expected.activations, "{name}, {:?}", case.text);
                assert_eq!(again.predictions, expected.predictions, "{name}, {:?}", case.text);
            }
            let other = Ablation { embeddings: vec![Embedding::Position], ..Ablation::default() };
            assert!(request(Vec::new(), &other).computed > 0, "{name}: without positions it is another run");
            assert!(
                elsewhere().computed > 0 && request(Vec::new(), &other).computed > 0,
                "{name}: there was another text"
            );
        }
    }
}

/// Ablations, none of which is a plan of its own.
fn ablations() -> [Ablation; 3] {
    [
        Ablation { heads: vec![[0, 0]], ..Ablation::default() },
        Ablation { mask: vec![[1, 0]], ..Ablation::default() },
        Ablation { embeddings: vec![Embedding::Position], ..Ablation::default() },
    ]
}

#[test]
fn a_run_makes_nothing_on_the_gpu() {
    let gpu = Rc::new(adapter(None));
    let engine = Engine::Gpu(Rc::clone(&gpu));
    for names in [EMBEDDED, ["bert-untied", "gpt-scaled-by-layer"]] {
        let mut compiled = None;
        for name in names {
            let model = reviewed(&engine, name).session;
            let ModelCard { family, layers, positions, .. } = model.card().clone();
            let long = "The cat sat on the mat, and the dog [MASK] beside it. ".repeat(40);
            let want = Hook::all(family, layers);
            let text = |text: &str| RunRequest { text: text.to_owned(), ..RunRequest::default() };
            let patched = || {
                let of = "The dog sat".to_owned();
                let patch = Patch { hook: Hook::ResidPost(0), position: 1, text: of, text_b: None, of: None };
                let ablate = Ablation { patch: vec![patch], ..Ablation::default() };
                run(&model, &RunRequest { ablate, ..text("The cat sat") });
            };
            // Every length there is, but of the page's models, which take longer, a few.
            let lengths: Vec<usize> =
                if names == EMBEDDED { vec![3, 16, 33, 127] } else { (3..=positions).collect() };
            let longest = RunRequest { max_tokens: lengths.last().copied(), ..text(&long) };
            // Buffers for what is read back and for hidden states grow once, with the most that was ever asked for.
            run(&model, &RunRequest { want: want.clone(), ..longest.clone() });
            // Many scores that nobody wants to see have kernels of their own.
            run(&model, &longest);
            patched();
            let made = gpu.made();
            assert!(made.pipelines > 0 && made.buffers > 0 && made.bind_groups > 0, "{made:?}");
            let before = compiled.replace(made.pipelines);
            assert!(
                before.is_none_or(|before| before == made.pipelines),
                "{name} finds the kernels of another compiled"
            );
            for words in
                ["The cat sat", "The cat [MASK] on the mat.", "One two three four five six seven eight nine"]
            {
                for want in [Vec::new(), vec![Hook::Pattern(0)], want.clone()] {
                    for cached in [true, false] {
                        run(&model, &RunRequest { want: want.clone(), cached, ..text(words) });
                    }
                    for ablate in ablations() {
                        run(&model, &RunRequest { want: want.clone(), ablate, ..text(words) });
                    }
                }
            }
            patched();
            assert_eq!(gpu.made(), made, "{name}: a run made something");
            for length in lengths {
                let ran = run(&model, &RunRequest { max_tokens: Some(length), ..text(&long) });
                assert_eq!((ran.tokens.len(), ran.computed), (length, length), "{name}");
                assert_eq!(gpu.made(), made, "{name}: a run of {length} tokens made something");
            }
            if family == Family::Gpt2 {
                let drawn = |seed| {
                    let sampling = Sampling { seed, ..Sampling::default() };
                    let text = "Once".to_owned();
                    generate(
                        &model,
                        &GenerateRequest { text, max_new_tokens: 40, sampling, want: Vec::new() },
                    );
                };
                // The kernels of a draw are compiled with the first.
                drawn(0);
                let made = gpu.made();
                (1..6).for_each(drawn);
                assert_eq!(gpu.made(), made, "{name}: a draw made something");
            }
        }
    }
}

/// What is left out is an input of the plan: neither leaving nothing out nor leaving something out takes another dispatch.
#[test]
fn an_ablation_costs_nothing() {
    let models = ["bert-3-heads", "gpt-untied"];
    for Reviewed { name, session, .. } in
        Engine::gpus().iter().flat_map(|gpu| models.map(|name| reviewed(gpu, name)))
    {
        let request = |ablate: serde_json::Value| -> RunRequest {
            let mut request = json!({ "text": "The cat sat on the mat" });
            if !ablate.is_null() {
                request["ablate"] = ablate;
            }
            serde_json::from_value(request).expect("it is a request")
        };
        let elsewhere =
            || run(&session, &RunRequest { text: "Other words.".into(), ..RunRequest::default() });
        let done = |ablate: serde_json::Value| {
            elsewhere();
            assert!(run(&session, &request(ablate)).computed > 0);
            dispatches(&session)
        };
        let plain = done(serde_json::Value::Null);
        let empty = [json!({}), json!({ "heads": [], "mask": [], "embeddings": [], "patch": [] })];
        let changing = ablations().map(|ablation| serde_json::to_value(ablation).expect("it is JSON"));
        for ablate in empty.iter().chain(&changing) {
            assert_eq!(done(ablate.clone()), plain, "{name}: {ablate}");
        }
        // What the run before computed is there for one that leaves out nothing, as for any.
        done(serde_json::Value::Null);
        for ablate in empty {
            assert_eq!(run(&session, &request(ablate)).computed, 0, "{name}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_text_and_zero_temperature_the_most_probable() {
    let gpt = reviewed(&Engine::Cpu, "gpt").session;
    let generate = |sampling: Sampling| {
        let text = "Once upon a time".to_owned();
        generate(&gpt, &GenerateRequest { text, max_new_tokens: 12, sampling, want: Vec::new() })
    };
    let ids = |sampling| generate(sampling).iter().map(|step| step.token.id).collect::<Vec<_>>();
    let seeded = |seed| Sampling { temperature: 1.0, top_k: 40, top_p: 0.95, seed };
    assert_eq!(ids(seeded(7)), ids(seeded(7)));
    assert_ne!(ids(seeded(7)), ids(seeded(8)));
    for step in generate(Sampling { temperature: 0.0, ..Sampling::default() }) {
        assert_eq!(step.token.id, step.top[0].id);
    }
}

/// Steps of two engines must be alike: the tokens, and what was considered.
fn assert_same_steps(what: &str, ours: &[Step], theirs: &[Step]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.token, theirs.token, "{what}");
        assert_same_candidates(what, &ours.top, &theirs.top);
    }
}

/// Probabilities must be alike, rank by rank: equally probable pieces may stand in either order.
fn assert_same_candidates(what: &str, ours: &[Candidate], theirs: &[Candidate]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours.p - theirs.p).abs() < 1e-4, "{what}: {ours:?} is not {theirs:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_text_on_every_engine() {
    let gpus = Engine::gpus();
    for name in ["gpt", "gpt-1-layer", "gpt-untied"] {
        let on_cpu = reviewed(&Engine::Cpu, name).session;
        let on_gpus = gpus.each_ref().map(|gpu| (gpu.name(), reviewed(gpu, name).session));
        let often = gpus_for(name, &gpus).len();
        for (index, (temperature, top_k, top_p)) in
            [(0.0, 0, 1.0), (1.0, 0, 1.0), (0.7, 40, 1.0), (1.0, 0, 0.9), (1.3, 100, 0.95), (5.0, 0, 1.0)]
                .into_iter()
                .enumerate()
        {
            let sampling = Sampling { temperature, top_k, top_p, seed: index as u32 + 7 };
            let continued = |session: &Session, want: Vec<Hook>| {
                let text = "Once upon a time".to_owned();
                generate(session, &GenerateRequest { text, max_new_tokens: 14, sampling, want })
            };
            let expected = continued(&on_cpu, Vec::new());
            // Software takes a quarter of a second a token for the page's model with a real GPU's kernels: it draws so once.
            let on_gpus = if index == 2 { &on_gpus[..] } else { &on_gpus[..often] };
            for (gpu, on_gpu) in on_gpus {
                let what = format!("{name}, {gpu}, {sampling:?}");
                assert_same_steps(&what, &expected, &continued(on_gpu, Vec::new()));
                // To ask what the GPU did, which is done once more for that, changes nothing.
                let done = dispatches(on_gpu);
                // It draws several at once unless something is to be recorded.
                for want in [vec![Hook::FinalHidden], Vec::new()] {
                    assert_same_steps(&what, &expected, &continued(on_gpu, want));
                }
                let ModelCard { layers, .. } = on_gpu.card();
                assert!(done.iter().any(|dispatch| dispatch.kernel == "draw"), "{what}: it never drew");
                assert!(done.len() <= 6 * layers + 5, "{what}: {} dispatches a token", done.len());
                // What the draws left in the cache serves a run.
                let mut drawn: Vec<u32> = expected.iter().map(|step| step.token.id).collect();
                drawn.pop();
                let request = |cached| RunRequest {
                    text: "Once upon a time".to_owned(),
                    drawn: drawn.clone(),
                    want: vec![Hook::Logits],
                    cached,
                    ..RunRequest::default()
                };
                let (with, without) = (run(on_gpu, &request(true)), run(on_gpu, &request(false)));
                assert_eq!(with.computed, 1, "{what}: positions were computed again");
                let last = |run: &Run| {
                    let logits = run.activation(Hook::Logits).expect("asked");
                    logits.data[logits.data.len() - run.model.vocabulary..].to_vec()
                };
                let difference = largest_difference(&last(&with), &last(&without));
                assert!(difference <= TOLERANCE, "{what}: the cache is off by {difference}");
            }
        }
        // To the end of what the model reads, and not beyond.
        let request = GenerateRequest {
            text: "Once".to_owned(),
            max_new_tokens: 400,
            sampling: Sampling { seed: 3, ..Sampling::default() },
            want: Vec::new(),
        };
        let expected = generate(&on_cpu, &request);
        for (gpu, on_gpu) in &on_gpus[..often] {
            assert_same_steps(&format!("{name}, {gpu}, to the end"), &expected, &generate(on_gpu, &request));
        }
    }
}

/// Only a draw that last digits decide may differ from engine to engine: none of these 1,197 does.
#[test]
fn draws_of_the_page_s_gpt_do_not_depend_on_the_engine() {
    let [on_cpu, on_gpu] = Engine::both().map(|engine| reviewed(&engine, "gpt").session);
    let mut compared = 0;
    for seed in 0..30 {
        let sampling = Sampling { seed, ..Sampling::default() };
        let text = "Once upon a time".to_owned();
        let request = GenerateRequest { text, max_new_tokens: 40, sampling, want: Vec::new() };
        let [ours, theirs] = [&on_cpu, &on_gpu].map(|session| generate(session, &request));
        assert_same_steps(&format!("seed {seed}"), &ours, &theirs);
        compared += ours.len();
    }
    assert!(compared > 1_000, "{compared} draws were compared");
}

fn assert_same_best(what: &str, best: &[Prediction], all: &[Prediction]) {
    assert_eq!(best.len(), all.len(), "{what}");
    for (best, all) in best.iter().zip(all) {
        assert_eq!((best.position, best.top.len()), (all.position, all.top.len()), "{what}");
        for (best, all) in best.top.iter().zip(&all.top) {
            assert_eq!((best.id, &best.piece), (all.id, &all.piece), "{what}");
            assert!((best.p - all.p).abs() < 1e-5, "{what}: {best:?} is not {all:?}");
        }
    }
}

#[test]
fn the_best_of_the_scores_are_those_of_all_scores() {
    for Reviewed { name, session, golden, .. } in all_on_gpus() {
        for case in &golden.cases {
            for top_k in [1, 8, 64, 65, 1000] {
                let request = |want| RunRequest {
                    text: case.text.clone(),
                    text_b: case.text_b.clone(),
                    top_k,
                    want,
                    ..RunRequest::default()
                };
                let hook = [Hook::Logits].into_iter().filter(|hook| case.hooks.contains(hook)).collect();
                let [best, all] = [Vec::new(), hook].map(|want| run(&session, &request(want)).predictions);
                assert_same_best(&name, &best, &all);
            }
        }
    }
}

/// Of many scores the GPU finds the best itself, as far as it lists them.
#[test]
fn the_best_of_many_scores_are_found_on_the_gpu() {
    for gpu in Engine::gpus() {
        let session = reviewed(&gpu, "bert").session;
        for (top_k, there) in [(64, true), (65, false)] {
            let request = |want| {
                let text = "The [MASK] sat on the [MASK]. ".repeat(9);
                RunRequest { text, top_k, want, ..RunRequest::default() }
            };
            let all = run(&session, &request(vec![Hook::Logits])).predictions;
            let best = run(&session, &request(Vec::new())).predictions;
            assert_eq!(best.len(), 18);
            assert_same_best(gpu.name(), &best, &all);
            let found = dispatches(&session).iter().any(|dispatch| dispatch.kernel == "top_row");
            assert_eq!(found, there, "{}: the best {top_k}", gpu.name());
        }
    }
}

#[test]
fn the_self_check_passes_on_right_numbers_and_fails_on_wrong_ones() {
    for name in ["bert", "gpt"] {
        let folder = root().join("assets/models").join(name);
        let files = files(&folder);
        let mut reference =
            Reference::parse(&read(&folder.join("selfcheck.json"))).expect("it holds reference values");
        let session = pollster::block_on(Session::on_cpu(name, files)).expect("it loads");
        let check = pollster::block_on(session.check(&reference)).expect("it runs");
        assert!(check.ok && check.max_abs_diff <= TOLERANCE, "{name}: {check:?}");
        reference.logits.values[0] += 0.5;
        let check = pollster::block_on(session.check(&reference)).expect("it runs");
        assert!(!check.ok && (check.max_abs_diff - 0.5).abs() < 0.01, "{name}: {check:?}");
    }
}

#[test]
fn bad_requests_are_refused_with_a_code() {
    let [bert, gpt] = ["bert", "gpt"].map(|name| reviewed(&Engine::Cpu, name));
    let text = |text: &str| RunRequest { text: text.to_owned(), ..RunRequest::default() };
    let pair = RunRequest { text_b: Some("b".to_owned()), ..text("a") };
    let layer = RunRequest { want: vec![Hook::Pattern(99)], ..text("a") };
    let ablated = |ablate: Ablation| RunRequest { ablate, ..text("a") };
    let patched = |hook, position| {
        let patch = Patch { hook, position, text: "a b c d".to_owned(), text_b: None, of: None };
        ablated(Ablation { patch: vec![patch], ..Ablation::default() })
    };
    let full = RunRequest { drawn: vec![5; 300], ..text("a") };
    let unknown = RunRequest { drawn: vec![9_999_999], ..text("a") };
    for (session, request, code) in [
        (&bert.session, text(""), "empty-text"),
        (&bert.session, text(" \n\t "), "empty-text"),
        (&gpt.session, text(""), "empty-text"),
        (&bert.session, layer.clone(), "unknown-activation"),
        (&gpt.session, layer, "unknown-activation"),
        (&gpt.session, RunRequest { want: vec![Hook::Pooled], ..text("a") }, "unknown-activation"),
        (&gpt.session, pair, "bad-request"),
        (&gpt.session, RunRequest { max_tokens: Some(0), ..text("a") }, "bad-request"),
        (&bert.session, RunRequest { max_tokens: Some(0), ..text("a") }, "too-few-tokens"),
        (&gpt.session, full, "too-long"),
        (&gpt.session, unknown.clone(), "bad-request"),
        (&bert.session, unknown, "bad-request"),
        (&bert.session, ablated(Ablation { heads: vec![[0, 99]], ..Ablation::default() }), "bad-request"),
        (&bert.session, ablated(Ablation { heads: vec![[99, 0]], ..Ablation::default() }), "bad-request"),
        (&gpt.session, ablated(Ablation { mask: vec![[0, 99]], ..Ablation::default() }), "bad-request"),
        (&bert.session, patched(Hook::Q(0), 0), "bad-request"),
        (&bert.session, patched(Hook::ResidPost(9), 0), "bad-request"),
        (&bert.session, patched(Hook::ResidPost(0), 3), "bad-request"),
        (&gpt.session, patched(Hook::ResidPost(0), 1), "bad-request"),
        (
            &gpt.session,
            ablated(Ablation { embeddings: vec![Embedding::Segment], ..Ablation::default() }),
            "bad-request",
        ),
    ] {
        let problem = pollster::block_on(session.run(&request)).expect_err("it is refused");
        assert_eq!(problem.code, code, "{problem}");
    }
}

#[test]
fn long_and_foreign_texts_run_and_say_what_was_left_out() {
    let [bert, gpt] = ["bert", "gpt"].map(|name| reviewed(&Engine::Cpu, name));
    for session in [&bert.session, &gpt.session] {
        let positions = session.card().positions;
        let long = run(session, &RunRequest { text: "word ".repeat(2_000), ..RunRequest::default() });
        assert_eq!(long.tokens.len(), positions);
        assert!(long.truncated > 0);
        for text in [
            "🙂👩‍👩‍👧 [MASK]",
            "这是一个句子",
            "هذه جملة قصيرة",
            "e\u{301}\u{301}\u{301}",
            "\u{0}\u{7f}\u{feff}x",
        ] {
            let run = run(session, &RunRequest { text: text.to_owned(), ..RunRequest::default() });
            assert_eq!(run.truncated, 0);
            assert!(run.tokens.iter().all(|token| text.get(token.start..token.end).is_some()), "{text:?}");
        }
    }
}
