//! A vector as a barcode: neighbouring dimensions in bins, purple below 0 and green above.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::CanvasRenderingContext2d;

use crate::ui::app::App;
use crate::ui::figure::Bin;
use crate::ui::ramp;

/// One vector.
#[component]
pub(in crate::ui) fn Barcode(
    /// The vector, binned.
    #[prop(into)]
    bins: Signal<Vec<Bin>>,
    /// The value that takes the full colour; pictures that are compared share one.
    #[prop(into)]
    scale: Signal<f32>,
    /// What the picture shows, in one sentence.
    #[prop(into)]
    label: Signal<String>,
    /// Takes the bin that the pointer is over, and none when it leaves.
    #[prop(optional, into)]
    on_point: Option<Callback<Option<usize>>>,
) -> impl IntoView {
    let app = expect_context::<App>();
    let canvas = NodeRef::<html::Canvas>::new();
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let Some(context) = canvas.get_context("2d").ok().flatten() else { return };
        let Ok(context) = context.dyn_into::<CanvasRenderingContext2d>() else { return };
        let (scale, paper) = (scale.get(), app.paper());
        bins.with(|bins| {
            // One pixel a bin; the style sheet stretches the picture.
            canvas.set_width(bins.len().max(1) as u32);
            canvas.set_height(1);
            for (x, bin) in bins.iter().enumerate() {
                context.set_fill_style_str(ramp::diverging(bin.mean / scale, paper));
                context.fill_rect(x as f64, 0.0, 1.0, 1.0);
            }
        });
    });
    let point = move |bin: Option<usize>| {
        if let Some(on_point) = on_point {
            on_point.run(bin);
        }
    };
    let on_move = move |event: ev::PointerEvent| {
        let Some(canvas) = canvas.get_untracked() else { return };
        let count = bins.with_untracked(Vec::len);
        let at = f64::from(event.offset_x()) / f64::from(canvas.client_width().max(1)) * count as f64;
        point((count > 0).then(|| (at.max(0.0) as usize).min(count - 1)));
    };
    view! {
        <canvas
            class="barcode"
            node_ref=canvas
            role="img"
            aria-label=move || label.get()
            on:pointermove=on_move
            on:pointerleave=move |_| point(None)
        ></canvas>
    }
}
