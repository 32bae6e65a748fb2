//! The fast path: BERT and GPT-2 as a fixed list of hand-written WebGPU kernels on plain `wgpu`.
//!
//! - [`device`]: the adapter, the device, and a count of everything that is made on it
//! - [`kernels`]: one `<op>.wgsl` each, with its launch and a plain CPU twin beside it
//! - [`weights`]: how numbers are stored on the GPU: f32, f16 or int8
//! - [`plan`]: a forward pass as a list of dispatches, made once a checkpoint
//! - [`builder`]: the parts that it is written in
//! - [`bert`], [`gpt2`]: the forward passes, as the papers write them
//! - [`load`]: a checkpoint's weights on their way to the GPU, a tensor after the other
//! - [`packing`]: how a tensor's numbers come into the kernels' layout
//! - [`execute`]: one run of a plan
//! - [`reading`]: what is read back of it
//! - [`replay`]: the last run once more, dispatch by dispatch, for those who want to see what the GPU did
//! - [`decode`]: tokens that are drawn on the GPU, several before it answers
//!
//! Absent: I/O, tokenizers, Burn. A run makes no pipeline, no buffer and no bind group: it writes one small buffer,
//! encodes about five dispatches a layer in one pass, and maps one buffer.

mod bert;
mod builder;
mod decode;
mod device;
mod execute;
mod gpt2;
pub mod kernels;
mod load;
mod packing;
mod plan;
mod reading;
mod replay;
mod weights;

pub use decode::{DECODED, Drawn};
pub use device::{Gpu, GpuError, Made, Traits};
pub use execute::{GpuModel, Input, Output};
pub use kernels::top::Best;
pub use load::Loading;
pub use weights::{Layout, Stored, WeightType};
