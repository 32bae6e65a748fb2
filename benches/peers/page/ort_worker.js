// onnxruntime-web in a worker, where Cloze's engine is too: what it computes is posted to the page, not copied.

/** Its builds: the WebGPU one is larger by its kernels. */
const BUILDS = { webgpu: "/ort/ort.webgpu.bundle.min.mjs", wasm: "/ort/ort.wasm.bundle.min.mjs" };

let ort;
let session;
let cacheShape;

const ASKS = { load, forward, decode };

addEventListener("message", async ({ data: { id, ask, options } }) => {
  try {
    const answer = await ASKS[ask](options);
    const buffers = (answer.outputs ?? []).flatMap((outputs) => Object.values(outputs).map((values) => values.buffer));
    postMessage({ id, answer }, buffers);
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
});

async function load({ provider, threads, url, sizes }) {
  ort = await import(BUILDS[provider]);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = "/ort/";
  // Without shared memory the runtime would quietly take one thread.
  if (threads > 1 && !crossOriginIsolated) throw new Error("the page is not isolated, so there are no threads");
  if (threads) ort.env.wasm.numThreads = threads;
  // Keys and values stay where they were computed: copying them at each step would be a beginner's mistake.
  const places = {};
  for (let layer = 0; layer < sizes.layers; layer++) {
    for (const part of ["key", "value"]) places[`present.${layer}.${part}`] = "gpu-buffer";
  }
  const decodes = url.endsWith(".decode.onnx");
  session = await ort.InferenceSession.create(url, {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    ...(decodes && provider === "webgpu" ? { preferredOutputLocation: places } : {}),
  });
  cacheShape = [1, sizes.heads, 0, sizes.hidden / sizes.heads];
  const info = provider === "webgpu" ? (await navigator.gpu.requestAdapter())?.info : undefined;
  return { adapter: info && [info.vendor, info.architecture].filter(Boolean).join(" ") };
}

/** The inputs for `ids` that follow `before` others. */
function feeds(ids, before) {
  const count = ids.length;
  const integers = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, count]);
  const given = {
    input_ids: () => integers(ids),
    token_type_ids: () => integers(ids.map(() => 0)),
    position_ids: () => integers(ids.map((_, at) => before + at)),
    mask: () => {
      const total = before + count;
      const mask = new Float32Array(count * total);
      for (let query = 0; query < count; query++) mask.fill(-3.4028234663852886e38, query * total + before + query + 1, (query + 1) * total);
      return new ort.Tensor("float32", mask, [1, 1, count, total]);
    },
  };
  const names = session.inputNames.filter((name) => name in given);
  return Object.fromEntries(names.map((name) => [name, given[name]()]));
}

async function forward({ ids }) {
  const start = performance.now();
  const results = await session.run(feeds(ids, 0));
  const outputs = Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.data]));
  return { ms: performance.now() - start, outputs: [outputs] };
}

/** Draws `count` tokens, each time the most probable one. */
async function decode({ ids, count }) {
  const start = performance.now();
  const cached = session.inputNames.filter((name) => name.startsWith("past."));
  let past = Object.fromEntries(cached.map((name) => [name, new ort.Tensor("float32", new Float32Array(0), cacheShape)]));
  let before = 0;
  let fed = ids;
  const drawn = [];
  const outputs = [];
  while (drawn.length < count) {
    const results = await session.run({ ...feeds(fed, before), ...past });
    for (const tensor of Object.values(past)) tensor.dispose();
    past = Object.fromEntries(cached.map((name) => [name, results[name.replace("past", "present")]]));
    const delivered = Object.entries(results).filter(([name]) => !name.startsWith("present."));
    outputs.push(Object.fromEntries(delivered.map(([name, tensor]) => [name, tensor.data])));
    before += fed.length;
    fed = [largest(results.logits.data)];
    drawn.push(...fed);
  }
  for (const tensor of Object.values(past)) tensor.dispose();
  return { ms: performance.now() - start, drawn, outputs };
}

function largest(values) {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[at]) at = i;
  return at;
}
