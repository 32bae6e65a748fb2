// The engine's worker: loads its program, and keeps what the page asks meanwhile. The program listens from its
// first moment on; what came earlier is handed to it then.

const early = [];
const keep = (event) => early.push(event.data);
addEventListener("message", keep);

importScripts("./engine.js");
wasm_bindgen({ module_or_path: "./engine_bg.wasm" }).then(
  () => {
    removeEventListener("message", keep);
    for (const data of early) dispatchEvent(new MessageEvent("message", { data }));
  },
  (error) => {
    const problem = { code: "engine-stopped", detail: `the engine's program could not be loaded: ${error}` };
    postMessage([JSON.stringify({ news: { stopped: { problem } } })]);
  },
);
