// A worker's beginning: loads its program, and keeps what is asked meanwhile. The program listens from its first moment
// on; what came earlier is handed to it then.
//
// There are two programs that speak the same messages: the engine's, for the GPU, and the CPU's, which is asked for by
// `?cpu` and wherever the browser has no adapter to offer.

const early = [];
const keep = (event) => early.push(event.data);
addEventListener("message", keep);

/** Devices have subgroups wherever their adapter does: wgpu does not know yet that browsers have a word for them. */
function withSubgroups() {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function ({ requiredFeatures = [], ...others } = {}) {
    const subgroups = this.features.has("subgroups") ? ["subgroups"] : [];
    return requestDevice.call(this, { requiredFeatures: [...requiredFeatures, ...subgroups], ...others });
  };
}

/** The program's name, with the answer to the request for it. */
async function choose() {
  if (location.search !== "?cpu" && navigator.gpu) {
    // On its way while the browser looks for an adapter.
    const wasm = fetch("./engine_bg.wasm");
    if (await navigator.gpu.requestAdapter().catch(() => null)) {
      withSubgroups();
      return ["engine", wasm];
    }
  }
  return ["cpu", fetch("./cpu_bg.wasm")];
}

async function start() {
  const [program, wasm] = await choose();
  importScripts(`./${program}.js`);
  await wasm_bindgen({ module_or_path: wasm });
  removeEventListener("message", keep);
  for (const data of early) dispatchEvent(new MessageEvent("message", { data }));
}

start().catch((error) => {
  const problem = { code: "engine-stopped", detail: `the engine's program could not be loaded: ${error}` };
  postMessage([JSON.stringify({ news: { stopped: { problem } } })]);
});
