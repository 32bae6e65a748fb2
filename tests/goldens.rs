//! Every activation of every reference checkpoint, on the CPU path and on this machine's Vulkan adapter, against Hugging
//! Face's own implementation, and the properties that hold for any model. The references and the script that makes them
//! lie in `tests/golden`.

#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cloze::checkpoint::{Checkpoint, Header, NumberType};
use cloze::engine::protocol::{GenerateRequest, Problem, RunRequest, Sampling};
use cloze::engine::{Loader, Reference, Session};
use cloze::gpu::kernels::Widths;
use cloze::gpu::{Gpu, Layout, Stored, Traits};
use cloze::hub::{Files, Vocabulary};
use cloze::lesson::sampling::softmax;
use cloze::trace::{
    Ablation, Activation, Candidate, Embedding, Family, Hook, ModelCard, Patch, Run, WeightType,
};
use safetensors::SafeTensors;
use serde::Deserialize;

/// How far an activation may lie from its reference on the CPU, and two ways of computing the same from each other.
const TOLERANCE: f32 = 1e-4;

/// Where a model computes.
#[derive(Clone)]
enum Engine {
    Cpu,
    Gpu(Rc<Gpu>),
}

impl Engine {
    fn both() -> [Engine; 2] {
        let gpu = pollster::block_on(Gpu::new(None))
            .expect("there is a Vulkan adapter; on Debian mesa-vulkan-drivers brings one in software");
        [Engine::Cpu, Engine::Gpu(Rc::new(gpu))]
    }

    /// With the kernels that a real GPU gets, whatever the adapter is.
    fn wide() -> Engine {
        let traits = Traits { software: false, subgroup: 0 };
        Engine::Gpu(Rc::new(pollster::block_on(Gpu::new(Some(traits))).expect("there is a Vulkan adapter")))
    }

    /// The CPU, and the GPU with either form of its kernels.
    fn all() -> Vec<Engine> {
        Engine::both().into_iter().chain([Engine::wide()]).collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Engine::Cpu => "CPU",
            Engine::Gpu(_) => "GPU",
        }
    }

    /// How far an activation may lie from its reference.
    fn tolerance(&self) -> f32 {
        match self {
            Engine::Cpu => TOLERANCE,
            Engine::Gpu(_) => 1e-3,
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

fn reviewed(name: &str, folder: &Path, golden: &Path) -> Reviewed {
    reviewed_on(&Engine::Cpu, name, folder, golden)
}

fn reviewed_on(engine: &Engine, name: &str, folder: &Path, golden: &Path) -> Reviewed {
    let files = files(folder);
    let settings: serde_json::Value = serde_json::from_slice(&files.config).expect("config.json is JSON");
    let session = match engine {
        Engine::Cpu => pollster::block_on(Session::on_cpu(name, files)),
        Engine::Gpu(gpu) => on_gpu(gpu, name, &files, None),
    };
    let session = session.unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let named = serde_json::to_value(session.card().architecture).expect("a name");
    assert_eq!(settings["model_type"], named, "{name}");
    let values = read(&golden.join("golden.safetensors"));
    let golden = serde_json::from_slice(&read(&golden.join("golden.json")))
        .expect("golden.json is as make.py writes it");
    Reviewed { name: name.to_owned(), session, golden, values }
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

/// The small random checkpoints, then the two that the page brings.
fn all(engine: &Engine) -> Vec<Reviewed> {
    let checkpoints = root().join("tests/golden/checkpoints");
    let mut folders: Vec<PathBuf> = fs::read_dir(&checkpoints)
        .expect("the checkpoints lie there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 8, "only {} reference checkpoints", folders.len());
    let small = folders.iter().map(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        reviewed_on(engine, name, folder, folder)
    });
    let embedded = ["bert", "gpt"].map(|name| {
        reviewed_on(
            engine,
            name,
            &root().join("assets/models").join(name),
            &root().join("tests/golden/embedded").join(name),
        )
    });
    small.chain(embedded).collect()
}

fn run(session: &Session, request: &RunRequest) -> Run {
    pollster::block_on(session.run(request)).unwrap_or_else(|problem| panic!("{problem}"))
}

fn everything(reviewed: &Reviewed, case: &Case) -> Run {
    let request = RunRequest {
        text: case.text.clone(),
        text_b: case.text_b.clone(),
        want: case.hooks.clone(),
        ..RunRequest::default()
    };
    run(&reviewed.session, &request)
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
    for engine in Engine::all() {
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
            let run = everything(&reviewed, case);
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
            let run = everything(&reviewed, case);
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
    let every = every.iter().flat_map(all);
    for reviewed in every.filter(|reviewed| reviewed.golden.family == Family::Gpt2) {
        let text = &reviewed.golden.cases[0].text;
        let layers = reviewed.session.card().layers;
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
            let with = run(&reviewed.session, &request(true));
            let without = run(&reviewed.session, &request(false));
            if step > 0 {
                assert_eq!(with.computed, 1, "{}: a step costs one position", reviewed.name);
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
                    difference <= bound(&reviewed.name, TOLERANCE, &without.data),
                    "{}: {hook} differs by {difference} at step {step}",
                    reviewed.name
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
    let [cpu, gpu] = Engine::both();
    let wide = Engine::wide();
    for name in ["bert", "gpt"] {
        let [model, golden] = ["assets/models", "tests/golden/embedded"].map(|at| root().join(at).join(name));
        let on = |engine| reviewed_on(engine, name, &model, &golden).session;
        let (on_cpu, on_gpus) = (on(&cpu), [on(&gpu), on(&wide)]);
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
                        difference <= bound(name, 1e-3, &theirs.data),
                        "{name}, {} tokens: {hook} differs by {difference}",
                        reference.tokens.len()
                    );
                }
            }
        }
    }
}

#[test]
fn interventions_change_the_same_on_both_engines() {
    let [cpu, gpu] = Engine::both();
    for (on_cpu, on_gpu) in all(&cpu).iter().zip(all(&gpu)) {
        let name = &on_cpu.name;
        let card = on_cpu.session.card().clone();
        let case = &on_cpu.golden.cases[0];
        let plain = everything(on_cpu, case);
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
            let (ours, theirs) = (run(&on_cpu.session, &request), run(&on_gpu.session, &request));
            for hook in &case.hooks {
                let (ours, theirs) =
                    (ours.activation(*hook).expect("asked"), theirs.activation(*hook).expect("asked"));
                assert_eq!(ours.shape, theirs.shape);
                let difference = largest_difference(&ours.data, &theirs.data);
                assert!(
                    difference <= gpu.tolerance(),
                    "{name}: {hook} differs by {difference} with {ablate:?}"
                );
            }
            let last = Hook::ResidPost(card.layers - 1);
            let changed = largest_difference(
                &ours.activation(last).expect("asked").data,
                &plain.activation(last).expect("asked").data,
            );
            assert!(changed > 1e-3, "{name}: {ablate:?} changes nothing");
            if let Some(Patch { hook, position, text, of, .. }) = ablate.patch.first() {
                // The state is that of the other run.
                let request = RunRequest { text: text.clone(), want: vec![*hook], ..RunRequest::default() };
                let other = run(&on_gpu.session, &request);
                let row = |run: &Run, row: usize| -> Vec<f32> {
                    let recorded = run.activation(*hook).expect("asked");
                    recorded.data.chunks(card.hidden).nth(row).expect("it has it").to_vec()
                };
                let difference =
                    largest_difference(&row(&theirs, *position), &row(&other, of.expect("given")));
                assert!(difference <= 1e-4, "{name}: {hook} differs by {difference} from the other run's");
            }
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
        for session in [&on_cpu.session, &on_gpu.session] {
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
fn a_table_in_parts_is_a_table() {
    let gpu = pollster::block_on(Gpu::new(None)).expect("there is a Vulkan adapter");
    // Several parts of each word table of some 36 dimensions and 300 words.
    let gpu = Rc::new(gpu.with_tables_of(8_000));
    for name in ["bert-3-heads", "bert-untied", "gpt-1-layer", "gpt-untied"] {
        let folder = root().join("tests/golden/checkpoints").join(name);
        let parted = reviewed_on(&Engine::Gpu(Rc::clone(&gpu)), name, &folder, &folder);
        let whole = reviewed(name, &folder, &folder);
        for case in &whole.golden.cases {
            let (parted, whole) = (everything(&parted, case), everything(&whole, case));
            for (ours, theirs) in parted.activations.iter().zip(&whole.activations) {
                let difference = largest_difference(&ours.data, &theirs.data);
                assert!(difference <= 1e-3, "{name}: {} differs by {difference}", ours.hook);
            }
            for (ours, theirs) in parted.predictions.iter().zip(&whole.predictions) {
                let ids = |all: &[Candidate]| all.iter().map(|one| one.id).collect::<Vec<_>>();
                assert_eq!(ids(&ours.top), ids(&theirs.top), "{name}");
            }
        }
        let steps = pollster::block_on(async {
            parted.session.run(&RunRequest { text: "a".into(), ..RunRequest::default() }).await?;
            parted.session.kernels().await
        });
        let steps = steps.expect("it ran").dispatches;
        assert!(steps.iter().filter(|step| step.kernel == "embed").count() > 1, "{name} has one table");
    }
}

/// A file whose matrices are rounded as a GPU keeps them: opened again, in single precision.
fn rounded(files: &Files, weight_type: WeightType) -> Files {
    let header = Header::parse(&files.weights).expect("a header");
    let checkpoint = Checkpoint::read(&files.config, &header).expect("a checkpoint");
    let mut weights = files.weights.clone();
    for matrix in checkpoint.maps().into_iter().flatten() {
        let (rows, cols) = (matrix.rows, matrix.cols);
        assert_eq!(matrix.tensor.number_type, NumberType::F32);
        let begin = header.length() + matrix.tensor.bytes.start;
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

#[test]
fn rounded_weights_compute_what_a_reference_rounded_the_same_way_does() {
    let gpu = Rc::new(pollster::block_on(Gpu::new(None)).expect("there is a Vulkan adapter"));
    for name in ["bert-1-layer", "bert-old-names", "gpt-1-layer"] {
        let folder = root().join("tests/golden/checkpoints").join(name);
        let files = files(&folder);
        let golden: Golden = serde_json::from_slice(&read(&folder.join("golden.json"))).expect("a golden");
        let mut effects = Vec::new();
        for weight_type in [WeightType::F16, WeightType::Int8] {
            let ours = on_gpu(&gpu, name, &files, Some(weight_type)).expect("it loads");
            assert_eq!(ours.weights(), weight_type);
            let theirs =
                pollster::block_on(Session::on_cpu(name, rounded(&files, weight_type))).expect("it loads");
            let exact = pollster::block_on(Session::on_cpu(name, files.clone())).expect("it loads");
            let mut effect = 0.0_f32;
            for case in &golden.cases {
                let [ours, theirs, exact] = [&ours, &theirs, &exact].map(|session| {
                    let (text, text_b) = (case.text.clone(), case.text_b.clone());
                    run(
                        session,
                        &RunRequest { text, text_b, want: case.hooks.clone(), ..RunRequest::default() },
                    )
                });
                for ((ours, theirs), exact) in
                    ours.activations.iter().zip(&theirs.activations).zip(&exact.activations)
                {
                    let difference = largest_difference(&ours.data, &theirs.data);
                    assert!(
                        difference <= 1e-3,
                        "{name}, {weight_type:?}: {} differs by {difference}",
                        ours.hook
                    );
                    effect = effect.max(largest_difference(&theirs.data, &exact.data));
                }
            }
            effects.push(effect);
        }
        // Rounding is seen, and more of it is seen more.
        assert!(effects[0] > 0.0 && effects[1] > 2.0 * effects[0], "{name}: {effects:?}");
    }
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
    let model = |engine: &Engine, name: &str| {
        let golden = root().join("tests/golden/embedded").join(name);
        reviewed_on(engine, name, &root().join("assets/models").join(name), &golden).session
    };
    let refused = pollster::block_on(model(&cpu, "gpt").kernels()).expect_err("the CPU has no kernels");
    assert_eq!(refused.code, "no-kernels");
    for name in ["bert", "gpt"] {
        let session = model(&gpu, name);
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
    }
}

#[test]
fn what_the_run_before_computed_is_there_without_running_again() {
    let [_, gpu] = Engine::both();
    for Reviewed { name, session, golden, .. } in all(&gpu) {
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

#[test]
fn a_run_makes_nothing_on_the_gpu() {
    let gpu = Rc::new(pollster::block_on(Gpu::new(None)).expect("there is a Vulkan adapter"));
    let engine = Engine::Gpu(Rc::clone(&gpu));
    let mut compiled = None;
    for name in ["bert", "gpt"] {
        let models = root().join("assets/models").join(name);
        let model =
            reviewed_on(&engine, name, &models, &root().join("tests/golden/embedded").join(name)).session;
        let long = "The cat sat on the mat, and the dog [MASK] beside it. ".repeat(6);
        let want = Hook::all(model.card().family, model.card().layers);
        // Buffers for what is read back grow once, with the most that was ever asked for.
        run(&model, &RunRequest { text: long, want: want.clone(), ..RunRequest::default() });
        let made = gpu.made();
        assert!(made.pipelines > 0 && made.buffers > 0 && made.bind_groups > 0, "{made:?}");
        let before = compiled.replace(made.pipelines);
        assert!(
            before.is_none_or(|before| before == made.pipelines),
            "{name} finds the kernels of another compiled"
        );
        for text in
            ["The cat", "The cat [MASK] on the mat.", "One two three four five six seven eight nine ten"]
        {
            for want in [Vec::new(), vec![Hook::Pattern(0)], want.clone()] {
                for cached in [true, false] {
                    run(
                        &model,
                        &RunRequest {
                            text: text.into(),
                            want: want.clone(),
                            cached,
                            ..RunRequest::default()
                        },
                    );
                }
            }
        }
        assert_eq!(gpu.made(), made, "{name}: a run made something");
    }
}

#[test]
fn the_same_seed_gives_the_same_text_and_zero_temperature_the_most_probable() {
    let gpt = reviewed("gpt", &root().join("assets/models/gpt"), &root().join("tests/golden/embedded/gpt"));
    let generate = |sampling: Sampling| {
        let text = "Once upon a time".to_owned();
        let request = GenerateRequest { text, max_new_tokens: 12, sampling, want: Vec::new() };
        pollster::block_on(gpt.session.generate(&request)).expect("it generates")
    };
    let ids = |sampling| generate(sampling).iter().map(|step| step.token.id).collect::<Vec<_>>();
    let seeded = |seed| Sampling { temperature: 1.0, top_k: 40, top_p: 0.95, seed };
    assert_eq!(ids(seeded(7)), ids(seeded(7)));
    assert_ne!(ids(seeded(7)), ids(seeded(8)));
    for step in generate(Sampling { temperature: 0.0, ..Sampling::default() }) {
        assert_eq!(step.token.id, step.top[0].id);
    }
}

#[test]
fn the_same_seed_gives_the_same_text_on_every_engine() {
    let [cpu, gpu] = Engine::both();
    let folder = |name: &str| match name {
        "gpt" => (root().join("assets/models/gpt"), root().join("tests/golden/embedded/gpt")),
        _ => [(); 2].map(|()| root().join("tests/golden/checkpoints").join(name)).into(),
    };
    for name in ["gpt", "gpt-1-layer", "gpt-untied"] {
        let (model, golden) = folder(name);
        let on_cpu = reviewed_on(&cpu, name, &model, &golden).session;
        let on_gpu = reviewed_on(&gpu, name, &model, &golden).session;
        for (index, (temperature, top_k, top_p)) in
            [(0.0, 0, 1.0), (1.0, 0, 1.0), (0.7, 40, 1.0), (1.0, 0, 0.9), (1.3, 100, 0.95), (5.0, 0, 1.0)]
                .into_iter()
                .enumerate()
        {
            let sampling = Sampling { temperature, top_k, top_p, seed: index as u32 + 7 };
            let generate = |session: &Session, want: Vec<Hook>| {
                let text = "Once upon a time".to_owned();
                let request = GenerateRequest { text, max_new_tokens: 14, sampling, want };
                pollster::block_on(session.generate(&request)).expect("it generates")
            };
            // The GPU draws several at once unless something is to be recorded.
            let texts = [
                generate(&on_cpu, Vec::new()),
                generate(&on_gpu, Vec::new()),
                generate(&on_gpu, vec![Hook::FinalHidden]),
                generate(&on_gpu, Vec::new()),
            ];
            for other in &texts[1..] {
                assert_eq!(texts[0].len(), other.len());
                for (ours, theirs) in texts[0].iter().zip(other) {
                    assert_eq!(ours.token, theirs.token, "{name}, {sampling:?}");
                    assert_eq!(ours.top.len(), theirs.top.len());
                    for (ours, theirs) in ours.top.iter().zip(&theirs.top) {
                        assert!((ours.p - theirs.p).abs() < 1e-4, "{name}: {ours:?} is not {theirs:?}");
                    }
                }
            }
            // To ask what the GPU did, which is done once more for that, changes nothing.
            pollster::block_on(on_gpu.kernels()).expect("it ran");
            let again = generate(&on_gpu, Vec::new());
            assert!(again.iter().zip(&texts[1]).all(|(again, before)| again.token == before.token));
            // What the draws left in the cache serves a run.
            let mut drawn: Vec<u32> = texts[1].iter().map(|step| step.token.id).collect();
            drawn.pop();
            let request = |cached| RunRequest {
                text: "Once upon a time".to_owned(),
                drawn: drawn.clone(),
                want: vec![Hook::Logits],
                cached,
                ..RunRequest::default()
            };
            let (with, without) = (run(&on_gpu, &request(true)), run(&on_gpu, &request(false)));
            assert_eq!(with.computed, 1, "{name}: positions were computed again");
            let last = |run: &Run| {
                let logits = run.activation(Hook::Logits).expect("asked");
                logits.data[logits.data.len() - run.model.vocabulary..].to_vec()
            };
            let difference = largest_difference(&last(&with), &last(&without));
            assert!(difference <= TOLERANCE, "{name}: the cache is off by {difference}");
        }
        // To the end of what the model reads, and not beyond. In so long a text of the page's GPT one draw or another falls
        // between two candidates that only last digits tell apart; the most probable one is sure.
        let temperature = if name == "gpt" { 0.0 } else { 1.0 };
        let request = GenerateRequest {
            text: "Once".to_owned(),
            max_new_tokens: 400,
            sampling: Sampling { temperature, seed: 3, ..Sampling::default() },
            want: Vec::new(),
        };
        let [ours, theirs] = [&on_cpu, &on_gpu]
            .map(|session| pollster::block_on(session.generate(&request)).expect("it generates").len());
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn the_best_of_the_scores_are_those_of_all_scores() {
    let gpu = Engine::both()[1].clone();
    for reviewed in all(&gpu) {
        for case in &reviewed.golden.cases {
            for top_k in [1, 8, 64, 65, 1000] {
                let request = |want| RunRequest {
                    text: case.text.clone(),
                    text_b: case.text_b.clone(),
                    top_k,
                    want,
                    ..RunRequest::default()
                };
                let best = run(&reviewed.session, &request(Vec::new())).predictions;
                let hook = [Hook::Logits].into_iter().filter(|hook| case.hooks.contains(hook)).collect();
                let all = run(&reviewed.session, &request(hook)).predictions;
                assert_eq!(best.len(), all.len());
                for (best, all) in best.iter().zip(&all) {
                    assert_eq!((best.position, best.top.len()), (all.position, all.top.len()));
                    for (best, all) in best.top.iter().zip(&all.top) {
                        assert_eq!((best.id, &best.piece), (all.id, &all.piece), "{}", reviewed.name);
                        assert!((best.p - all.p).abs() < 1e-5, "{best:?} is not {all:?}");
                    }
                }
            }
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
    let bert =
        reviewed("bert", &root().join("assets/models/bert"), &root().join("tests/golden/embedded/bert"));
    let gpt = reviewed("gpt", &root().join("assets/models/gpt"), &root().join("tests/golden/embedded/gpt"));
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
    let bert =
        reviewed("bert", &root().join("assets/models/bert"), &root().join("tests/golden/embedded/bert"));
    let gpt = reviewed("gpt", &root().join("assets/models/gpt"), &root().join("tests/golden/embedded/gpt"));
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
