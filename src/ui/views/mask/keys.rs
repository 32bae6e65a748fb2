//! The lesson's keys: single letters and arrows.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::ui::frame::keys::use_keys;

/// Listens as long as the lesson is shown.
pub(super) fn listen(lesson: Lesson) {
    use_keys(move |event| act(lesson, &event.key()));
}

/// Does what a key says. Whether it says anything.
fn act(lesson: Lesson, key: &str) -> bool {
    match key {
        "m" | "M" => lesson.toggle_mask(),
        "g" | "G" => lesson.toggle_guess(),
        "c" | "C" => lesson.toggle_cover(),
        "t" | "T" => lesson.as_table.update(|table| *table = !*table),
        "Backspace" => return lesson.take_out(),
        "ArrowLeft" => return lesson.move_selection(|at, _| at.saturating_sub(1)),
        "ArrowRight" => return lesson.move_selection(|at, last| (at + 1).min(last)),
        _ => return false,
    }
    true
}
