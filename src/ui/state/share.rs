//! A state as a link, and as a frame for somebody's slides.

use super::State;

/// The longest link, in characters (design: section 8): what mail programs and chats still carry whole.
pub const LONGEST_LINK: usize = 2_000;

/// Size of an embed's frame, in CSS pixels.
const FRAME: (u32, u32) = (800, 450);

/// The address that shows `state` on the page at `base` (which has no fragment); none if it would be too long.
pub fn link(base: &str, state: &State) -> Option<String> {
    let link = format!("{base}#{}", state.to_fragment());
    (link.chars().count() <= LONGEST_LINK).then_some(link)
}

/// An `<iframe>` element that shows `state`, which should have an [`super::Embed`]; none if its address would be too
/// long. `title` is what screen readers call the frame.
pub fn iframe(base: &str, state: &State, title: &str) -> Option<String> {
    let src = attribute(&link(base, state)?);
    let title = attribute(title);
    let (width, height) = FRAME;
    Some(format!(
        "<iframe src=\"{src}\" title=\"{title}\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" \
         style=\"border:0\" allow=\"fullscreen; clipboard-write\"></iframe>"
    ))
}

/// The text as it stands between the quotes of an attribute.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::{Embed, View};
    use super::*;

    const BASE: &str = "https://a.example/cloze/";

    fn saying(text: &str) -> State {
        let mut state = State::default();
        state.mask.set_text(text);
        state
    }

    #[test]
    fn a_link_gives_its_state_again_and_stops_at_the_limit() {
        let state = saying("Ein [MASK] & “mehr” #1");
        let link = link(BASE, &state).unwrap();
        let (base, fragment) = link.split_once('#').unwrap();
        assert_eq!(base, BASE);
        assert_eq!(State::from_fragment(fragment), (state, Vec::new()));

        let room = LONGEST_LINK - super::link(BASE, &saying("")).unwrap().len();
        assert_eq!(super::link(BASE, &saying(&"a".repeat(room))).unwrap().len(), LONGEST_LINK);
        assert_eq!(super::link(BASE, &saying(&"a".repeat(room + 1))), None);
        assert_eq!(iframe(BASE, &saying(&"é".repeat(room / 4)), "t"), None);
    }

    #[test]
    fn a_frame_keeps_hostile_text_inside_its_attributes() {
        let mut state = saying("\"><script>alert(1)</script>");
        let view = View::Mask;
        state.embed = Some(Embed { edit: false, ..Embed::of(view) });
        let frame = iframe(BASE, &state, "\"><script>").unwrap();
        assert!(!frame.contains("<script"), "{frame}");
        assert_eq!(frame.matches('"').count(), 14, "{frame}");
        assert!(frame.contains("&amp;embed=1&amp;panel=predictions&amp;edit=0"), "{frame}");
        assert!(frame.contains("width=\"800\" height=\"450\" loading=\"lazy\""), "{frame}");
    }
}
