//! Parts that several views share.

pub(super) mod arcs;
pub(super) mod barcode;
pub(super) mod bars;
pub(super) mod examples;
pub(super) mod heatmap;
pub(super) mod keycaps;
pub(super) mod measure;
pub(super) mod notes;
pub(super) mod problem;
pub(super) mod prose;
pub(super) mod sentence;
pub(super) mod sheet;
pub(super) mod strip;
pub(super) mod table_switch;
