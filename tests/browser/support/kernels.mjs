// Runs recorded cases of the kernels' tests in a page, on its own GPU (`src/gpu/kernels/tests/record.rs` writes them).

import { parse } from "./safetensors.mjs";

/** How far a value may lie from its twin's: relative to the largest that the kernel writes, or to itself. */
const TOLERANCE = { largest: 1e-4, number: 1e-5 };

/** What every kernel sees, in the order of its bindings: as in `src/gpu/device.rs`. */
const BINDINGS = ["storage", "read-only-storage", "read-only-storage", "uniform", "read-only-storage", "storage"];

let gpu;

async function device() {
  const adapter = await navigator.gpu.requestAdapter();
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const requiredFeatures = ["subgroups"].filter((feature) => adapter.features.has(feature));
  const requiredLimits = { maxStorageBufferBindingSize, maxBufferSize };
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  const entries = BINDINGS.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
  const bindings = device.createBindGroupLayout({ entries });
  return { device, bindings, layout: device.createPipelineLayout({ bindGroupLayouts: [bindings] }), pipelines: new Map() };
}

/** The pipeline of a program, made once: many cases share theirs. */
async function pipeline({ device, layout, pipelines }, code) {
  if (!pipelines.has(code)) {
    const module = device.createShaderModule({ code });
    pipelines.set(code, await device.createComputePipelineAsync({ layout, compute: { module, entryPoint: "main" } }));
  }
  return pipelines.get(code);
}

/**
 * Runs the cases at these addresses.
 * @returns {Promise<{numbers: number, wrong: string[]}>} how many numbers were compared, and a line for each case that differs
 */
export async function replay(addresses) {
  gpu ??= await device();
  const outcome = { numbers: 0, wrong: [] };
  for (const address of addresses) {
    const { metadata, tensors } = parse(await (await fetch(address)).arrayBuffer());
    const words = Object.fromEntries(Object.entries(tensors).map(([name, { bytes }]) => [name, new Uint32Array(bytes)]));
    gpu.device.pushErrorScope("validation");
    const found = await run(metadata, words);
    const error = await gpu.device.popErrorScope();
    const difference = error?.message ?? compare(found, words, metadata.tolerance);
    outcome.numbers += words.after.length;
    if (difference) outcome.wrong.push(`${address}: ${difference}`);
  }
  return outcome;
}

/** The arena and the trace after a kernel ran. */
async function run({ source, grid }, { arena, weights, vectors, shape, run, after }) {
  const { device, bindings } = gpu;
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const filled = (values, usage) => {
    const buffer = device.createBuffer({ size: Math.max(values.byteLength, 4), usage: usage | COPY_DST });
    device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  };
  const written = STORAGE | COPY_SRC;
  const trace = new Uint32Array(after.length - arena.length);
  const buffers = [
    filled(arena, written),
    filled(weights, STORAGE),
    filled(vectors, STORAGE),
    filled(shape, UNIFORM),
    filled(run, STORAGE),
    filled(trace, written),
  ];
  const read = device.createBuffer({ size: after.byteLength, usage: COPY_DST | MAP_READ });
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const compute = await pipeline(gpu, source);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(compute);
  pass.setBindGroup(0, device.createBindGroup({ layout: bindings, entries }));
  pass.dispatchWorkgroups(...grid.split(",").map(Number));
  pass.end();
  encoder.copyBufferToBuffer(buffers[0], 0, read, 0, arena.byteLength);
  if (trace.length > 0) encoder.copyBufferToBuffer(buffers[5], 0, read, arena.byteLength, trace.byteLength);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const found = new Float32Array(read.getMappedRange().slice(0));
  for (const buffer of [...buffers, read]) buffer.destroy();
  return found;
}

/**
 * The first number that differs, in words. What the twin does not write must be as it was: the trace begins with zeros. What it
 * makes NaN may be anything.
 */
function compare(found, { arena, after }, tolerance) {
  const expected = new Float32Array(after.buffer);
  const written = (at) => after[at] !== (at < arena.length ? arena[at] : 0);
  const largest = expected.reduce((most, value, at) => (written(at) && !Number.isNaN(value) ? Math.max(most, Math.abs(value)) : most), 0);
  const index = expected.findIndex((value, at) => {
    if (Object.is(value, found[at]) || (Number.isNaN(value) && written(at))) return false;
    const scale = tolerance === "number" ? Math.abs(value) : largest;
    return !written(at) || !(Math.abs(value - found[at]) <= TOLERANCE[tolerance] * scale);
  });
  return index < 0 ? null : `number ${index} is ${found[index]} on the GPU, ${expected[index]} by the twin`;
}
