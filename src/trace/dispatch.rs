//! What the GPU did for a run: its dispatches, one after the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The dispatches of a run, and the programs that ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispatches {
    /// In their order.
    pub dispatches: Vec<Dispatch>,
    /// The WGSL of each kernel, by its name.
    pub sources: BTreeMap<String, String>,
}

/// One start of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispatch {
    /// The kernel's name.
    pub kernel: String,
    /// What it computes: `blocks.0.attn.qkv`.
    pub computes: String,
    /// Workgroups along each axis.
    pub grid: [u32; 2],
    /// Bytes of weights and activations that the operation reads, each counted once.
    pub reads: u64,
    /// Bytes that it writes.
    pub writes: u64,
    /// Its time on the GPU in ms, where the GPU can be asked for it. Browsers round it.
    pub ms: Option<f64>,
}
