// Lets a test ask the worker something: how many bytes the engine's program and its GPU buffers take, for example, or what it has
// asked of the GPU; and lets it take the GPU away.

/** The worker's loader with the counting before it. */
export const watched = (script) => `
  let memory = null;
  let onGpu = 0;
  const asked = {};
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const instantiate = WebAssembly[name];
    WebAssembly[name] = async (...source) => {
      const made = await instantiate.apply(WebAssembly, source);
      memory ??= (made.instance ?? made).exports.memory;
      return made;
    };
  }
  /** Counts the calls of a method in what is asked, and hands each call to \`note\` before. */
  const count = (owner, name, note = () => {}) => {
    const method = owner.prototype[name];
    asked[name] = 0;
    owner.prototype[name] = function (...own) {
      asked[name]++;
      note(this, ...own);
      return method.apply(this, own);
    };
  };
  // A query is a number of 64 bits.
  count(GPUDevice, "createBuffer", (_, { size }) => (onGpu += size));
  count(GPUBuffer, "destroy", ({ size }) => (onGpu -= size));
  count(GPUDevice, "createQuerySet", (_, { count }) => (onGpu += 8 * count));
  count(GPUQuerySet, "destroy", ({ count }) => (onGpu -= 8 * count));
  for (const name of ["createBindGroup", "createComputePipeline", "createComputePipelineAsync", "createShaderModule"]) {
    count(GPUDevice, name);
  }
  count(GPUCommandEncoder, "beginComputePass");
  count(GPUComputePassEncoder, "dispatchWorkgroups");
  count(GPUQueue, "submit");
  asked.mapped = 0;
  count(GPUBuffer, "mapAsync", ({ size }, _, offset = 0, length = size - offset) => (asked.mapped += length));
  const answers = { bytes: () => ({ wasm: memory.buffer.byteLength, gpu: onGpu }), asked: () => asked };
  for (const [name, answer] of Object.entries(answers)) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => data === "ask" && channel.postMessage(answer());
  }
  ${script}`;

/** The worker's loader on a GPU that allows no larger bindings. */
export const bindingsUpTo = (bytes) => (script) =>
  `Object.defineProperty(GPUSupportedLimits.prototype, "maxStorageBufferBindingSize", { get: () => ${bytes} });\n${script}`;

/** The worker's loader on a GPU that can be taken away. */
export const losable = (script) => `
  const devices = [];
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
  let readings = 0;
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...own) {
    const mapped = mapAsync.apply(this, own);
    if (readings > 0 && --readings === 0) devices.pop()?.destroy();
    return mapped;
  };
  const channel = new BroadcastChannel("the GPU");
  channel.onmessage = ({ data }) => {
    // The CPU's worker has none, and keeps silent.
    if (devices.length === 0) return;
    readings = data;
    if (readings === 0) devices.pop().destroy();
    channel.postMessage("done");
  };
  ${script}`;

/** The worker's loader on a GPU whose readings can be held back when they are done. */
export const holdable = (script) => `
  let gate = null;
  let held = 0;
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = async function (...own) {
    await mapAsync.apply(this, own);
    if (gate) {
      held++;
      await gate.promise;
    }
  };
  const channel = new BroadcastChannel("readings");
  channel.onmessage = ({ data }) => {
    // The CPU's worker keeps silent.
    if (location.search === "?cpu" || !["hold", "count", "let go"].includes(data)) return;
    if (data === "hold") gate = Promise.withResolvers();
    if (data === "let go") {
      gate?.resolve();
      gate = null;
    }
    channel.postMessage({ held });
  };
  ${script}`;

/** Holds the readings of a page's GPU back from now on (`hold`), counts those that were, or lets them go (`let go`). */
export const readings = (page, what = "count") => told(page, "readings", what);

/** Takes the GPU away from a page whose loader is \`losable\`: at once, or while it is read for that many more times. */
export const lose = (page, readings = 0) => told(page, "the GPU", readings);

/** What the worker answers on a channel where it listens for a question. */
export const told = (page, channel, question = "ask") =>
  page.evaluate(
    ([name, question]) =>
      new Promise((resolve) => {
        const channel = new BroadcastChannel(name);
        channel.onmessage = ({ data }) => {
          if (data === question) return;
          channel.close();
          resolve(data);
        };
        channel.postMessage(question);
      }),
    [channel, question],
  );

/** Bytes of the engine's program and of its GPU buffers, on a page whose loader is watched. */
export const bytes = (page) => told(page, "bytes");

/** What was asked of the GPU while `work` was done: how many calls of each kind there were, if any, and how many bytes were `mapped`. */
export async function asked(page, work) {
  const before = await told(page, "asked");
  await work();
  const after = await told(page, "asked");
  const more = Object.entries(after).map(([name, count]) => [name, count - before[name]]);
  return Object.fromEntries(more.filter(([, count]) => count > 0));
}
