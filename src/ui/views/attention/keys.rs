//! The lesson's keys.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::ui::frame::keys::use_keys;

/// Listens as long as the lesson is shown.
pub(super) fn listen(lesson: Lesson) {
    use_keys(move |event| act(lesson, &event.key()));
}

/// Does what a key says. Whether it says anything.
fn act(lesson: Lesson, key: &str) -> bool {
    let model = lesson.active();
    match key {
        "[" => lesson.move_head(model, 0, -1),
        "]" => lesson.move_head(model, 0, 1),
        "{" => lesson.move_head(model, -1, 0),
        "}" => lesson.move_head(model, 1, 0),
        "o" | "O" => lesson.toggle_this_head(model),
        "s" | "S" => lesson.toggle_special(),
        "t" | "T" => lesson.as_table.update(|table| *table = !*table),
        _ => return false,
    }
    true
}
