//! A checkpoint's weights on their way to a GPU: room is made and kernels are compiled when the file's header is known;
//! then each tensor is brought into the kernels' layout when it has arrived, some panels at a time, and forgotten.

use std::collections::BTreeMap;
use std::rc::Rc;

use wgpu::{Buffer, BufferUsages, ComputePassDescriptor};

use super::device::{Gpu, GpuError};
use super::execute::{GpuModel, bytes};
use super::kernels::{NONE, Op, Widths};
use super::plan::{Fold, MatrixPlan, Plan};
use super::weights::{WeightType, rounded};
use crate::checkpoint::{Checkpoint, CheckpointError, Numbers, Tensor};

/// Words of 32 bits that are brought into the kernels' layout at once: 4 MiB.
const CHUNK: usize = 1 << 20;

/// A model whose weights are arriving.
pub struct Loading {
    model: GpuModel,
    /// The bytes of scales, and of tensors that others are still to come for: a scale, or the other parts of a matrix.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Loading {
    /// Makes room for a checkpoint, for texts as long as the model reads, and begins to compile its kernels.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] if a buffer is too large for this GPU; [`GpuError::OutOfMemory`] if all of them are.
    pub async fn new(
        gpu: Rc<Gpu>,
        checkpoint: &Checkpoint,
        weight_type: WeightType,
    ) -> Result<Loading, GpuError> {
        let widths = if gpu.software() { Widths::NARROW } else { Widths::WIDE };
        let plan = Plan::new(checkpoint, weight_type, widths, gpu.max_table());
        let before = gpu.bytes();
        let device = Rc::clone(&gpu);
        let model = device.guarded(|| device.bytes() - before, || GpuModel::make(gpu, plan)).await?;
        // Nobody waits for that: the weights are on their way meanwhile.
        model.compile();
        Ok(Loading { model, kept: BTreeMap::new() })
    }

    /// Takes the bytes of the tensor `key`; one that the network does not need is passed over.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for a weight that is no number.
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
        gpu.flush();
        Ok(())
    }

    /// Brings a matrix into the kernels' layout; `parts` are the numbers of its parts.
    fn write(&self, index: usize, parts: &[Numbers<'_>]) {
        let GpuModel { gpu, plan, vectors, matrices, .. } = &self.model;
        let MatrixPlan { layout, parts: places, first, scale } = &plan.matrices[index];
        let find = |k: usize, output: usize| match (places.as_slice(), parts) {
            ([place], [numbers]) => (numbers, place.index(k, first + output)),
            _ => {
                let width = places[0].cols;
                let part = (first + output) / width;
                (&parts[part], places[part].index(k, (first + output) % width))
            }
        };
        let value = |k, output| {
            let (numbers, index) = find(k, output);
            numbers.get(index)
        };
        let half = |k, output| {
            let (numbers, index) = find(k, output);
            numbers.half(index)
        };
        // Whole numbers whose factors are those of the outputs stay as they are.
        let stays = layout.weight_type == WeightType::Int8
            && parts
                .iter()
                .zip(places)
                .all(|(numbers, place)| numbers.scaled_by_row() == Some(place.transposed));
        let unscaled = |k, output| {
            let (numbers, index) = find(k, output);
            numbers.whole(index)
        };
        let scales = match stays {
            true => (0..layout.outputs).map(|output| unscaled(0, output).1).collect(),
            false => layout.scales(value),
        };
        let whole = |k, output: usize| match stays {
            true => unscaled(k, output).0,
            false => rounded(value(k, output), scales[output]),
        };
        if *scale != NONE {
            gpu.write(vectors, *scale as usize, bytemuck::cast_slice(&scales));
        }
        let panels = (CHUNK / layout.panel_words().max(1)).max(1);
        for begin in (0..layout.panels).step_by(panels) {
            let chunk = begin..layout.panels.min(begin + panels);
            let words = layout.words_of(chunk, value, half, whole);
            gpu.write(&matrices[index], begin * layout.panel_words(), &words);
        }
    }

    /// Computes what follows from the weights alone, once all of them have arrived.
    ///
    /// # Errors
    /// [`GpuError::Failed`] if the GPU refuses the work or a kernel, [`GpuError::Lost`] if it was taken away.
    pub async fn finish(self) -> Result<GpuModel, GpuError> {
        let Loading { mut model, .. } = self;
        let trace = model.trace();
        model.gpu.guarded(|| 0, || fold(&model, &trace)).await?;
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

/// Computes what the norms add to the maps behind them.
fn fold(model: &GpuModel, trace: &Buffer) -> Result<(), GpuError> {
    let GpuModel { gpu, plan, vectors, arena, .. } = model;
    // A plan without folds has no such kernel.
    let Some(pipeline) = model.pipeline(Op::Fold) else { return Ok(()) };
    let mut encoder = gpu.encoder();
    for Fold { matrix, shape, to } in &plan.folds {
        let words = gpu.filled("shape", &shape.words(), BufferUsages::UNIFORM)?;
        let bindings = gpu.bind([arena, &model.matrices[*matrix], vectors, &words, &model.run, trace]);
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        let [groups, _] = shape.grid(plan.widths.tile_lanes);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
        drop(pass);
        let length = bytes(shape.outputs as usize * 2);
        encoder.copy_buffer_to_buffer(arena, 0, vectors, bytes(*to), length);
    }
    gpu.submit(encoder);
    Ok(())
}
