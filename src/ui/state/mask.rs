//! What is on the screen of "Fill the mask": a sentence whose words are hidden, filled in and put back.

use std::fmt::Write as _;
use std::ops::Range;

use super::Fragment;
use crate::trace::Token;

/// How the mask token is written in a text.
pub const MASK: &str = "[MASK]";

/// Whether a token is a mask; RoBERTa writes it `<mask>`.
pub fn is_mask(token: &Token) -> bool {
    token.special && [MASK, "<mask>"].contains(&token.piece.as_str())
}

/// How many candidates a reader may list at most.
const MOST_LISTED: usize = 50;

/// How many positions a link may ask to hide.
const MOST_HIDDEN: usize = 64;

/// A place of the sentence that the model fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// Where it stands in the text, in bytes: `[MASK]`, or the word that was put in.
    pub span: Range<usize>,
    /// The word that was hidden here; none where the blank was typed.
    pub original: Option<String>,
    /// Whether a word was put in.
    pub filled: bool,
}

/// The sentence and how its prediction is shown.
///
/// Every `[MASK]` of the text is one of the blanks, and so is every word that was put into one. One blank has the
/// focus: its candidates are listed, and the model always reads `[MASK]` there, even while a word is shown in it.
/// Words in the other blanks are read as words.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskState {
    text: String,
    /// Whether nobody has given a text yet.
    untouched: bool,
    blanks: Vec<Blank>,
    /// Positions that a link asks to hide, known as words only after the first tokenization.
    to_hide: Vec<usize>,
    focus: usize,
    /// How many candidates are listed.
    pub top_k: usize,
    /// Whether the answer stays covered until the reader has guessed.
    pub guess: bool,
    /// Whether the words after the blank are covered in the figure.
    pub cover: bool,
}

impl Default for MaskState {
    fn default() -> MaskState {
        MaskState {
            text: String::new(),
            untouched: true,
            blanks: Vec::new(),
            to_hide: Vec::new(),
            focus: 0,
            top_k: 8,
            guess: false,
            cover: false,
        }
    }
}

impl MaskState {
    /// The sentence as it is shown: `[MASK]` in every open blank, and the words that were put into the others.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The blanks in their order.
    pub fn blanks(&self) -> &[Blank] {
        &self.blanks
    }

    /// Which blank has the focus, counted from 0.
    pub fn focus(&self) -> usize {
        self.focus.min(self.blanks.len().saturating_sub(1))
    }

    /// The blank that has the focus.
    pub fn focused(&self) -> Option<&Blank> {
        self.blanks.get(self.focus())
    }

    /// Gives a blank the focus.
    pub fn focus_on(&mut self, blank: usize) {
        if blank < self.blanks.len() {
            self.focus = blank;
        }
    }

    /// Whether nobody has given a text yet.
    pub fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// Takes `text` if nobody has given one yet.
    pub fn begin(&mut self, text: &str) {
        if self.untouched {
            self.set_text(text);
        }
    }

    /// Takes what was typed. Blanks outside the changed part keep their words, and the focus stays on its blank.
    pub fn set_text(&mut self, text: &str) {
        self.untouched = false;
        let (prefix, suffix) = common_ends(&self.text, text);
        let changed = prefix..self.text.len() - suffix;
        let focused = self.focused().map(|blank| blank.span.clone());
        let moved = |span: &Range<usize>| {
            if span.end <= changed.start {
                Some(span.clone())
            } else if span.start >= changed.end {
                Some(span.start + text.len() - self.text.len()..span.end + text.len() - self.text.len())
            } else {
                None
            }
        };
        let mut blanks: Vec<Blank> = self
            .blanks
            .iter()
            .filter_map(|blank| Some(Blank { span: moved(&blank.span)?, ..blank.clone() }))
            .collect();
        for (start, _) in text.match_indices(MASK) {
            let span = start..start + MASK.len();
            if blanks.iter().any(|blank| blank.span == span) {
                continue;
            }
            blanks.retain(|blank| blank.span.end <= span.start || blank.span.start >= span.end);
            blanks.push(Blank { span, original: None, filled: false });
        }
        blanks.sort_by_key(|blank| blank.span.start);
        let focus =
            focused.as_ref().and_then(moved).and_then(|span| blanks.iter().position(|b| b.span == span));
        self.focus = focus.unwrap_or_else(|| self.focus().min(blanks.len().saturating_sub(1)));
        self.text = text.to_owned();
        self.blanks = blanks;
    }

    /// Takes another sentence, with nothing of the last one's blanks.
    pub fn replace_text(&mut self, text: &str) {
        self.blanks.clear();
        self.to_hide.clear();
        self.text.clear();
        self.set_text(text);
        self.focus = 0;
    }

    /// Hides the word at `span` of the text; the new blank has the focus. Nothing happens where `span` is no part
    /// of the text or touches a blank.
    pub fn hide(&mut self, span: Range<usize>) {
        let free =
            self.blanks.iter().all(|blank| blank.span.end <= span.start || blank.span.start >= span.end);
        let Some(word) = self.text.get(span.clone()).filter(|word| free && !word.trim().is_empty()) else {
            return;
        };
        let original = Some(word.to_owned());
        self.splice(span.clone(), MASK);
        let at = self.blanks.partition_point(|blank| blank.span.start < span.start);
        let span = span.start..span.start + MASK.len();
        self.blanks.insert(at, Blank { span, original, filled: false });
        self.focus = at;
    }

    /// Puts `word` into a blank.
    pub fn put(&mut self, blank: usize, word: &str) {
        if !word.is_empty() && !word.contains(MASK) {
            self.write_into(blank, word, true);
        }
    }

    /// Takes the word out of a blank again. Whether there was one.
    pub fn empty(&mut self, blank: usize) -> bool {
        let filled = self.blanks.get(blank).is_some_and(|blank| blank.filled);
        if filled {
            self.write_into(blank, MASK, false);
        }
        filled
    }

    /// Puts the word back that was hidden in a blank; it is a blank no more. Whether a word is known.
    pub fn restore(&mut self, blank: usize) -> bool {
        let Some(original) = self.blanks.get(blank).and_then(|blank| blank.original.clone()) else {
            return false;
        };
        self.write_into(blank, &original, true);
        self.blanks.remove(blank);
        self.focus = self.focus();
        true
    }

    /// What the model reads: the text, with `[MASK]` in the blank that has the focus.
    pub fn input(&self) -> String {
        let mut input = self.text.clone();
        if let Some(blank) = self.focused() {
            input.replace_range(blank.span.clone(), MASK);
        }
        input
    }

    /// What the model reads when the words after the blank are covered: they are taken away, not replaced. None
    /// where there is no blank, or no word after it.
    pub fn covered_input(&self) -> Option<String> {
        let blank = self.focused()?;
        let after = &self.text[blank.span.end..];
        after.chars().any(char::is_alphanumeric).then(|| format!("{}{MASK}", &self.text[..blank.span.start]))
    }

    /// Where a part of [`MaskState::input`] stands in the text.
    pub fn shown(&self, span: Range<usize>) -> Range<usize> {
        let Some(blank) = self.focused() else { return span };
        let shift = |at: usize| {
            if at >= blank.span.start + MASK.len() {
                at - MASK.len() + blank.span.len()
            } else {
                at.min(blank.span.end)
            }
        };
        shift(span.start)..shift(span.end)
    }

    /// Which of the masks that the model reads is this blank, counted from 0; none where a word is read instead.
    pub fn mask_of(&self, blank: usize) -> Option<usize> {
        self.read_as_mask(blank).then(|| (0..blank).filter(|before| self.read_as_mask(*before)).count())
    }

    /// Which blank is the mask with this number.
    pub fn blank_of(&self, mask: usize) -> Option<usize> {
        (0..self.blanks.len()).filter(|blank| self.read_as_mask(*blank)).nth(mask)
    }

    /// The positions that a link asked to hide.
    pub fn positions_to_hide(&self) -> &[usize] {
        &self.to_hide
    }

    /// Hides the asked positions, now that their tokens are known: `spans[i]` is where token `i` stands in
    /// [`MaskState::input`], empty for a token that was added.
    pub fn hide_positions(&mut self, spans: &[Range<usize>]) {
        let mut asked = std::mem::take(&mut self.to_hide);
        asked.sort_unstable();
        asked.dedup();
        let focus = self.focus;
        // From the right, so that what lies to the left keeps its place.
        let spans: Vec<_> =
            asked.iter().filter_map(|at| spans.get(*at)).map(|span| self.shown(span.clone())).collect();
        spans.into_iter().rev().filter(|span| !span.is_empty()).for_each(|span| self.hide(span));
        self.focus = focus.min(self.blanks.len().saturating_sub(1));
    }

    fn read_as_mask(&self, blank: usize) -> bool {
        blank == self.focus() || self.blanks.get(blank).is_some_and(|blank| !blank.filled)
    }

    fn write_into(&mut self, blank: usize, word: &str, filled: bool) {
        let Some(span) = self.blanks.get(blank).map(|blank| blank.span.clone()) else { return };
        self.splice(span.clone(), word);
        if let Some(blank) = self.blanks.get_mut(blank) {
            blank.span = span.start..span.start + word.len();
            blank.filled = filled;
        }
    }

    /// Replaces a part of the text and moves the blanks after it.
    fn splice(&mut self, span: Range<usize>, word: &str) {
        self.untouched = false;
        self.text.replace_range(span.clone(), word);
        for blank in self.blanks.iter_mut().filter(|blank| blank.span.start >= span.end) {
            blank.span = blank.span.start + word.len() - span.len()..blank.span.end + word.len() - span.len();
        }
    }

    /// Takes what the fragment says of this lesson.
    pub fn read(&mut self, from: &mut Fragment) {
        if let Some(text) = from.get("t").map(str::to_owned) {
            self.replace_text(&text);
        }
        if let Some(spans) = from.read_with("fill", |value| filled_spans(&self.text, value)) {
            self.blanks.extend(spans.into_iter().map(|span| Blank { span, original: None, filled: true }));
            self.blanks.sort_by_key(|blank| blank.span.start);
        }
        let positions = |value: &str| {
            let positions: Vec<usize> = value.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
            (positions.len() <= MOST_HIDDEN).then_some(positions)
        };
        self.to_hide = from.read_with("mask", positions).unwrap_or_default();
        if let Some(number) = from.read_in("focus", 1..=MOST_HIDDEN) {
            self.focus = number - 1;
        }
        self.top_k = from.read_in("k", 1..=MOST_LISTED).unwrap_or(self.top_k);
        self.guess = from.flag("guess").unwrap_or(self.guess);
        self.cover = from.flag("cover").unwrap_or(self.cover);
    }

    /// Writes what differs from the default.
    pub fn write(&self, to: &mut Fragment) {
        let default = MaskState::default();
        if !self.untouched {
            to.set("t", &self.text);
        }
        let mut fill = String::new();
        for Blank { span, .. } in self.blanks.iter().filter(|blank| blank.filled) {
            let comma = if fill.is_empty() { "" } else { "," };
            // Writing to a String does not fail.
            let _ = write!(fill, "{comma}{}-{}", span.start, span.end);
        }
        to.set_unless("fill", fill.as_str(), "");
        let mask: Vec<String> = self.to_hide.iter().map(usize::to_string).collect();
        to.set_unless("mask", mask.join(",").as_str(), "");
        to.set_unless("focus", self.focus + 1, default.focus + 1);
        to.set_unless("k", self.top_k, default.top_k);
        to.set_unless("guess", u8::from(self.guess), u8::from(default.guess));
        to.set_unless("cover", u8::from(self.cover), u8::from(default.cover));
    }
}

/// How many bytes two texts share at their beginning and, of what remains, at their end.
fn common_ends(a: &str, b: &str) -> (usize, usize) {
    let same = |pair: &(char, char)| pair.0 == pair.1;
    let prefix: usize = a.chars().zip(b.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a.chars().rev().zip(b.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    (prefix, suffix)
}

/// The spans of `12-17,30-34`: where words of `text` were put into blanks, in order and apart from each other and
/// from its masks.
fn filled_spans(text: &str, value: &str) -> Option<Vec<Range<usize>>> {
    let mut spans = Vec::new();
    let mut last = 0;
    for part in value.split(',') {
        let (start, end) = part.split_once('-')?;
        let span = start.parse().ok()?..end.parse().ok()?;
        let word = text.get(span.clone()).filter(|word| !word.is_empty())?;
        let masked = text.match_indices(MASK).any(|(at, _)| at < span.end && span.start < at + MASK.len());
        if span.start < last || word.trim() != word || masked || spans.len() == MOST_HIDDEN {
            return None;
        }
        last = span.end;
        spans.push(span);
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> MaskState {
        let mut state = MaskState::default();
        state.set_text(text);
        state
    }

    /// What holds of every state: the blanks are exactly the masks and the filled words, in order.
    fn check(state: &MaskState) {
        let masks: Vec<usize> = state.text.match_indices(MASK).map(|(at, _)| at).collect();
        let open: Vec<usize> = state.blanks.iter().filter(|b| !b.filled).map(|b| b.span.start).collect();
        assert_eq!(masks, open, "{state:?}");
        for pair in state.blanks.windows(2) {
            assert!(pair[0].span.end <= pair[1].span.start, "{state:?}");
        }
        assert!(state.blanks.iter().all(|blank| state.text.get(blank.span.clone()).is_some()), "{state:?}");
        assert!(state.blanks.is_empty() || state.focus() < state.blanks.len());
    }

    #[test]
    fn a_hidden_word_comes_back() {
        let mut state = state("The bus stops at the Zoo.");
        state.hide(21..24);
        check(&state);
        assert_eq!(state.text(), "The bus stops at the [MASK].");
        state.hide(4..7);
        check(&state);
        assert_eq!(state.text(), "The [MASK] stops at the [MASK].");
        assert_eq!(state.focus(), 0);
        assert!(state.restore(1));
        assert!(state.restore(0));
        check(&state);
        assert_eq!(state.text(), "The bus stops at the Zoo.");
        assert!(!state.restore(0));
    }

    #[test]
    fn only_words_outside_blanks_can_be_hidden() {
        let mut state = state("é [MASK] x");
        for span in [0..1, 3..5, 2..8, 9..9, 2..3, 40..50] {
            state.hide(span);
        }
        assert_eq!(state.text(), "é [MASK] x");
        state.hide(0..2);
        check(&state);
        assert_eq!(state.text(), "[MASK] [MASK] x");
    }

    #[test]
    fn a_blank_in_focus_is_read_as_a_mask_whatever_is_shown_in_it() {
        let mut state = state("A [MASK] and a [MASK].");
        state.put(0, "cat");
        check(&state);
        assert_eq!(state.text(), "A cat and a [MASK].");
        assert_eq!(state.input(), "A [MASK] and a [MASK].");
        assert_eq!((state.mask_of(0), state.mask_of(1)), (Some(0), Some(1)));
        state.focus_on(1);
        assert_eq!(state.input(), "A cat and a [MASK].");
        assert_eq!((state.mask_of(0), state.mask_of(1)), (None, Some(0)));
        assert_eq!((state.blank_of(0), state.blank_of(1)), (Some(1), None));
        assert!(state.empty(0) && !state.empty(0));
        check(&state);
        assert_eq!(state.text(), "A [MASK] and a [MASK].");
    }

    #[test]
    fn parts_of_the_input_are_found_in_the_text() {
        let mut state = state("A [MASK] and a dog.");
        state.put(0, "ox");
        let input = state.input();
        for (word, there) in [("A", 0..1), ("[MASK]", 2..4), ("dog", 11..14)] {
            let at = input.find(word).unwrap();
            assert_eq!(state.shown(at..at + word.len()), there, "{word}");
        }
        assert_eq!(&state.text()[11..14], "dog");
    }

    #[test]
    fn covering_takes_the_words_after_the_blank_away() {
        let mut state = state("She plays the [MASK] in a band.");
        assert_eq!(state.covered_input().as_deref(), Some("She plays the [MASK]"));
        state.put(0, "drums");
        assert_eq!(state.covered_input().as_deref(), Some("She plays the [MASK]"));
        state.set_text("She plays the [MASK].");
        assert_eq!(state.covered_input(), None);
        state.set_text("She plays.");
        assert_eq!(state.covered_input(), None);
    }

    #[test]
    fn typing_elsewhere_keeps_what_is_known_of_a_blank() {
        let mut state = state("The bus stops here, once a day.");
        state.hide(4..7);
        state.hide(state.text().find("day").map(|at| at..at + 3).unwrap());
        state.focus_on(0);
        for text in [
            "The [MASK] stops there, once a [MASK].",
            "Now the [MASK] stops there, once a [MASK].",
            "Now the [MASK] stops there, once a [MASK]!",
        ] {
            state.set_text(text);
            check(&state);
            assert_eq!(state.focus(), 0);
            let words: Vec<_> = state.blanks().iter().map(|b| b.original.as_deref()).collect();
            assert_eq!(words, [Some("bus"), Some("day")], "{text}");
        }
        state.set_text("Now the [MSK] stops there, once a [MASK]!");
        check(&state);
        assert_eq!(state.blanks().len(), 1);
        state.set_text("");
        check(&state);
        state.set_text("[MASK][MASK] [MASK");
        check(&state);
        assert_eq!(state.blanks().len(), 2);
    }

    #[test]
    fn positions_of_a_link_are_hidden_once_their_tokens_are_known() {
        let mut from = Fragment::parse("t=The+bus+stops&mask=3,1,9");
        let mut state = MaskState::default();
        state.read(&mut from);
        assert_eq!(state.positions_to_hide(), [3, 1, 9]);
        state.hide_positions(&[0..0, 0..3, 4..7, 8..13, 0..0]);
        check(&state);
        assert_eq!(state.text(), "[MASK] bus [MASK]");
        assert_eq!(state.focus(), 0);
        assert!(state.positions_to_hide().is_empty());
    }

    #[test]
    fn the_fragment_gives_the_same_screen_again() {
        let mut filled = state("A [MASK] and a [MASK] & más.");
        filled.put(1, "perro");
        filled.focus_on(1);
        filled.cover = true;
        let mut listed = state("");
        (listed.top_k, listed.guess) = (20, true);
        for state in [MaskState::default(), filled, listed] {
            let mut to = Fragment::default();
            state.write(&mut to);
            let mut from = Fragment::parse(&to.to_string());
            let mut again = MaskState::default();
            again.read(&mut from);
            assert_eq!(again, state);
            assert!(from.unreadable().is_empty());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named_and_left_out() {
        for (text, key) in [
            ("t=abc&fill=2-9", "fill"),
            ("t=%C3%A9a&fill=1-2", "fill"),
            ("t=abc&fill=2-1", "fill"),
            ("t=ab+cd&fill=3-5,0-2", "fill"),
            ("t=%5BMASK%5D&fill=1-3", "fill"),
            ("mask=one", "mask"),
            ("mask=-1", "mask"),
            ("k=0", "k"),
            ("k=51", "k"),
            ("guess=yes", "guess"),
            ("focus=0", "focus"),
        ] {
            let mut from = Fragment::parse(text);
            let mut state = MaskState::default();
            state.read(&mut from);
            check(&state);
            assert_eq!(from.unreadable(), [key], "{text}");
        }
    }

    #[test]
    fn a_default_sentence_gives_way_to_any_that_was_given() {
        let mut state = MaskState::default();
        state.begin("The [MASK].");
        assert_eq!(state.text(), "The [MASK].");
        state.set_text("");
        state.begin("The [MASK].");
        assert_eq!(state.text(), "");
    }
}
