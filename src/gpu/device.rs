//! The GPU: its adapter and device, what it allows, what was made on it, and what went wrong.

use std::cell::{Cell, OnceCell};
use std::sync::{Arc, Mutex};

use bytemuck::{AnyBitPattern, NoUninit};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroup, BindGroupEntry, BindGroupLayout, Buffer, BufferUsages, CommandEncoder, ComputePipeline,
    PipelineLayout,
};

use super::kernels::{ENABLE_SUBGROUPS, Op, Widths, source};
use super::plan::Most;
use super::weights::WeightType;

/// Why the GPU did not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// There is no adapter.
    #[error("WebGPU found no usable GPU")]
    NoAdapter,
    /// The adapter gave no device.
    #[error("the GPU's device could not be made: {0}")]
    NoDevice(String),
    /// A buffer is larger than the GPU allows to bind.
    #[error("the model needs a buffer of {needed} bytes; this GPU allows {allowed}")]
    TooLarge {
        /// Its size in bytes.
        needed: u64,
        /// What may be bound, in bytes.
        allowed: u64,
    },
    /// There is no memory left on the GPU.
    #[error("the GPU has no memory left: {needed} bytes were asked for")]
    OutOfMemory {
        /// What was asked for in all, in bytes.
        needed: u64,
    },
    /// The GPU was taken away, by sleep, a driver that started again, or the browser.
    #[error("the GPU was taken away: {0}")]
    Lost(String),
    /// The GPU refused something.
    #[error("{0}")]
    Failed(String),
}

/// How many objects were made on the device since it is there. A run must not change them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Compute pipelines.
    pub pipelines: usize,
    /// Buffers.
    pub buffers: usize,
    /// Bind groups.
    pub bind_groups: usize,
}

/// What of an adapter the kernels are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether it is software: few wide lanes that dislike to wait for each other.
    pub software: bool,
    /// The least number of invocations in one of its subgroups; 0 if it has none.
    pub subgroup: u32,
}

/// A device with everything that is needed to compute on it.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// What every kernel sees, and the layout of their pipelines.
    bindings: BindGroupLayout,
    pipelines: PipelineLayout,
    /// Those that were compiled, by type of weights: they serve all checkpoints.
    kernels: [[OnceCell<ComputePipeline>; WeightType::ALL.len()]; Op::COUNT],
    limits: wgpu::Limits,
    /// What a part of a table of words may have, and the arena.
    most: Most,
    name: String,
    traits: Traits,
    made: Cell<Made>,
    /// Bytes of all buffers that were asked for.
    bytes: Cell<u64>,
    fault: Arc<Mutex<Option<GpuError>>>,
}

impl Gpu {
    /// Asks for the fastest adapter and all that it allows. Not all of its `traits` that a browser tells come to us by
    /// way of wgpu; who knows them says them.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::NoDevice`].
    pub async fn new(traits: Option<Traits>) -> Result<Gpu, GpuError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|_| GpuError::NoAdapter)?;
        let info = adapter.get_info();
        let limits = adapter.limits();
        // Where the GPU can be asked for the time, a reader can see what each kernel takes; subgroups are for software's tile.
        let features = adapter.features() & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("cloze"),
            required_features: features,
            required_limits: limits.clone(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| GpuError::NoDevice(error.to_string()))?;

        let fault = Arc::new(Mutex::new(None));
        let uncaptured = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error| {
            note(&uncaptured, GpuError::Failed(error.to_string()));
        }));
        let lost = Arc::clone(&fault);
        device.set_device_lost_callback(move |_, message| {
            note(&lost, GpuError::Lost(message));
        });
        let traits = traits.unwrap_or(Traits {
            software: info.device_type == wgpu::DeviceType::Cpu,
            subgroup: if features.contains(wgpu::Features::SUBGROUP) { info.subgroup_min_size } else { 0 },
        });
        let bindings = bindings(&device);
        let pipelines = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("kernels"),
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        Ok(Gpu {
            device,
            queue,
            bindings,
            pipelines,
            kernels: Default::default(),
            most: Most { table: max_binding(&limits), arena: max_binding(&limits) },
            limits,
            name: info.name,
            traits,
            made: Cell::default(),
            bytes: Cell::default(),
            fault,
        })
    }

    /// Parts tables of words so that no part has more than `bytes`, even where the adapter allows more.
    pub fn with_tables_of(mut self, bytes: u64) -> Gpu {
        self.most.table = bytes.min(self.most.table);
        self
    }

    /// Makes models read no more positions than an arena of `bytes` has room for, even where the adapter allows more.
    pub fn with_arenas_of(mut self, bytes: u64) -> Gpu {
        self.most.arena = bytes.min(self.most.arena);
        self
    }

    /// The adapter's name; browsers give none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the adapter is software.
    pub fn software(&self) -> bool {
        self.traits.software
    }

    /// How kernels are made for it.
    pub(super) fn widths(&self) -> Widths {
        match self.traits {
            Traits { software: false, .. } => Widths::WIDE,
            Traits { subgroup: Widths::SUBGROUP.., .. } => Widths::NARROW_SUBGROUPS,
            Traits { .. } => Widths::NARROW,
        }
    }

    /// Begins to compile the kernels of a first run, for weights of a type, where that was not done yet.
    pub fn compile(&self, weight_type: WeightType) {
        self.compile_all(Op::of_a_first_run(&self.widths()), weight_type);
    }

    /// Likewise those that draw a token.
    pub fn compile_drawing(&self, weight_type: WeightType) {
        self.compile_all(&Op::OF_A_DRAW, weight_type);
    }

    fn compile_all(&self, ops: &[Op], weight_type: WeightType) {
        for op in ops {
            self.kernel(*op, weight_type);
        }
        // A browser would keep that back until there is work.
        self.flush();
    }

    /// A kernel for weights of a type, compiled when it is first asked for. What the GPU refuses of it is its fault from then on.
    pub(super) fn kernel(&self, op: Op, weight_type: WeightType) -> &ComputePipeline {
        let of_type = if op.reads_weights() { weight_type } else { WeightType::F32 };
        self.kernels[op as usize][of_type as usize]
            .get_or_init(|| self.pipeline(op.name(), &self.source(op, of_type)))
    }

    /// The WGSL of a kernel.
    pub(super) fn source(&self, op: Op, weight_type: WeightType) -> String {
        source(op, weight_type, &self.widths())
    }

    /// Whether `bytes` more are little to it. No GPU tells how much memory it has, but those that have little allow no large
    /// buffer either.
    pub fn is_roomy_for(&self, bytes: u64) -> bool {
        bytes <= self.limits.max_buffer_size / 2
    }

    /// What was made on the device so far.
    pub fn made(&self) -> Made {
        self.made.get()
    }

    /// What went wrong outside of any call, if something did.
    pub fn fault(&self) -> Option<GpuError> {
        self.fault.lock().ok()?.clone()
    }

    fn count(&self, change: impl FnOnce(&mut Made)) {
        let mut made = self.made.get();
        change(&mut made);
        self.made.set(made);
    }

    /// A buffer of `bytes` zeros that shaders may bind.
    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: BufferUsages) -> Result<Buffer, GpuError> {
        self.fits(bytes, usage)?;
        self.count(|made| made.buffers += 1);
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size: bytes, usage, mapped_at_creation: false };
        Ok(self.device.create_buffer(&descriptor))
    }

    /// A buffer with `contents`.
    pub(super) fn filled(
        &self,
        label: &str,
        contents: &[u32],
        usage: BufferUsages,
    ) -> Result<Buffer, GpuError> {
        self.fits(size_of_val(contents) as u64, usage)?;
        self.count(|made| made.buffers += 1);
        let contents = bytemuck::cast_slice(contents);
        Ok(self.device.create_buffer_init(&BufferInitDescriptor { label: Some(label), contents, usage }))
    }

    /// Counts a buffer, if it may be made.
    fn fits(&self, needed: u64, usage: BufferUsages) -> Result<(), GpuError> {
        self.check(needed, usage)?;
        self.bytes.set(self.bytes.get() + needed);
        Ok(())
    }

    /// Whether there may be a buffer of `needed` bytes.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`].
    pub(super) fn check(&self, needed: u64, usage: BufferUsages) -> Result<(), GpuError> {
        let allowed = self.allowed(usage);
        if needed > allowed { Err(GpuError::TooLarge { needed, allowed }) } else { Ok(()) }
    }

    /// The most bytes that a buffer may have.
    fn allowed(&self, usage: BufferUsages) -> u64 {
        let shaders = usage.contains(BufferUsages::STORAGE);
        if shaders { max_binding(&self.limits) } else { self.limits.max_buffer_size }
    }

    /// The size of a buffer for `needed` bytes that would be exchanged for a larger one when more are needed.
    pub(super) fn with_room_to_grow(&self, needed: u64, usage: BufferUsages) -> u64 {
        with_room_to_grow(needed, self.allowed(usage))
    }

    /// The compute pipeline of `source`, whose entry point is `main`.
    pub(super) fn pipeline(&self, label: &str, source: &str) -> ComputePipeline {
        self.count(|made| made.pipelines += 1);
        // naga knows the operations of subgroups, but not the line that a browser wants before them.
        let source =
            if cfg!(target_arch = "wasm32") { source } else { source.trim_start_matches(ENABLE_SUBGROUPS) };
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&self.pipelines),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    /// Binds whole buffers: arena, weights, vectors, shape, run, trace.
    pub(super) fn bind(&self, buffers: [&Buffer; 6]) -> BindGroup {
        self.count(|made| made.bind_groups += 1);
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &self.bindings, entries: &entries };
        self.device.create_bind_group(&descriptor)
    }

    /// Does `work`, and catches what the GPU refuses of it: that comes when the GPU is done with what it was given before.
    pub(super) fn guarded<T>(
        &self,
        work: impl FnOnce() -> Result<T, GpuError>,
    ) -> Result<(T, Verdict), GpuError> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let before = self.bytes.get();
        let outcome = work();
        let needed = self.bytes.get() - before;
        // Both at once, before anything is awaited: another model may open scopes of its own meanwhile.
        let (memory, validation) = (memory.pop(), validation.pop());
        let verdict = async move {
            if memory.await.is_some() {
                return Err(GpuError::OutOfMemory { needed });
            }
            match validation.await {
                Some(error) => Err(GpuError::Failed(error.to_string())),
                None => Ok(()),
            }
        };
        Ok((outcome?, verdict.boxed_local()))
    }

    /// Room for `count` times, where the GPU can be asked for the time.
    pub(super) fn clock(&self, count: u32) -> Result<Option<Clock>, GpuError> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let times = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("times"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let bytes = u64::from(count) * 8;
        let resolved = self.buffer("times", bytes, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC)?;
        let read = self.buffer("read times", bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ)?;
        let ms = f64::from(self.queue.get_timestamp_period()) / 1e6;
        Ok(Some(Clock { times, resolved, read, ms }))
    }

    /// Begins a list of commands.
    pub(super) fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Hands a list of commands over.
    pub(super) fn submit(&self, encoder: CommandEncoder) {
        self.queue.submit([encoder.finish()]);
    }

    /// Writes to a buffer, from the word numbered `at` on, before the next list of commands runs.
    pub(super) fn write(&self, buffer: &Buffer, at: usize, words: &[u32]) {
        self.queue.write_buffer(buffer, (at * size_of::<u32>()) as u64, bytemuck::cast_slice(words));
    }

    /// Hands over what was asked for and written, so that the GPU begins with it and no copy has to wait.
    pub(super) fn flush(&self) {
        self.queue.submit([]);
    }

    /// The most bytes that a part of a table of words may have, and the arena.
    pub(super) fn most(&self) -> Most {
        self.most
    }

    /// Reads the first `count` values of a buffer that can be mapped, once the GPU is done with it.
    pub(super) async fn read<T: AnyBitPattern + NoUninit>(
        &self,
        buffer: &Buffer,
        count: usize,
    ) -> Result<Vec<T>, GpuError> {
        let (sender, receiver) = futures_channel::oneshot::channel();
        let bytes = count as u64 * size_of::<T>() as u64;
        let _mapped = Mapped(buffer);
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |outcome| {
            // Nobody waits any more when the run was given up.
            let _ = sender.send(outcome);
        });
        #[cfg(not(target_arch = "wasm32"))]
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|error| GpuError::Failed(error.to_string()))?;
        let outcome = receiver.await.map_err(|_| GpuError::Failed("the GPU never answered".to_owned()))?;
        // A fault tells more than that nothing can be read.
        outcome.map_err(|error| self.fault().unwrap_or(GpuError::Failed(error.to_string())))?;
        let view = buffer.get_mapped_range(0..bytes).map_err(|error| GpuError::Failed(error.to_string()))?;
        let values = bytemuck::pod_collect_to_vec(&view);
        match self.fault() {
            Some(fault) => Err(fault),
            None => Ok(values),
        }
    }
}

/// A buffer that is being read. Whoever waits for it may be ended before its time, and the next to read needs it unmapped.
struct Mapped<'a>(&'a Buffer);

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        self.0.unmap();
    }
}

/// What the GPU says of some work.
pub(super) type Verdict = LocalBoxFuture<'static, Result<(), GpuError>>;

/// Times of the GPU, and the buffers on their way to us.
pub(super) struct Clock {
    times: wgpu::QuerySet,
    resolved: Buffer,
    read: Buffer,
    /// Length of the GPU's unit of time, in ms.
    ms: f64,
}

impl Clock {
    /// Notes when a pass begins and ends, as the pair numbered `index`.
    pub(super) fn around(&self, index: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.times,
            beginning_of_pass_write_index: Some(index * 2),
            end_of_pass_write_index: Some(index * 2 + 1),
        }
    }

    /// After the last pass: makes `count` pairs readable.
    pub(super) fn resolve(&self, encoder: &mut CommandEncoder, count: u32) {
        encoder.resolve_query_set(&self.times, 0..count * 2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.read, 0, u64::from(count) * 16);
    }

    /// How long each of `count` passes took, in ms.
    pub(super) async fn read(&self, gpu: &Gpu, count: u32) -> Result<Vec<f64>, GpuError> {
        let times: Vec<u64> = gpu.read(&self.read, count as usize * 2).await?;
        let pairs = times.as_chunks::<2>().0;
        Ok(pairs.iter().map(|[begin, end]| end.saturating_sub(*begin) as f64 * self.ms).collect())
    }
}

impl Drop for Clock {
    /// Gives the memory back at once, as a model does.
    fn drop(&mut self) {
        self.times.destroy();
        self.resolved.destroy();
        self.read.destroy();
    }
}

/// The next power of two, or no more than is needed where that is not allowed.
fn with_room_to_grow(needed: u64, allowed: u64) -> u64 {
    let roomy = needed.next_power_of_two();
    if roomy > allowed { needed } else { roomy }
}

/// The most bytes that a kernel may see of a buffer.
fn max_binding(limits: &wgpu::Limits) -> u64 {
    limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
}

/// What every kernel sees: arena, weights, vectors, shape, run, trace.
fn bindings(device: &wgpu::Device) -> BindGroupLayout {
    use wgpu::BufferBindingType::{Storage, Uniform};
    let (written, read) = (Storage { read_only: false }, Storage { read_only: true });
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
        .zip([written, read, read, Uniform, read, written])
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("kernels"),
        entries: &entries,
    })
}

fn note(fault: &Mutex<Option<GpuError>>, error: GpuError) {
    if let Ok(mut fault) = fault.lock() {
        // The first tells the cause; what follows are its consequences. Only that the GPU is gone outweighs it.
        match error {
            GpuError::Lost(_) => *fault = Some(error),
            _ => *fault = fault.take().or(Some(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::with_room_to_grow;
    use crate::gpu::execute::bytes;

    #[test]
    fn a_buffer_grows_as_far_as_the_gpu_allows_and_no_further() {
        const ALLOWED: u64 = (1 << 31) - 1;
        for (numbers, expected) in [
            (1, 4),
            (3, 16),
            (1000, 4096),
            // 1.2 GiB fit, though the next power of two does not.
            (300 << 20, 1200 << 20),
            // More than the GPU allows, and more than 32 bits hold: that is refused by its true size.
            ((1 << 29) + 1, (1 << 31) + 4),
            ((1 << 30) + 1, (1 << 32) + 4),
        ] {
            assert_eq!(with_room_to_grow(bytes(numbers), ALLOWED), expected, "{numbers}");
        }
    }
}
