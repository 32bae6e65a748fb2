//! How much room there is: the widths of elements, and what media queries say.

use gloo::events::EventListener;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, MediaQueryList, MediaQueryListEvent, ResizeObserver};

/// The width of an element inside its borders, in px, as it changes; 0 before it is there.
pub(in crate::ui) fn width_of(element: impl Fn() -> Option<HtmlElement> + 'static) -> ReadSignal<f64> {
    let (width, set_width) = signal(0.0);
    Effect::new(move |_| {
        let Some(element) = element() else { return };
        let measured = element.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let now = f64::from(measured.client_width());
            if width.try_get_untracked().is_some_and(|before| before != now) {
                set_width.set(now);
            }
        });
        if let Ok(observer) = ResizeObserver::new(measure.as_ref().unchecked_ref()) {
            observer.observe(&element);
            let kept = StoredValue::new_local((observer, measure));
            on_cleanup(move || {
                kept.try_with_value(|(observer, _)| observer.disconnect());
            });
        }
    });
    width
}

/// Scrolls a region sideways to where `left` says, if it does, whenever something of that changes. `content` is the width of what
/// it holds, `seen` its own ([`width_of`]); all in px. What fits is left alone: to scroll makes a browser lay out at once what is
/// still being built.
pub(in crate::ui) fn scroll_sideways(
    region: NodeRef<html::Div>,
    seen: ReadSignal<f64>,
    content: impl Fn() -> f64 + 'static,
    left: impl Fn() -> Option<f64> + 'static,
) {
    Effect::new(move |_| {
        if let (Some(region), Some(left)) = (region.get(), left())
            && (1.0..content()).contains(&seen.get())
        {
            region.set_scroll_left(left as i32);
        }
    });
}

/// Whether a media query holds, as it changes.
pub(in crate::ui) fn holds(query: &str) -> ReadSignal<bool> {
    let query = window().match_media(query).ok().flatten();
    let (now, set_now) = signal(query.as_ref().is_some_and(MediaQueryList::matches));
    if let Some(query) = query {
        let listener = EventListener::new(&query, "change", move |event| {
            if let Some(event) = event.dyn_ref::<MediaQueryListEvent>() {
                set_now.try_set(event.matches());
            }
        });
        let kept = StoredValue::new_local(Some(listener));
        on_cleanup(move || {
            kept.try_update_value(Option::take);
        });
    }
    now
}
