//! Damaged and hostile checkpoints: each is refused by a typed error or read as it stands; none panics, and none makes
//! the loader allocate much more than the file is long.

#![allow(clippy::expect_used, reason = "a test stops where something is amiss")]

mod memory;
mod random;

use std::panic::catch_unwind;
use std::path::PathBuf;

use burn::tensor::Device;
use cloze::checkpoint::{Arrived, Checkpoint, CheckpointError, Network, TensorStream};
use cloze::engine::protocol::Problem;
use cloze::models::{Bert, Gpt2, Weights};
use cloze::tokenization::{TokenizationError, Tokenizer};
use cloze::trace::Family;
use memory::measured;
use serde_json::{Map, Value, json};

/// What the loader may need besides the weights: the JSON of a header takes some sixteen times its length when it is
/// read, and headers here are of some 10 KB.
const SLACK: usize = 256 << 10;

const CHECKPOINTS: [&str; 9] = [
    "bert-3-heads",
    "bert-old-names",
    "bert-int8",
    "distilbert",
    "roberta",
    "gpt-no-prefix",
    "gpt-untied",
    "gpt-int8",
    "gpt-neo-local",
];

fn read(checkpoint: &str, file: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests/golden/checkpoints", checkpoint, file].iter().collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a checkpoint whose weights arrive in pieces, and makes a network of them; its length may have been announced.
fn load(config: &[u8], weights: &[u8], announced: bool) -> Result<Checkpoint, CheckpointError> {
    let mut stream = TensorStream::new(announced.then_some(weights.len() as u64));
    let mut model = None;
    for mut piece in weights.chunks(997) {
        while let Some(arrived) = stream.push(&mut piece)? {
            match (arrived, &mut model) {
                (Arrived::Header(header), _) => {
                    let checkpoint = Checkpoint::read(config, &header)?;
                    let weights = Weights::new(&checkpoint, &Device::flex())?;
                    model = Some((checkpoint, header, weights));
                }
                (Arrived::Tensor(key, bytes), Some((_, _, weights))) => weights.take(key, bytes)?,
                (Arrived::Tensor(..), None) => unreachable!("the header comes first"),
            }
        }
    }
    let short = CheckpointError::Truncated { expected: stream.taken() + 1, found: stream.taken() };
    let (checkpoint, header, arrived) = model.ok_or(short)?;
    header.check_length(stream.taken())?;
    match &checkpoint.network {
        Network::Bert { config, weights } => drop(Bert::new(config, weights, &arrived)?),
        Network::Gpt2 { config, weights } => drop(Gpt2::new(config, weights, &arrived)?),
    }
    Ok(checkpoint)
}

/// A checkpoint with something done to it.
struct Mutation {
    what: String,
    config: Vec<u8>,
    weights: Vec<u8>,
    /// The code of the problem that must come of it, and what it must name; none where any answer will do.
    expected: Option<(&'static str, String)>,
}

/// A checkpoint as it is, from which mutations are made.
struct Sound {
    name: &'static str,
    config: Vec<u8>,
    weights: Vec<u8>,
    header_length: usize,
    header: Map<String, Value>,
}

impl Sound {
    fn read(name: &'static str) -> Sound {
        let weights = read(name, "model.safetensors");
        let (length, rest) = weights.split_first_chunk::<8>().expect("a length");
        let header_length = u64::from_le_bytes(*length) as usize;
        let header = serde_json::from_slice(&rest[..header_length]).expect("a header");
        Sound { name, config: read(name, "config.json"), header, header_length, weights }
    }

    fn mutation(&self, what: String) -> Mutation {
        let what = format!("{}: {what}", self.name);
        Mutation { what, config: self.config.clone(), weights: self.weights.clone(), expected: None }
    }

    fn with_weights(&self, what: String, weights: Vec<u8>, code: Option<&'static str>) -> Mutation {
        Mutation { weights, expected: code.map(|code| (code, String::new())), ..self.mutation(what) }
    }

    /// The file with another header before the same values.
    fn with_header(
        &self,
        what: String,
        header: &Map<String, Value>,
        expected: Option<(&'static str, &str)>,
    ) -> Mutation {
        let text = serde_json::to_vec(header).expect("it is JSON");
        let mut weights = (text.len() as u64).to_le_bytes().to_vec();
        weights.extend(text);
        weights.extend(&self.weights[8 + self.header_length..]);
        let expected = expected.map(|(code, key)| (code, key.to_owned()));
        Mutation { weights, expected, ..self.mutation(what) }
    }

    /// The names of its tensors that are read.
    fn tensors(&self) -> impl Iterator<Item = &String> {
        let unread = |name: &str| {
            name.starts_with("__")
                || name.ends_with(".attn.bias")
                || name.ends_with("masked_bias")
                || name.ends_with("position_ids")
        };
        self.header.keys().filter(move |name| !unread(name))
    }
}

fn truncations(sound: &Sound, out: &mut Vec<Mutation>) {
    let whole = sound.weights.len();
    let data = 8 + sound.header_length;
    let lengths = [0, 1, 7, 8, 9, 100, data / 2, data - 1, data, data + 1, whole - 4, whole - 1];
    for length in lengths.into_iter().chain((1..12).map(|part| whole * part / 12)) {
        let weights = sound.weights[..length].to_vec();
        out.push(sound.with_weights(format!("cut to {length} bytes"), weights, Some("truncated")));
    }
    let longer = [sound.weights.as_slice(), &[0; 3]].concat();
    out.push(sound.with_weights("three bytes too many".to_owned(), longer, Some("corrupt-header")));
}

fn flipped_bytes(sound: &Sound, out: &mut Vec<Mutation>) {
    for step in 0..40 {
        let at = 8 + step * sound.header_length / 40;
        let mut weights = sound.weights.clone();
        weights[at] ^= 1 << (step % 8);
        out.push(sound.with_weights(format!("bit {} of header byte {at}", step % 8), weights, None));

        let at = step * sound.config.len() / 40;
        let mut mutation = sound.mutation(format!("bit {} of config byte {at}", step % 8));
        mutation.config[at] ^= 1 << (step % 8);
        out.push(mutation);
    }
    for (what, beginning) in
        [("a web page", "<!DOCTYPE html><html lang=en>"), ("a pickle", "PK\u{3}\u{4}archive/data.pkl")]
    {
        let weights = [beginning.as_bytes(), &sound.weights[..5000]].concat();
        out.push(sound.with_weights(what.to_owned(), weights, Some("not-safetensors")));
    }
}

fn header_lengths(sound: &Sound, out: &mut Vec<Mutation>) {
    let (whole, true_length) = (sound.weights.len() as u64, sound.header_length as u64);
    for (length, code) in [
        (u64::MAX, "not-safetensors"),
        (u64::MAX - 7, "not-safetensors"),
        (1 << 63, "not-safetensors"),
        (1 << 40, "not-safetensors"),
        (u64::from(u32::MAX), "not-safetensors"),
        (100_000_000, "not-safetensors"),
        (1 << 20, "truncated"),
        (whole - 7, "truncated"),
        (whole - 8, "corrupt-header"),
        (true_length + 1, "corrupt-header"),
        (true_length / 2, "corrupt-header"),
        (1, "corrupt-header"),
        (0, "corrupt-header"),
    ] {
        let mut weights = sound.weights.clone();
        weights[..8].copy_from_slice(&length.to_le_bytes());
        out.push(sound.with_weights(format!("a header of {length} bytes"), weights, Some(code)));
    }
}

fn hostile_headers(sound: &Sound, out: &mut Vec<Mutation>) {
    let name = sound.tensors().find(|name| name.contains("weight")).expect("a weight").clone();
    let mut push = |what: &str, part: &str, value: Value, code| {
        let mut header = sound.header.clone();
        header[&name][part] = value;
        let expected = Some((code, ""));
        out.push(sound.with_header(format!("{name}: {what}"), &header, expected));
    };
    let corrupt = "corrupt-header";
    push("a shape whose product overflows", "shape", json!([u64::MAX, u64::MAX]), corrupt);
    push("a shape whose bytes overflow", "shape", json!([u64::MAX / 4, 2]), corrupt);
    push("an absurd shape", "shape", json!([1u64 << 31, 1u64 << 20]), corrupt);
    push("an empty shape", "shape", json!([]), corrupt);
    push("a zero in its shape", "shape", json!([0, 7]), corrupt);
    push("a negative shape", "shape", json!([-1, 7]), corrupt);
    push("thousands of axes", "shape", json!(vec![1; 5000]), corrupt);
    push("offsets past the file", "data_offsets", json!([1u64 << 40, 1u64 << 41]), corrupt);
    push("offsets that overflow", "data_offsets", json!([u64::MAX - 1, u64::MAX]), corrupt);
    push("offsets back to front", "data_offsets", json!([64, 0]), corrupt);
    push("offsets that are text", "data_offsets", json!(["0", "64"]), corrupt);
    push("one offset", "data_offsets", json!([0]), corrupt);
    push("an unknown type", "dtype", json!("F7"), corrupt);
    push("a type of another size", "dtype", json!("F64"), corrupt);
    push("a type that is a number", "dtype", json!(16), corrupt);

    for (what, text) in [
        ("no object", "[1, 2, 3]"),
        ("an empty object", "{}"),
        ("tensors that are numbers", "{\"a\": 1}"),
        ("not UTF-8", "{\"\u{fffd}"),
    ] {
        let weights = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &[0; 64]].concat();
        out.push(sound.with_weights(format!("a header with {what}"), weights, None));
    }
    let nested = [b"{\"a\":".to_vec(), vec![b'['; 100_000]].concat();
    let weights = [&(nested.len() as u64).to_le_bytes(), nested.as_slice()].concat();
    out.push(sound.with_weights("a header nested 100,000 deep".to_owned(), weights, Some(corrupt)));
}

/// Every tensor that is read: away, renamed, turned round, of an unread type, and with a value that is no number.
fn tensors(sound: &Sound, out: &mut Vec<Mutation>) {
    for name in sound.tensors() {
        let mut header = sound.header.clone();
        let info = header.remove(name).expect("it is there");
        header.insert(format!("{name}_old"), info.clone());
        // A tied matrix that is missing is no failure; every other tensor is.
        let tied = name == "cls.predictions.decoder.weight" && sound.name == "bert-old-names";
        let expected = (!tied).then_some(("missing-tensor", ""));
        out.push(sound.with_header(format!("{name} renamed"), &header, expected));

        let mut shape: Vec<u64> = serde_json::from_value(info["shape"].clone()).expect("a shape");
        if shape.len() == 2 && shape[0] != shape[1] {
            shape.reverse();
            let mut header = sound.header.clone();
            header[name]["shape"] = json!(shape);
            // A square matrix may have a factor for each row as well as for each column.
            let scaled = name.strip_suffix("_scale").map(|matrix| &sound.header[matrix]["shape"]);
            let either = scaled.is_some_and(|shape| shape[0] == shape[1]);
            let expected = (!either).then_some(("wrong-shape", name.as_str()));
            out.push(sound.with_header(format!("{name} turned round"), &header, expected));
        }
        let mut header = sound.header.clone();
        header[name]["shape"] = json!(std::iter::once(1).chain(shape).collect::<Vec<u64>>());
        out.push(sound.with_header(
            format!("{name} with an axis more"),
            &header,
            Some(("wrong-shape", name)),
        ));

        let integer = match info["dtype"].as_str() {
            Some("F32") => "I32",
            Some("I8") => "U8",
            _ => "I16",
        };
        let mut header = sound.header.clone();
        header[name]["dtype"] = json!(integer);
        out.push(sound.with_header(
            format!("{name} as {integer}"),
            &header,
            Some(("unsupported-dtype", name)),
        ));

        // Every whole number is one.
        if info["dtype"] == "I8" {
            continue;
        }
        let end = info["data_offsets"][1].as_u64().expect("an offset") as usize;
        let mut mutation = sound.mutation(format!("{name} ends with a value that is no number"));
        let at = 8 + sound.header_length + end;
        mutation.weights[at - 2..at].copy_from_slice(&[0xff, 0xff]);
        mutation.expected = Some(("not-finite", name.clone()));
        out.push(mutation);
    }
}

/// Every size of the configuration: away, zero, absurd, and larger than the file holds.
fn sizes(sound: &Sound, out: &mut Vec<Mutation>) {
    let config: Map<String, Value> = serde_json::from_slice(&sound.config).expect("a configuration");
    let keys: &[&str] = match config["model_type"].as_str() {
        Some("bert" | "roberta") => &[
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        ],
        Some("distilbert") => {
            &["vocab_size", "dim", "n_layers", "n_heads", "hidden_dim", "max_position_embeddings"]
        }
        Some("gpt_neo") => {
            &["vocab_size", "hidden_size", "num_layers", "num_heads", "max_position_embeddings"]
        }
        _ => &["vocab_size", "n_embd", "n_layer", "n_head", "n_positions"],
    };
    for key in keys {
        for (value, code) in [
            (json!(0), Some("bad-config")),
            (json!(-1), Some("bad-config")),
            (json!(1.5), Some("bad-config")),
            (json!("12"), Some("bad-config")),
            (json!(1u64 << 53), Some("bad-config")),
            (json!(u64::MAX), Some("bad-config")),
            (json!(9973), None),
        ] {
            let mut config = config.clone();
            let what = format!("{key} is {value}");
            config.insert((*key).to_owned(), value);
            let config = serde_json::to_vec(&config).expect("it is JSON");
            let expected = code.map(|code| (code, (*key).to_owned()));
            out.push(Mutation { config, expected, ..sound.mutation(what) });
        }
        let mut config = config.clone();
        config.remove(*key);
        let config = serde_json::to_vec(&config).expect("it is JSON");
        let expected = Some(("bad-config", (*key).to_owned()));
        out.push(Mutation { config, expected, ..sound.mutation(format!("no {key}")) });
    }
    for length in [0, 1, sound.config.len() / 2, sound.config.len() - 3] {
        let config = sound.config[..length].to_vec();
        let expected = Some(("config-not-json", String::new()));
        out.push(Mutation { config, expected, ..sound.mutation(format!("config cut to {length} bytes")) });
    }
}

fn check(mutation: &Mutation) {
    let Mutation { what, config, weights, expected } = mutation;
    let limit = 2 * weights.len().max(config.len()) + SLACK;
    let [announced, unannounced] = [true, false].map(|announced| {
        let (outcome, largest) = measured(|| catch_unwind(|| load(config, weights, announced)));
        assert!(
            largest <= limit,
            "{what}: an allocation of {largest} bytes, for a file of {}",
            weights.len()
        );
        let result = outcome.unwrap_or_else(|_| panic!("{what}: it panicked"));
        if let Err(error) = &result {
            says_what_to_do(error.file(), &error.to_string());
        }
        result
    });
    // That the file is too short or too long may be seen before or after what is in it.
    let codes = [&announced, &unannounced]
        .map(|result| result.as_ref().err().map(|error| Problem::from(error.clone()).code));
    let of_length = |code: &Option<String>| {
        code.as_ref().is_some_and(|code| ["truncated", "corrupt-header"].contains(&code.as_str()))
    };
    assert!(codes[0] == codes[1] || codes.iter().any(of_length), "{what}: {codes:?}");
    let Some((code, key)) = expected else { return };
    let error = announced.err().unwrap_or_else(|| panic!("{what}: it was read"));
    let sentence = error.to_string();
    assert!(sentence.contains(key.as_str()), "{what}: {sentence}");
    let problem = Problem::from(error);
    assert_eq!(problem.code, *code, "{what}: {sentence}");
    assert!(problem.args.contains_key("file"), "{what}: {problem:?}");
}

/// A sentence names the file and ends with advice.
fn says_what_to_do(file: &str, sentence: &str) {
    assert!(sentence.contains(file), "{sentence}");
    assert!(sentence.ends_with('.') && sentence.len() < 400, "{sentence}");
}

#[test]
fn a_damaged_checkpoint_is_refused_or_read_but_never_panics_or_fills_the_memory() {
    let mut mutations = Vec::new();
    for name in CHECKPOINTS {
        let sound = Sound::read(name);
        load(&sound.config, &sound.weights, true).expect("it is sound");
        for mutate in [truncations, flipped_bytes, header_lengths, hostile_headers, tensors, sizes] {
            mutate(&sound, &mut mutations);
        }
    }
    mutations.iter().for_each(check);
    assert!(mutations.len() >= 1000, "only {} mutations", mutations.len());
}

#[test]
fn a_small_file_that_claims_to_be_a_large_model_costs_nothing() {
    let config = json!({"model_type": "bert", "vocab_size": 1_000_000, "hidden_size": 16_384, "num_hidden_layers": 500,
        "num_attention_heads": 128, "intermediate_size": 65_536, "max_position_embeddings": 100_000});
    let config = serde_json::to_vec(&config).expect("it is JSON");
    let weights = read("bert-3-heads", "model.safetensors");
    let (result, largest) = measured(|| load(&config, &weights, true));
    assert!(matches!(result, Err(CheckpointError::WrongShape { .. })), "{result:?}");
    assert!(largest < SLACK, "{largest} bytes");
}

/// The weights of `gpt-1-layer`: width 36, 283 pieces, 20 positions, 50 wide inside the MLP; the head is tied.
const GPT_1_LAYER: usize = {
    let (embeddings, norms) = ((283 + 20) * 36, 3 * 2 * 36);
    let attention = (36 * 108 + 108) + (36 * 36 + 36);
    embeddings + norms + attention + (36 * 50 + 50) + (50 * 36 + 36)
};

/// The weights of `gpt-neo`: width 32, 281 pieces, 20 positions, two blocks; queries, keys and values have no bias.
const GPT_NEO: usize = {
    let (embeddings, norms) = ((281 + 20) * 32, 5 * 2 * 32);
    let attention = 3 * 32 * 32 + (32 * 32 + 32);
    embeddings + norms + 2 * (attention + (32 * 128 + 128) + (128 * 32 + 32))
};

#[test]
fn every_spelling_of_a_checkpoint_is_read() {
    for (name, family, parameters) in [
        ("bert-1-layer", Family::Bert, None),
        ("bert-old-names", Family::Bert, None),
        ("bert-untied", Family::Bert, None),
        ("bert-no-heads", Family::Bert, None),
        ("distilbert", Family::Bert, None),
        ("distilbert-no-head", Family::Bert, None),
        ("distilbert-untied", Family::Bert, None),
        ("roberta", Family::Bert, None),
        ("roberta-untied", Family::Bert, None),
        ("roberta-no-head", Family::Bert, None),
        ("gpt-1-layer", Family::Gpt2, Some(GPT_1_LAYER)),
        ("gpt-no-prefix", Family::Gpt2, None),
        ("gpt-neo", Family::Gpt2, Some(GPT_NEO)),
        ("gpt-neo-local", Family::Gpt2, None),
    ] {
        let loaded = load(&read(name, "config.json"), &read(name, "model.safetensors"), true)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.family(), family, "{name}");
        if let Some(parameters) = parameters {
            assert_eq!(loaded.parameters(), parameters, "{name}");
        }
        check_heads(name, &loaded);
    }
}

/// What a checkpoint has beyond its blocks.
fn check_heads(name: &str, loaded: &Checkpoint) {
    match &loaded.network {
        Network::Bert { weights, .. } => {
            let (headless, distilled) = (name.contains("-no-head"), name.starts_with("distilbert"));
            let roberta = name.starts_with("roberta");
            assert_eq!(weights.mlm.is_none(), headless, "{name}");
            assert_eq!(weights.nsp.is_none(), headless || distilled || roberta, "{name}");
            assert_eq!(weights.pooler.is_none(), distilled || (roberta && !headless), "{name}");
            assert_eq!(weights.token_type.is_none(), distilled, "{name}");
            let untied = weights.mlm.as_ref().is_some_and(|head| head.decoder.is_some());
            // One of these keeps the word table once more, as older files do.
            assert_eq!(
                untied,
                ["bert-untied", "bert-old-names", "distilbert-untied", "roberta-untied"].contains(&name),
                "{name}"
            );
        }
        Network::Gpt2 { weights, .. } => {
            assert_eq!(weights.lm_head.is_some(), name == "gpt-untied", "{name}")
        }
    }
}

#[test]
fn a_head_that_the_architecture_promises_is_missed() {
    let sound = Sound::read("bert-3-heads");
    for (gone, key) in
        [("cls.predictions.", "cls.predictions."), ("cls.seq_relationship.", "cls.seq_relationship.")]
    {
        let header =
            sound.header.iter().map(|(name, info)| (name.replace(gone, "unread."), info.clone())).collect();
        check(&sound.with_header(format!("no {gone}"), &header, Some(("missing-tensor", key))));
    }
}

/// A `tokenizer.json` with something done to it.
fn garbled_tokenizers() -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for name in ["bert-3-heads", "gpt-1-layer"] {
        let sound = read(name, "tokenizer.json");
        for part in 0..24 {
            let at = sound.len() * part / 24;
            out.push((format!("{name}: cut to {at} bytes"), sound[..at].to_vec()));
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (part % 7);
            out.push((format!("{name}: bit {} of byte {at}", part % 7), flipped));
        }
        let file: Value = serde_json::from_slice(&sound).expect("it is JSON");
        let deep = (0..60)
            .fold(json!({"type": "NFC"}), |part, _| json!({"type": "Sequence", "normalizers": [part]}));
        for (pointer, value) in [
            ("/version", json!("9.9")),
            ("/model", json!(null)),
            ("/model", json!({"type": "Unigram", "vocab": []})),
            ("/model/type", json!("WordLevel")),
            ("/model/vocab", json!({})),
            ("/model/vocab", json!({"[CLS]": 0, "[SEP]": 1})),
            ("/model/vocab", json!({"a": u32::MAX, "[UNK]": 4_294_967_294u32})),
            ("/model/vocab", json!({"a": -1})),
            ("/model/vocab", json!(["a", "b"])),
            ("/model/max_input_chars_per_word", json!(u64::MAX)),
            ("/model/continuing_subword_prefix", json!("😀😀😀😀")),
            ("/model/end_of_word_suffix", json!("</w>")),
            ("/model/unk_token", json!("nowhere")),
            ("/model/merges", json!(["a"])),
            ("/model/merges", json!([["nowhere", "at all"]])),
            ("/model/dropout", json!(0.5)),
            ("/added_tokens", json!({})),
            ("/added_tokens", json!([{"id": u32::MAX, "content": "x"}])),
            (
                "/added_tokens",
                json!([{"id": 3, "content": "[MASK]", "single_word": true, "lstrip": true, "rstrip": true,
                "normalized": true, "special": false}]),
            ),
            ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"})),
            ("/normalizer", json!({"type": "Replace", "pattern": {"Regex": "(a*)*b"}, "content": ""})),
            ("/normalizer", json!({"type": "NFC", "rest": [1, 2, 3]})),
            ("/normalizer", json!({})),
            ("/normalizer", deep),
            ("/pre_tokenizer", json!(null)),
            (
                "/pre_tokenizer",
                json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Removed", "invert": false}),
            ),
            ("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": 7})),
            ("/truncation", json!({"max_length": 0, "strategy": "LongestFirst", "stride": 7})),
            ("/padding", json!({"strategy": {"Fixed": 4_000_000_000u64}})),
            (
                "/post_processor",
                json!({"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
            ),
        ] {
            let mut file = file.clone();
            let Some(place) = file.pointer_mut(pointer) else { continue };
            let what = format!("{name}: {pointer} is {value}");
            *place = value;
            out.push((what, serde_json::to_vec(&file).expect("it is JSON")));
        }
    }
    out
}

#[test]
fn a_garbled_tokenizer_is_refused_or_read_but_never_panics_or_fills_the_memory() {
    let mut refused = 0;
    let all = garbled_tokenizers();
    for (what, bytes) in &all {
        // The crate keeps a vocabulary as several tables, each with room to grow.
        let limit = 16 * bytes.len() + (1 << 20);
        let (outcome, largest) = measured(|| {
            catch_unwind(|| {
                let tokenizer = Tokenizer::parse(bytes)?;
                for family in [Family::Bert, Family::Gpt2] {
                    for text in ["The [MASK] sat 😀 on the c\u{327}at", "", " ", "\u{0}"] {
                        match tokenizer.encode(family, text, None, 8) {
                            Ok(_) | Err(TokenizationError::Failed { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                (0..300).for_each(|id| drop(tokenizer.piece(id)));
                Ok::<_, TokenizationError>(())
            })
        });
        assert!(largest <= limit, "{what}: an allocation of {largest} bytes, for a file of {}", bytes.len());
        if let Err(error) = outcome.unwrap_or_else(|_| panic!("{what}: it panicked")) {
            says_what_to_do("tokenizer.json", &error.to_string());
            assert!(!Problem::from(error).code.is_empty());
            refused += 1;
        }
    }
    assert!(all.len() > 100 && refused > all.len() / 2, "{refused} of {} were refused", all.len());
}
