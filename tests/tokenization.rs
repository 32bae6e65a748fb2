//! Texts become the tokens that Hugging Face makes of them, and every span cuts the original text where its piece stands.

#![allow(clippy::expect_used, reason = "a test stops where something is amiss")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloze::tokenization::{Encoding, TokenizationError, Tokenizer};
use cloze::trace::{Family, Token};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    family: Family,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    text: String,
    text_b: Option<String>,
    tokens: Vec<Token>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn tokenizer(checkpoint: &str) -> Tokenizer {
    let path = root().join("tests/golden/checkpoints").join(checkpoint).join("tokenizer.json");
    Tokenizer::parse(&read(&path)).unwrap_or_else(|error| panic!("{checkpoint}: {error}"))
}

/// The folders in `folder`.
fn folders(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
    entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir()).collect()
}

/// A model that reads anything.
const PLENTY: usize = 100_000;

fn encode(tokenizer: &Tokenizer, family: Family, text: &str) -> Vec<Token> {
    let Encoding { tokens, truncated } =
        tokenizer.encode(family, text, None, PLENTY).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(truncated, 0);
    tokens
}

/// Texts of many scripts, with what makes spans go wrong: characters of several bytes, marks that combine, emoji of
/// several characters, lower case of another length, white space of all kinds.
const TEXTS: [&str; 22] = [
    "",
    " ",
    "\t\n  \u{3000}",
    "The cat sat on the mat.",
    "  The   cat  ",
    "isn't it? \"Yes\", he said; (no!)",
    "Voilà, ça va: Ça ne va pas. ÀÉÎÕÜ",
    "C\u{327}a e\u{301}te\u{301}",
    "İstanbul'da Iğdır",
    "ẞtraße GROẞ",
    "我们在河边喝咖啡。",
    "我们 drank 咖啡 by the 河",
    "القطة جلست على السجادة",
    "החתול ישב על המחצלת",
    "बिल्ली चटाई पर बैठी",
    "고양이가 매트 위에 앉았다",
    "😀😀 👍🏽 a👨‍👩‍👧‍👦b 🇫🇷",
    "Z̸̢͝a̷l̶g̵o̷",
    "a\u{0}b\u{fffd}c\u{200b}d\u{feff}e\u{ad}f",
    "ﬁne ﬂow ①② ½",
    "snake_case camelCase https://example.org/a?b=c#d 3.14 1,000",
    "𝕳𝖊𝖑𝖑𝖔 \u{1f1e6}\u{200d}\u{2640}\u{fe0f}",
];

#[test]
fn tokens_are_those_of_hugging_face() {
    let checkpoints = folders("tests/golden/checkpoints").into_iter().map(|folder| (folder.clone(), folder));
    let embedded = folders("tests/golden/embedded").into_iter().map(|golden| {
        let model = root().join("assets/models").join(golden.file_name().expect("a name"));
        (golden, model)
    });
    let mut compared = 0;
    for (golden, model) in checkpoints.chain(embedded) {
        let tokenizer = Tokenizer::parse(&read(&model.join("tokenizer.json"))).expect("it is sound");
        let golden: Golden =
            serde_json::from_slice(&read(&golden.join("golden.json"))).expect("as make.py writes it");
        for case in &golden.cases {
            let ours = tokenizer
                .encode(golden.family, &case.text, case.text_b.as_deref(), PLENTY)
                .expect("it is text");
            assert_eq!(ours.tokens, case.tokens, "{}: {:?}", model.display(), case.text);
            compared += 1;
        }
    }
    assert!(compared >= 16, "only {compared} texts were compared");
}

#[derive(Deserialize)]
struct Lines {
    lines: Vec<String>,
    split: BTreeMap<String, Vec<Split>>,
}

#[derive(Deserialize)]
struct Split {
    ids: Vec<u32>,
    /// The beginning and the end of each token, in bytes.
    spans: Vec<usize>,
}

/// The pieces of a `tokenizer.json`, in the order of their ids.
fn pieces(json: &Value) -> Vec<&str> {
    let vocabulary = json["model"]["vocab"].as_object().expect("it has a vocabulary");
    let mut pieces: Vec<(&str, u64)> =
        vocabulary.iter().map(|(piece, id)| (piece.as_str(), id.as_u64().expect("an id"))).collect();
    pieces.sort_by_key(|(_, id)| *id);
    pieces.into_iter().map(|(piece, _)| piece).collect()
}

/// Every kind of vocabulary, in the newer form and in the older ones, splits 300 lines as the Python library does.
#[test]
fn every_kind_of_vocabulary_splits_lines_as_the_python_library_does() {
    let folder = root().join("tests/golden/tokenizers");
    let golden: Lines =
        serde_json::from_slice(&read(&folder.join("lines.json"))).expect("as make.py writes it");
    assert_eq!(golden.lines.len(), 300);
    let json = |path: PathBuf| -> Value { serde_json::from_slice(&read(&path)).expect("it is JSON") };
    let bert = json(root().join("assets/models/bert/tokenizer.json"));
    let gpt = json(root().join("assets/models/gpt/tokenizer.json"));
    let marked = json(folder.join("byte-level-marked.tokenizer.json"));

    let whole = |json: &Value| Tokenizer::parse(json.to_string().as_bytes());
    let older_bert = |settings: Option<&str>| {
        Tokenizer::from_pieces(pieces(&bert).join("\n").as_bytes(), settings.map(str::as_bytes))
    };
    let older_bpe = |json: &Value| {
        let merges = json["model"]["merges"].as_array().expect("it has merges");
        let pair = |merge: &Value| match merge {
            Value::Array(pair) => {
                format!("{} {}", pair[0].as_str().expect("a piece"), pair[1].as_str().expect("a piece"))
            }
            merge => merge.as_str().expect("a pair").to_owned(),
        };
        let merges: Vec<String> = merges.iter().map(pair).collect();
        let merges = format!("#version: 0.2\n{}\n", merges.join("\n"));
        Tokenizer::from_merges(json["model"]["vocab"].to_string().as_bytes(), merges.as_bytes(), None)
    };
    for (kind, family, tokenizer) in [
        ("wordpiece", Family::Bert, whole(&bert)),
        ("wordpiece", Family::Bert, older_bert(None)),
        ("wordpiece-cased", Family::Bert, older_bert(Some(r#"{"do_lower_case": false}"#))),
        (
            "wordpiece-accents",
            Family::Bert,
            older_bert(Some(r#"{"strip_accents": false, "tokenize_chinese_chars": false}"#)),
        ),
        ("byte-level", Family::Gpt2, whole(&gpt)),
        ("byte-level", Family::Gpt2, older_bpe(&gpt)),
        ("byte-level-marked", Family::Bert, whole(&marked)),
        ("byte-level-marked", Family::Bert, older_bpe(&marked)),
    ] {
        let tokenizer = tokenizer.unwrap_or_else(|error| panic!("{kind}: {error}"));
        for (line, split) in golden.lines.iter().zip(&golden.split[kind]) {
            let tokens = encode(&tokenizer, family, line);
            let of_line = tokens.iter().filter(|token| token.word.is_some());
            let ids: Vec<u32> = of_line.clone().map(|token| token.id).collect();
            let spans: Vec<usize> = of_line.flat_map(|token| [token.start, token.end]).collect();
            assert_eq!((&ids, &spans), (&split.ids, &split.spans), "{kind}: {line:?}");
        }
    }
}

#[test]
fn older_files_that_are_something_else_are_named() {
    for (file, tokenizer) in [
        ("vocab.txt", Tokenizer::from_pieces(b"[UNK]\n\xff", None)),
        ("vocab.json", Tokenizer::from_merges(b"<html>", b"a b", None)),
        ("merges.txt", Tokenizer::from_merges(b"{\"a\": 0}", b"#version: 0.2\nabc", None)),
        ("merges.txt", Tokenizer::from_merges(b"{\"a\": 0}", b"\xff", None)),
    ] {
        match tokenizer {
            Err(TokenizationError::BadVocabulary { file: named, .. }) => assert_eq!(named, file),
            other => panic!("{file}: {other:?}"),
        }
    }
    // Pieces without BERT's own tokens, and merges of pieces that are not there.
    assert!(matches!(Tokenizer::from_pieces(b"a\nb", None), Err(TokenizationError::MissingPiece { .. })));
    assert!(Tokenizer::from_merges(b"{\"a\": 0}", b"a b", None).is_err());
}

/// What holds for any text and any tokenizer.
fn check_spans(text: &str, tokens: &[Token]) {
    let mut last = (0, 0);
    let mut next_word = 0;
    for token in tokens {
        assert!(token.start <= token.end, "{text:?}: {token:?}");
        assert!(text.get(token.start..token.end).is_some(), "{text:?}: {token:?} cuts a character");
        assert!(token.start >= last.0 && token.end >= last.1, "{text:?}: {token:?} goes back");
        last = (token.start, token.end);
        match token.word {
            Some(word) => {
                assert!(word == next_word || word + 1 == next_word, "{text:?}: {token:?} skips a word");
                next_word = word + 1;
            }
            None => assert!(token.special && token.start == token.end, "{text:?}: {token:?} is no word"),
        }
    }
}

#[test]
fn a_word_of_berts_cut_out_by_its_spans_is_the_same_word() {
    let tokenizer = tokenizer("bert-untied");
    let mut words = 0;
    for text in TEXTS {
        let tokens = encode(&tokenizer, Family::Bert, text);
        check_spans(text, &tokens);
        let count = tokens.iter().filter_map(|token| token.word).max().map_or(0, |last| last + 1);
        for word in 0..count {
            let of_word: Vec<&Token> = tokens.iter().filter(|token| token.word == Some(word)).collect();
            for pair in of_word.windows(2) {
                // Between pieces lies nothing, or accents that BERT strips: of these alone it makes no token.
                let gap = &text[pair[0].end..pair[1].start];
                assert_eq!(encode(&tokenizer, Family::Bert, gap).len(), 2, "{text:?}: {gap:?} was left out");
            }
            let span = of_word[0].start..of_word[of_word.len() - 1].end;
            let alone = encode(&tokenizer, Family::Bert, &text[span.clone()]);
            let ids = |tokens: &[&Token]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
            let alone: Vec<&Token> = alone.iter().filter(|token| token.word.is_some()).collect();
            assert_eq!(ids(&of_word), ids(&alone), "{text:?}: {:?}", &text[span]);
            words += 1;
        }
    }
    assert!(words > 80, "only {words} words were cut out");
}

#[test]
fn the_spans_of_gpts_pieces_cover_the_text_and_cut_out_what_they_say() {
    let tokenizer = tokenizer("gpt-1-layer");
    for text in TEXTS {
        let tokens = encode(&tokenizer, Family::Gpt2, text);
        check_spans(text, &tokens);
        let mut covered = 0;
        for token in &tokens {
            assert!(token.start <= covered && token.end >= covered, "{text:?}: {token:?} leaves a gap");
            covered = token.end;
            let whole = !token.piece.contains('\u{fffd}');
            assert!(!whole || token.piece == text[token.start..token.end], "{text:?}: {token:?}");
        }
        assert_eq!(covered, text.len(), "{text:?} is not covered");
    }
}

#[test]
fn the_mask_that_is_typed_is_the_mask() {
    // The first tokenizer lists no added tokens at all; the second lists them as usual.
    for name in ["bert-3-heads", "bert-1-layer"] {
        let tokenizer = tokenizer(name);
        let mask = tokenizer.mask_id().expect("BERT has one");
        for (text, starts) in [
            ("The cat [MASK] on the mat", vec![8]),
            ("[MASK]", vec![0]),
            ("the[MASK]cat", vec![3]),
            ("😀[MASK][MASK] é[MASK]", vec![4, 10, 19]),
            ("the [mask] and [MASK", vec![]),
        ] {
            let tokens = encode(&tokenizer, Family::Bert, text);
            let masks: Vec<&Token> = tokens.iter().filter(|token| token.id == mask).collect();
            assert_eq!(masks.iter().map(|token| token.start).collect::<Vec<_>>(), starts, "{name}: {text}");
            for token in masks {
                assert!(token.special && token.word.is_some(), "{name}: {token:?}");
                assert_eq!((token.piece.as_str(), &text[token.start..token.end]), ("[MASK]", "[MASK]"));
            }
        }
    }
}

#[test]
fn the_end_of_text_that_is_typed_is_one_token() {
    let tokenizer = tokenizer("gpt-1-layer");
    let tokens = encode(&tokenizer, Family::Gpt2, "the cat<|endoftext|>The");
    let end: Vec<&Token> =
        tokens.iter().filter(|token| Some(token.id) == tokenizer.end_of_text_id()).collect();
    assert_eq!(end.len(), 1);
    assert!(end[0].special && end[0].piece == "<|endoftext|>");
    let after = tokens.last().expect("there is more");
    assert!(after.word > end[0].word, "what follows is another word");
}

#[test]
fn what_does_not_fit_is_cut_off_the_end_and_counted() {
    let bert = tokenizer("bert-untied");
    let text = "the cat the cat the cat the cat";
    let whole = encode(&bert, Family::Bert, text).len();
    for max in 2..whole + 3 {
        let Encoding { tokens, truncated } =
            bert.encode(Family::Bert, text, None, max).expect("there is room");
        assert_eq!(tokens.len(), whole.min(max));
        assert_eq!(truncated, whole.saturating_sub(max));
        let ends = (tokens.first().map(|token| token.id), tokens.last().map(|token| token.id));
        assert_eq!(ends, (bert.cls_id(), bert.sep_id()), "[CLS] and [SEP] stay");
    }
    let gpt = tokenizer("gpt-1-layer");
    let whole = encode(&gpt, Family::Gpt2, text);
    for max in 0..whole.len() + 2 {
        let Encoding { tokens, truncated } =
            gpt.encode(Family::Gpt2, text, None, max).expect("there is room");
        assert_eq!(tokens, whole[..whole.len().min(max)]);
        assert_eq!(truncated, whole.len().saturating_sub(max));
    }
}

#[test]
fn of_a_pair_the_longer_text_is_cut_first() {
    let tokenizer = tokenizer("bert-untied");
    let (long, short) = ("the the the the the the the", "cat cat");
    for (first, second, max, lengths) in [
        (long, short, 12, [7, 2]),
        (long, short, 9, [4, 2]),
        (short, long, 9, [2, 4]),
        (long, short, 6, [2, 1]),
        (long, long, 10, [3, 4]),
        (long, short, 3, [0, 0]),
    ] {
        let Encoding { tokens, truncated } =
            tokenizer.encode(Family::Bert, first, Some(second), max).expect("there is room");
        let of_segment = |segment| tokens.iter().filter(|t| t.segment == segment && t.word.is_some()).count();
        let total = |lengths: [usize; 2]| lengths[0] + lengths[1];
        assert_eq!(total([of_segment(0), of_segment(1)]), total(lengths), "{first} | {second}, {max}");
        assert!(of_segment(0).abs_diff(lengths[0]) <= 1, "{first} | {second}, {max}");
        assert_eq!(truncated, 9 + usize::from(second.len() > 7 && first.len() > 7) * 5 - total(lengths));
        assert_eq!(tokens.len(), total(lengths) + 3);
    }
}

#[test]
fn a_pair_has_two_segments_and_words_are_counted_through() {
    let tokenizer = tokenizer("bert-untied");
    let (first, second) = ("The 😀 cat.", "Ça, cat");
    let Encoding { tokens, .. } =
        tokenizer.encode(Family::Bert, first, Some(second), PLENTY).expect("it is text");
    let seps: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| Some(token.id) == tokenizer.sep_id())
        .map(|(i, _)| i)
        .collect();
    assert_eq!(seps.len(), 2);
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(token.segment, u8::from(index > seps[0]), "{token:?}");
        let text = if token.segment == 0 { first } else { second };
        assert!(text.get(token.start..token.end).is_some(), "{token:?}");
    }
    let words: Vec<usize> = tokens.iter().filter_map(|token| token.word).collect();
    assert!(words.is_sorted() && words.first() == Some(&0) && words.last() == Some(&6), "{words:?}");
}

#[test]
fn text_without_words_is_its_special_tokens() {
    let bert = tokenizer("bert-untied");
    for text in ["", " ", "\t\n \u{3000}"] {
        let tokens = encode(&bert, Family::Bert, text);
        assert_eq!(tokens.len(), 2, "{text:?}");
        assert!(tokens.iter().all(|token| token.special && token.word.is_none()));
    }
    let gpt = tokenizer("gpt-1-layer");
    assert!(encode(&gpt, Family::Gpt2, "").is_empty());
    assert_eq!(encode(&gpt, Family::Gpt2, " ")[0].piece, " ");
}

#[test]
fn ten_thousand_characters_take_no_time() {
    let n = 10_000;
    let texts = [
        "the cat ".repeat(n / 8),
        "a".repeat(n),
        " ".repeat(n),
        "😀".repeat(n),
        "a\u{301}".repeat(n),
        "\n!".repeat(n),
    ];
    let (bert, gpt) = (tokenizer("bert-untied"), tokenizer("gpt-1-layer"));
    for text in &texts {
        for (tokenizer, family) in [(&bert, Family::Bert), (&gpt, Family::Gpt2)] {
            let start = Instant::now();
            let encoding = tokenizer.encode(family, text, None, 256).expect("it is text");
            let time = start.elapsed();
            assert!(encoding.tokens.len() <= 256);
            // Some 20 ms on an idle machine; what must not be is time that grows with the square.
            assert!(
                time < Duration::from_secs(2),
                "{:?}… took {time:?}",
                text.chars().take(8).collect::<String>()
            );
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let (bert, gpt) = (tokenizer("bert-untied"), tokenizer("gpt-1-layer"));
    let long = "a".repeat((1 << 20) + 1);
    for (result, what) in [
        (bert.encode(Family::Bert, &long, None, 256), "bytes"),
        (bert.encode(Family::Bert, "a", None, 1), "special tokens"),
        (bert.encode(Family::Bert, "a", Some("b"), 2), "special tokens"),
        (gpt.encode(Family::Gpt2, "a", Some("b"), 20), "pair"),
    ] {
        let error = result.expect_err(what);
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_vocabulary_must_fit_its_model() {
    let (bert, gpt) = (tokenizer("bert-untied"), tokenizer("gpt-1-layer"));
    assert_eq!((bert.vocab_size(), gpt.vocab_size()), (151, 283));
    assert_eq!(bert.check_vocabulary(Family::Bert, 151), Ok(()));
    assert_eq!(bert.check_vocabulary(Family::Bert, 200), Ok(()), "rows without a piece are fine");
    assert_eq!(
        bert.check_vocabulary(Family::Bert, 150),
        Err(TokenizationError::Mismatch { largest_id: 150, vocab_size: 150 })
    );
    assert!(matches!(gpt.check_vocabulary(Family::Bert, 1000), Err(TokenizationError::WrongKind { .. })));
    assert!((0..151).all(|id| bert.piece(id).is_some()) && bert.piece(151).is_none());
}
