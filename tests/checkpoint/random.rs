//! Files of a checkpoint with changes at random: none makes its reader panic, take longer than a second, or allocate much more
//! than the file is long. The changes follow from a number, so that a failure comes again; a fixed set of them runs with the
//! tests, and `CLOZE_FUZZ_SECONDS=600 cargo test --test checkpoint random` goes on for as long as it says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use cloze::checkpoint::{merged_beginning, shard_names};
use cloze::tokenization::{TokenizationError, Tokenizer};
use cloze::trace::Family;

use super::memory::measured;
use super::{SLACK, load, read};

/// How many changed files of each kind run with the tests.
const ALWAYS: u64 = 90;

/// The longest that a reader may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a changed file; refusals are fine.
type Reader = fn(&[u8]);

/// A kind of file: its name, one that is sound, who reads it, and how many times its length may be allocated at once.
type Kind = (&'static str, Vec<u8>, Reader, usize);

fn kinds() -> Vec<Kind> {
    let merges = "#version: 0.2\nt h\nth e\na t\n\u{120} the\nc at\n".as_bytes().to_vec();
    let pieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\n.\n".as_bytes().to_vec();
    let ids = r#"{"t": 0, "h": 1, "e": 2, "th": 3, "the": 4, "a": 5, "at": 6, "c": 7, "cat": 8, "<|endoftext|>": 9}"#;
    let index = r#"{"metadata": {"total_size": 12}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
    vec![
        ("config.json of BERT", read("bert-3-heads", "config.json"), config_of_bert, 2),
        ("config.json of GPT-Neo", read("gpt-neo", "config.json"), config_of_gpt_neo, 2),
        ("model.safetensors of RoBERTa", read("roberta", "model.safetensors"), weights_of_roberta, 2),
        ("model.safetensors of GPT-2", read("gpt-int8", "model.safetensors"), weights_of_gpt, 2),
        ("tokenizer.json of BERT", read("bert-3-heads", "tokenizer.json"), tokenizer, 16),
        ("tokenizer.json of RoBERTa", read("roberta", "tokenizer.json"), tokenizer, 16),
        ("vocab.txt", pieces, |bytes| drop(used(Tokenizer::from_pieces(bytes, Some(bytes)))), 16),
        (
            "vocab.json",
            ids.into(),
            |bytes| drop(used(Tokenizer::from_merges(bytes, b"t h", Some(bytes)))),
            16,
        ),
        ("merges.txt", merges, |bytes| drop(used(Tokenizer::from_merges(IDS, bytes, None))), 16),
        ("model.safetensors.index.json", index.into(), |bytes| drop(shard_names(bytes)), 16),
        (
            "two model.safetensors",
            read("bert-3-heads", "model.safetensors"),
            |bytes| drop(merged_beginning(&[bytes.to_vec(), read("gpt-int8", "model.safetensors")])),
            16,
        ),
    ]
}

const IDS: &[u8] = br#"{"t": 0, "h": 1, "e": 2, "th": 3, "the": 4, "a": 5, "at": 6, "c": 7, "cat": 8}"#;

fn config_of_bert(bytes: &[u8]) {
    drop(load(bytes, &read("bert-3-heads", "model.safetensors"), true));
}

fn config_of_gpt_neo(bytes: &[u8]) {
    drop(load(bytes, &read("gpt-neo", "model.safetensors"), true));
}

fn weights_of_roberta(bytes: &[u8]) {
    let config = read("roberta", "config.json");
    drop(load(&config, bytes, false));
}

fn weights_of_gpt(bytes: &[u8]) {
    let config = read("gpt-int8", "config.json");
    drop(load(&config, bytes, true));
}

fn tokenizer(bytes: &[u8]) {
    drop(used(Tokenizer::parse(bytes)));
}

/// Splits a few texts.
fn used(tokenizer: Result<Tokenizer, TokenizationError>) -> Result<(), TokenizationError> {
    let tokenizer = tokenizer?;
    for family in [Family::Bert, Family::Gpt2] {
        for text in ["The [MASK] sat 😀 on the c\u{327}at", "", " ", "\u{0}"] {
            // Whoever asks for the other family's is refused.
            let _ = tokenizer.encode(family, text, None, 8);
        }
    }
    (0..300).for_each(|id| drop(tokenizer.piece(id)));
    Ok(())
}

/// Numbers that follow from a seed (Steele & Vigna 2021, "SplitMix64" of Java's SplittableRandom).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

/// What readers of JSON, of numbers and of texts stumble over.
const STUMBLING_BLOCKS: [&[u8]; 16] = [
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"\\ud800",
    b"\xff\xfe",
    b"\0\0\0\0\0\0\0\0",
    b"true",
];

/// The file with one to four changes.
fn changed(sound: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut bytes = sound.to_vec();
    for _ in 0..=dice.below(4) {
        // The beginning of a weights' file is where its structure is.
        let reach = if dice.below(2) == 0 { bytes.len().min(3000) } else { bytes.len() };
        let at = dice.below(reach);
        let length = dice.below(40).min(bytes.len() - at);
        let place = at..at + length;
        match dice.below(7) {
            0 if reach > 0 => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.drain(place)),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[place].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, again);
            }
            4 => bytes[place].reverse(),
            5 => {
                let block = STUMBLING_BLOCKS[dice.below(STUMBLING_BLOCKS.len())];
                bytes.splice(place, block.iter().copied());
            }
            _ => {
                let deep = ["[", "{\"a\":"][dice.below(2)].repeat(dice.below(300)).into_bytes();
                bytes.splice(at..at, deep);
            }
        }
    }
    bytes
}

fn check((what, sound, reader, times): &Kind, seed: u64) {
    let bytes = changed(sound, seed);
    let limit = times * bytes.len().max(sound.len()) + 4 * SLACK;
    let started = Instant::now();
    let (outcome, largest) = measured(|| catch_unwind(AssertUnwindSafe(|| reader(&bytes))));
    assert!(outcome.is_ok(), "{what}, change {seed}: it panicked");
    assert!(started.elapsed() < PATIENCE, "{what}, change {seed}: it took {:?}", started.elapsed());
    assert!(largest <= limit, "{what}, change {seed}: an allocation of {largest} bytes, for {}", bytes.len());
}

#[test]
fn files_with_changes_at_random_are_refused_or_read() {
    let seconds = std::env::var("CLOZE_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let kinds = kinds();
    let mut seed = 0;
    while seed < ALWAYS || Instant::now() < end {
        kinds.iter().for_each(|kind| check(kind, seed));
        seed += 1;
    }
    assert!(seed as usize * kinds.len() >= 500);
    println!("{} changed files", seed as usize * kinds.len());
}
