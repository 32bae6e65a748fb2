//! What a reader can do with the sentence: select, hide, fill, take out, put back.

use std::ops::Range;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::lesson::Lesson;
use crate::ui::figure;
use crate::ui::state::MaskState;
use crate::ui::words::t;

/// What can be done with the current token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MaskAction {
    /// Hide its word.
    Hide {
        /// Where the word stands in the run's text, in bytes.
        span: Range<usize>,
        /// The word.
        text: String,
        /// Its first token.
        token: usize,
    },
    /// Put the hidden word back.
    Restore {
        /// The blank.
        blank: usize,
        /// The word, if one was hidden here.
        original: Option<String>,
    },
}

impl Lesson {
    /// Selects a token; a mask gets the focus.
    pub(super) fn select(&self, token: usize) {
        self.remark.set(None);
        self.selected.set(Some(token));
        let mask = self.run.with_untracked(|run| {
            run.as_ref()?.predictions.iter().position(|prediction| prediction.position == token)
        });
        let state = self.app.state;
        let blank = mask.and_then(|mask| state.with_untracked(|state| state.mask.blank_of(mask)));
        if let Some(blank) = blank.filter(|blank| state.with_untracked(|state| state.mask.focus()) != *blank)
        {
            state.update(|state| state.mask.focus_on(blank));
        }
    }

    /// Selects the token at a place of the shown text, in bytes.
    pub(super) fn select_at(&self, place: usize) {
        let token = self.current_run().and_then(|run| {
            self.app.state.with_untracked(|state| {
                let spans = run.tokens.iter().map(|token| state.mask.shown(token.start..token.end));
                spans
                    .enumerate()
                    .find(|(_, span)| span.start <= place && place < span.end)
                    .map(|(index, _)| index)
            })
        });
        if let Some(token) = token {
            self.select(token);
        }
    }

    /// What [`Lesson::toggle_mask`] would do now.
    pub(super) fn mask_action(&self) -> Option<MaskAction> {
        let run = self.run.get()?;
        let at = self.current_token();
        if let Some(mask) = run.predictions.iter().position(|prediction| prediction.position == at) {
            let original = |state: &MaskState| {
                let blank = state.blank_of(mask)?;
                Some((blank, state.blanks().get(blank)?.original.clone()))
            };
            let (blank, original) = self.app.state.with(|state| original(&state.mask))?;
            return Some(MaskAction::Restore { blank, original });
        }
        let word = self.words.with(|words| words.iter().find(|word| word.tokens.contains(&at)).cloned())?;
        let span = run.tokens.get(word.tokens.start)?.start..run.tokens.get(word.tokens.end - 1)?.end;
        let special = run.tokens.get(at)?.special;
        (!special && !span.is_empty()).then_some(MaskAction::Hide {
            span,
            text: word.text,
            token: word.tokens.start,
        })
    }

    /// Hides the word of the current token, or puts the hidden word back.
    pub(super) fn toggle_mask(&self) {
        if self.current_run().is_none() {
            return;
        }
        self.remark.set(None);
        match untrack(|| self.mask_action()) {
            Some(MaskAction::Hide { span, token, .. }) => {
                self.selected.set(Some(token));
                self.app.state.update(|state| {
                    let span = state.mask.shown(span);
                    state.mask.hide(span);
                });
            }
            Some(MaskAction::Restore { original: None, .. }) => {
                let remark = t("mask-no-original");
                self.app.announce(remark.clone());
                self.remark.set(Some(remark));
            }
            Some(MaskAction::Restore { blank, .. }) => self.app.state.update(|state| {
                state.mask.restore(blank);
            }),
            None => {}
        }
    }

    /// Hides a word that the lesson chooses, and puts the focus on it.
    pub(super) fn hide_a_word(&self) {
        let Some(run) = self.current_run() else { return };
        let Some(word) = figure::word_to_hide(&run) else { return };
        let token = run.tokens.iter().position(|token| !token.special && token.start == word.start);
        self.app.state.update(|state| {
            let span = state.mask.shown(word);
            state.mask.hide(span);
        });
        token.into_iter().for_each(|token| self.focus_chip(token));
    }

    /// Selects another token, `to(current, last)`, and puts the focus on it. Whether there are tokens.
    pub(super) fn move_selection(&self, to: impl FnOnce(usize, usize) -> usize) -> bool {
        let count = self.run.with_untracked(|run| run.as_ref().map_or(0, |run| run.tokens.len()));
        if count > 0 {
            let token = to(untrack(|| self.current_token()), count - 1);
            self.select(token);
            self.focus_chip(token);
        }
        count > 0
    }

    fn focus_chip(&self, token: usize) {
        let selector = format!("[data-view=mask] button[data-token=\"{token}\"]");
        let chip = document().query_selector(&selector).ok().flatten();
        if let Some(chip) = chip.and_then(|chip| chip.dyn_into::<HtmlElement>().ok()) {
            // A chip that cannot take the focus is selected all the same.
            let _ = chip.focus();
        }
    }

    /// Puts a listed candidate into the blank.
    pub(super) fn put(&self, row: usize) {
        let word = self.prediction.with_untracked(|prediction| {
            let piece = &prediction.as_ref()?.top.get(row)?.piece;
            Some(piece.strip_prefix("##").unwrap_or(piece).to_owned())
        });
        if let Some(word) = word {
            self.app.state.update(|state| {
                let blank = state.mask.focus();
                state.mask.put(blank, &word);
            });
        }
    }

    /// Takes the word out of the blank again. Whether there was one.
    pub(super) fn take_out(&self) -> bool {
        let state = self.app.state;
        let filled = state.with_untracked(|state| state.mask.focused().is_some_and(|blank| blank.filled));
        if filled {
            state.update(|state| {
                let blank = state.mask.focus();
                state.mask.empty(blank);
            });
        }
        filled
    }

    /// Covers the answer until the reader has guessed, or shows it.
    pub(super) fn toggle_guess(&self) {
        self.app.state.update(|state| state.mask.guess = !state.mask.guess);
    }

    /// Covers the words after the blank in the figure, or shows them.
    pub(super) fn toggle_cover(&self) {
        if self.coverable.get_untracked() {
            self.app.state.update(|state| state.mask.cover = !state.mask.cover);
        }
    }

    /// Shows another sentence.
    pub(super) fn show_text(&self, text: &str) {
        self.selected.set(None);
        self.remark.set(None);
        self.app.state.update(|state| state.mask.replace_text(text));
    }
}
