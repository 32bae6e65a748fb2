//! What the attention figures draw, computed from runs: one head's map, the same words in two models, how a row of
//! weights comes about, where arcs go, and what is watched while heads are off. Plain Rust, tested natively.

mod align;
mod arcs;
mod change;
mod map;
mod row;

pub use align::{Unit, aligned, shares, units};
pub use arcs::{Arc, Strip, WORD_HEIGHT};
pub use change::{Change, Unwatched, Watch};
pub use map::{AttentionMap, middle, spoken};
pub use row::{Factor, RowSteps, stretches};
