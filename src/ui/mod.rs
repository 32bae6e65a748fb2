//! The page: leptos views that draw [`crate::trace`] values and send requests to the engine.
//!
//! [`state`], [`figure`], [`attention`], [`steps`], [`timeline`], [`ramp`], [`wgsl`] and [`format`] are plain Rust, tested natively; the rest exists
//! in the browser only.

#![allow(unreachable_pub, reason = "leptos' component macro makes public items of ours")]
// Its `view!` gives closures that are written in the view itself one type for each kind of value; one that stands there
// by its name keeps a type of its own, and with it code of its own.
#![allow(clippy::redundant_closure, reason = "`{move || title()}` makes a smaller program than `{title}`")]

pub mod attention;
pub mod figure;
pub mod format;
pub mod ramp;
pub mod state;
pub mod steps;
pub mod timeline;
pub mod wgsl;

#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod api;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod app;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod ask;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod components;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod frame;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod link;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod views;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod words;

#[cfg(all(feature = "page", target_arch = "wasm32"))]
pub use app::start;
