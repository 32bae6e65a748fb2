// A worker's beginning: loads its program, and keeps what is asked meanwhile. The program listens from its first moment
// on; what came earlier is handed to it then.
//
// There are two programs that speak the same messages: the engine's, for the GPU, and the CPU's, which is asked for by
// `?cpu` and wherever the browser has no WebGPU.

const program = location.search === "?cpu" || !navigator.gpu ? "cpu" : "engine";

const early = [];
const keep = (event) => early.push(event.data);
addEventListener("message", keep);

importScripts(`./${program}.js`);
wasm_bindgen({ module_or_path: `./${program}_bg.wasm` }).then(
  () => {
    removeEventListener("message", keep);
    for (const data of early) dispatchEvent(new MessageEvent("message", { data }));
  },
  (error) => {
    const problem = { code: "engine-stopped", detail: `the engine's program could not be loaded: ${error}` };
    postMessage([JSON.stringify({ news: { stopped: { problem } } })]);
  },
);
