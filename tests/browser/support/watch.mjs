// Lets a test ask the worker something: how many bytes the engine's program and its GPU buffers take, for example.

/** The worker's loader with the counting before it. */
export const watched = (script) => `
  let memory = null;
  let onGpu = 0;
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const instantiate = WebAssembly[name];
    WebAssembly[name] = async (...source) => {
      const made = await instantiate.apply(WebAssembly, source);
      memory ??= (made.instance ?? made).exports.memory;
      return made;
    };
  }
  const createBuffer = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    onGpu += descriptor.size;
    return createBuffer.call(this, descriptor);
  };
  const destroy = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () {
    onGpu -= this.size;
    return destroy.call(this);
  };
  const channel = new BroadcastChannel("bytes");
  channel.onmessage = ({ data }) => data === "ask" && channel.postMessage({ wasm: memory.buffer.byteLength, gpu: onGpu });
  ${script}`;

/** The worker's loader on a GPU that allows no larger bindings. */
export const bindingsUpTo = (bytes) => (script) =>
  `Object.defineProperty(GPUSupportedLimits.prototype, "maxStorageBufferBindingSize", { get: () => ${bytes} });\n${script}`;

/** What the worker answers on a channel where it listens for "ask". */
export const told = (page, channel) =>
  page.evaluate(
    (name) =>
      new Promise((resolve) => {
        const channel = new BroadcastChannel(name);
        channel.onmessage = ({ data }) => {
          if (data === "ask") return;
          channel.close();
          resolve(data);
        };
        channel.postMessage("ask");
      }),
    channel,
  );

/** Bytes of the engine's program and of its GPU buffers, on a page whose loader is watched. */
export const bytes = (page) => told(page, "bytes");
