//! A checkpoint's weights on their way to a GPU: kernels are compiled and room is made when the file's header is known; then each tensor is brought into the kernels' layout when it has arrived, some panels at a time, and forgotten.

use std::collections::BTreeMap;
use std::rc::Rc;

use wgpu::{Buffer, BufferUsages, ComputePassDescriptor};

use futures_util::FutureExt;

use super::device::{Gpu, GpuError, Verdict};
use super::execute::{GpuModel, bytes};
use super::kernels::linear::Rows;
use super::kernels::{NONE, RunWords, linear};
use super::packing::Packing;
use super::plan::{Fold, MatrixPlan, Plan};
use super::weights::WeightType;
use crate::checkpoint::{Checkpoint, CheckpointError, Numbers, Tensor};

/// Words of 32 bits that are brought into the kernels' layout at once: 4 MiB.
const CHUNK: usize = 1 << 20;

/// Bytes of weights that are handed over at once: 1 MiB.
const HANDED_OVER: usize = 1 << 20;

/// A model whose weights are arriving.
pub struct Loading {
    model: GpuModel,
    /// What the GPU says of the room for it, until it was heard.
    room: Option<Verdict>,
    /// The bytes of scales, and of tensors that others are still to come for: a scale, or the other parts of a matrix.
    kept: BTreeMap<String, Vec<u8>>,
    /// Bytes that were placed and not handed over yet.
    placed: usize,
}

impl Loading {
    /// Begins to compile kernels, and makes room for a checkpoint, for texts as long as the model reads, or as the GPU has
    /// room for. Nobody waits for
    /// either: the weights are on their way meanwhile. What the GPU says of the room, [`Loading::hear`] tells.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] if a buffer is too large for this GPU.
    pub fn new(gpu: Rc<Gpu>, checkpoint: &Checkpoint, weight_type: WeightType) -> Result<Loading, GpuError> {
        gpu.compile(weight_type);
        let plan = Plan::new(checkpoint, weight_type, gpu.widths(), gpu.most());
        let device = Rc::clone(&gpu);
        let (model, room) = device.guarded(|| GpuModel::make(gpu, plan))?;
        Ok(Loading { model, room: Some(room), kept: BTreeMap::new(), placed: 0 })
    }

    /// How many positions there is room for.
    pub fn positions(&self) -> usize {
        self.model.plan.layout.capacity
    }

    /// Whether the GPU has refused the room, as far as it has said by now.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`] if there is not enough of it, [`GpuError::Failed`].
    pub fn hear(&mut self) -> Result<(), GpuError> {
        match self.room.as_mut().and_then(|room| room.now_or_never()) {
            Some(said) => {
                self.room = None;
                said
            }
            None => Ok(()),
        }
    }

    /// Takes the bytes of the tensor `key`; one that the network does not need is passed over.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for a weight that is no number.
    // See `Loader::push`.
    #[inline(never)]
    pub fn take(&mut self, key: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        let plan = &self.model.plan;
        let of_matrices = plan.matrices.iter().flat_map(|matrix| &matrix.parts).map(|part| &part.tensor);
        let mut tensors = plan.loads.iter().map(|load| &load.tensor).chain(of_matrices);
        let is_it = |tensor: &&Tensor| tensor.keys().any(|own| own == key);
        let Some(tensor) = tensors.find(is_it).cloned() else { return Ok(()) };
        match tensor.scale_key() {
            Some(scale) if scale == key => {
                self.kept.insert(scale.to_owned(), bytes.to_vec());
                match self.kept.remove(&tensor.key) {
                    Some(bytes) => self.place(&tensor, &bytes),
                    None => Ok(()),
                }
            }
            Some(scale) if !self.kept.contains_key(scale) => {
                self.kept.insert(tensor.key, bytes.to_vec());
                Ok(())
            }
            _ => self.place(&tensor, bytes),
        }
    }

    /// Brings a tensor to its places; its scale is there.
    fn place(&mut self, tensor: &Tensor, bytes: &[u8]) -> Result<(), CheckpointError> {
        let GpuModel { gpu, plan, vectors, .. } = &self.model;
        let key = &tensor.key;
        let numbers = tensor.numbers(bytes, scale(&self.kept, tensor))?;
        for load in plan.loads.iter().filter(|load| load.tensor.key == *key) {
            gpu.write(vectors, load.at as usize, bytemuck::cast_slice(&numbers.to_vec()));
        }
        for (index, matrix) in plan.matrices.iter().enumerate() {
            let parts = matrix.parts.iter().map(|part| &part.tensor);
            if !parts.clone().any(|tensor| tensor.key == *key) {
                continue;
            }
            if matrix.parts.len() == 1 {
                self.write(index, std::slice::from_ref(&numbers));
                continue;
            }
            self.kept.insert(key.clone(), bytes.to_vec());
            let together = parts.clone().map(|tensor| Some((tensor, self.kept.get(&tensor.key)?)));
            let Some(together) = together.collect::<Option<Vec<_>>>() else { continue };
            let together =
                together.into_iter().map(|(tensor, bytes)| tensor.numbers(bytes, scale(&self.kept, tensor)));
            self.write(index, &together.collect::<Result<Vec<_>, _>>()?);
            parts.for_each(|tensor| drop(self.kept.remove(&tensor.key)));
        }
        // A tensor at a time would be a hundred times for a small model, each a message to the browser's GPU process.
        self.placed += bytes.len();
        if self.placed >= HANDED_OVER {
            self.placed = 0;
            self.model.gpu.flush();
        }
        Ok(())
    }

    /// Brings a matrix into the kernels' layout; `parts` are the numbers of its parts.
    fn write(&self, index: usize, parts: &[Numbers<'_>]) {
        let GpuModel { gpu, plan, vectors, matrices, .. } = &self.model;
        let matrix @ MatrixPlan { layout, scale, .. } = &plan.matrices[index];
        let packing = Packing::new(matrix, parts);
        let scales = packing.scales();
        if *scale != NONE {
            gpu.write(vectors, *scale as usize, bytemuck::cast_slice(&scales));
        }
        let panels = (CHUNK / layout.panel_words().max(1)).max(1);
        for begin in (0..layout.panels).step_by(panels) {
            let chunk = begin..layout.panels.min(begin + panels);
            gpu.write(&matrices[index], begin * layout.panel_words(), &packing.words(chunk, &scales));
        }
    }

    /// Computes what follows from the weights alone, once all of them have arrived.
    ///
    /// # Errors
    /// As [`Loading::hear`]; [`GpuError::Failed`] if the GPU refuses the work or a kernel, [`GpuError::Lost`] if it was taken away.
    pub async fn finish(self) -> Result<GpuModel, GpuError> {
        let Loading { mut model, room, .. } = self;
        if let Some(room) = room {
            room.await?;
        }
        let trace = model.trace();
        let ((), verdict) = model.gpu.guarded(|| fold(&model, &trace))?;
        verdict.await?;
        match model.gpu.fault() {
            Some(fault) => Err(fault),
            None => Ok(model),
        }
    }
}

/// The bytes of a tensor's scale, which has arrived; empty if it has none.
fn scale<'a>(kept: &'a BTreeMap<String, Vec<u8>>, tensor: &Tensor) -> &'a [u8] {
    tensor.scale_key().and_then(|key| kept.get(key)).map_or(&[], Vec::as_slice)
}

/// Computes what the norms add to the maps behind them (`linear.wgsl` says what for), by the kernel of the maps themselves: as
/// a run of two rows, gamma and beta, where the arena begins. What beta gives is added to the bias.
fn fold(model: &GpuModel, trace: &Buffer) -> Result<(), GpuError> {
    let GpuModel { gpu, plan, vectors, arena, run, .. } = model;
    gpu.write(run, 0, RunWords::new(plan.layout, 0, &[0; 2], &[], &[]).words());
    let mut encoder = gpu.encoder();
    let mut shapes = Vec::new();
    for Fold { matrix, gamma, beta, bias, to } in &plan.folds {
        let MatrixPlan { layout, scale, .. } = &plan.matrices[*matrix];
        let (inputs, outputs) = (layout.inputs, layout.outputs);
        let products = 2 * inputs;
        for (from, to) in [(*gamma, 0), (*beta, inputs)] {
            encoder.copy_buffer_to_buffer(vectors, bytes(from as usize), arena, bytes(to), bytes(inputs));
        }
        let mut shape = linear::Shape::new(layout, &plan.layout, Rows::New, 0, products as u32);
        shape.scale = *scale;
        if *bias != NONE {
            encoder.clear_buffer(arena, bytes(products), Some(bytes(outputs)));
            let (from, to) = (bytes(*bias as usize), bytes(products + outputs));
            encoder.copy_buffer_to_buffer(vectors, from, arena, to, bytes(outputs));
            shape.residual = shape.y;
        }
        let words = gpu.filled("shape", &shape.words(), BufferUsages::UNIFORM)?;
        let bound = gpu.bind([arena, &model.matrices[*matrix], vectors, &words, run, trace]);
        // There are many more rows in a text.
        let (op, [x, y]) = shape.launch(&plan.widths, 2, plan.widths.one_by_one(2, usize::MAX));
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(gpu.kernel(op, plan.weight_type));
        pass.set_bind_group(0, &bound, &[]);
        pass.dispatch_workgroups(x, y, 1);
        drop(pass);
        let (from, to, length) = (bytes(products), bytes(*to as usize), bytes(2 * outputs));
        encoder.copy_buffer_to_buffer(arena, from, vectors, to, length);
        shapes.push(words);
    }
    gpu.submit(encoder);
    shapes.iter().for_each(Buffer::destroy);
    Ok(())
}
