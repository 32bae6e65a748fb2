// Runs recorded cases of the kernels' tests in a page, on its own GPU (`src/gpu/kernels/tests/record.rs` writes them).

import { parse } from "./safetensors.mjs";

/** How far a number may lie from its twin's: relative to the largest of its region, or to itself where a case has no regions. */
const TOLERANCE = { region: 1e-4, number: 1e-5 };

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
 * @returns {Promise<{numbers: number, wrong: string[], off: Object<string, number>}>} how many numbers were compared, a line
 *   for each case that differs, and how far numbers of each region are off at most, relative to its largest
 */
export async function replay(addresses) {
  gpu ??= await device();
  const outcome = { numbers: 0, wrong: [], off: {} };
  for (const address of addresses) {
    const { metadata, tensors } = parse(await (await fetch(address)).arrayBuffer());
    const words = Object.fromEntries(Object.entries(tensors).map(([name, { bytes }]) => [name, new Uint32Array(bytes)]));
    const before = new Float32Array(words.after.length).fill(Number(metadata.untouched));
    before.set(new Float32Array(words.arena.buffer));
    gpu.device.pushErrorScope("validation");
    const found = await run(metadata, words, before.subarray(words.arena.length));
    const error = await gpu.device.popErrorScope();
    const expected = new Float32Array(words.after.buffer);
    const difference = error?.message ?? compare(before, expected, found, JSON.parse(metadata.regions), outcome.off);
    outcome.numbers += words.after.length;
    if (difference) outcome.wrong.push(`${address}: ${difference}`);
  }
  return outcome;
}

/** The arena and the trace after a kernel ran. */
async function run({ source, grid }, { arena, weights, vectors, shape, run, after }, trace) {
  const { device, bindings } = gpu;
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const filled = (values, usage) => {
    const buffer = device.createBuffer({ size: Math.max(values.byteLength, 4), usage: usage | COPY_DST });
    device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  };
  const written = STORAGE | COPY_SRC;
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

const same = (a, b) => a === b || (Number.isNaN(a) && Number.isNaN(b));

/**
 * The first number that differs, in words; `off` takes in how far others do. It is as `difference` in
 * `src/gpu/kernels/tests/regions.rs`, but for the cases that have no regions: there what the twin makes NaN may be anything.
 */
function compare(before, expected, found, regions, off) {
  const written = (at) => !same(before[at], expected[at]);
  const byItself = regions.length === 0;
  const allowed = byItself ? expected.map((value) => TOLERANCE.number * Math.abs(value)) : new Float32Array(expected.length).fill(NaN);
  for (const [what, begin, end, step] of regions) {
    let largest = 0;
    let most = 0;
    for (let at = begin; at < end; at += step) {
      if (!written(at) || Number.isNaN(expected[at])) continue;
      largest = Math.max(largest, Math.abs(expected[at]));
      most = Math.max(most, Math.abs(expected[at] - found[at]));
    }
    for (let at = begin; at < end; at += step) allowed[at] = TOLERANCE.region * largest;
    off[what] = Math.max(off[what] ?? 0, most / (largest || 1));
  }
  const index = expected.findIndex((value, at) => {
    if (!written(at)) return !same(value, found[at]);
    if (Number.isNaN(value)) return !byItself && !Number.isNaN(found[at]);
    // Where nothing is allowed for, nothing is alike.
    return !(Math.abs(value - found[at]) <= allowed[at]);
  });
  if (index < 0) return null;
  const [what] = regions.find(([, begin, end, step]) => index >= begin && index < end && (index - begin) % step === 0) ?? ["no region"];
  return `number ${index} (${what}) is ${found[index]} on the GPU, ${expected[index]} by the twin; ${allowed[index]} is allowed`;
}
