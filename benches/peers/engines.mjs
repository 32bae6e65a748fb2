// The five engines that are compared, each in a page of its own in one browser.
//
// A page imports page/<module>.js, which answers alike for all:
// - load({folder, task, mode, sizes, …}): the model is ready to run; resolves to {startedMs, adapter?}, `startedMs` being when
//   it began to load the model, after what the page does first
// - prepare(task): what must lie outside of the measured time
// - forward(input, mode), decode(input, mode): {ms, outputs: [{name: Float32Array}], drawn?}, one of `outputs` for each
//   forward pass; all numbers are in the page, as arrays, when the promise is kept

import { newPage, waitUntilAtRest } from "../../tests/browser/support/browser.mjs";

export const ENGINES = {
  "cloze-webgpu": { label: "Cloze, WebGPU", path: "/", module: "cloze", options: { engine: "webgpu" } },
  "cloze-cpu": { label: "Cloze, CPU", path: "/", module: "cloze", options: { engine: "cpu" } },
  "ort-webgpu": { label: "ort-web, WebGPU", path: "/peers/ort.html", module: "ort", options: { provider: "webgpu" } },
  "ort-wasm-1": { label: "ort-web, WASM, 1 thread", path: "/peers/ort.html", module: "ort", options: { provider: "wasm", threads: 1 } },
  "ort-wasm-2": { label: "ort-web, WASM, 2 threads", path: "/peers/ort.html", module: "ort", options: { provider: "wasm", threads: 2 } },
};

/**
 * Opens an engine's page, without waiting for anything in it, and loads a model there.
 * @param {{name: string, sizes: object, task: "forward" | "decode", mode: "logits" | "trace", opens?: string}} model `opens`, of a
 * cold start, is the fragment with which Cloze's page opens with this very model; the browser is at rest then
 * @returns {Promise<{id: string, adapter?: string, startedMs: number, loadedMs: number, time: Function, check: Function, kernels: Function, close: Function}>}
 * `startedMs` and `loadedMs` count from navigation; `time`, `check` and (of Cloze) `kernels` are those of page/timed.js.
 */
export async function open(browser, origin, id, { name, sizes, task, mode, opens }) {
  const { path, module, options } = ENGINES[id];
  const { page } = await newPage(browser);
  const close = () => page.context().close();
  try {
    if (opens !== undefined) await waitUntilAtRest(page);
    await page.goto(`${origin}${path}${module === "cloze" && opens ? opens : ""}`, { waitUntil: "commit" });
    const asked = { ...options, task, mode, sizes, opens: opens !== undefined, folder: `${origin}/checkpoints/${name}/` };
    const loaded = await page.evaluate(
      async ({ module, asked }) => {
        const engine = await import(`${location.origin}/peers/${module}.js`);
        return { ...(await engine.load(asked)), loadedMs: performance.now() };
      },
      { module, asked },
    );
    const call = (verb) => (cell) =>
      page.evaluate(
        async ({ module, verb, cell }) => {
          const engine = await import(`${location.origin}/peers/${module}.js`);
          const timed = await import(`${location.origin}/peers/timed.js`);
          return timed[verb](engine, cell);
        },
        { module, verb, cell },
      );
    return { id, ...loaded, time: call("time"), check: call("check"), kernels: call("kernels"), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is asked in a cell of the table: page/timed.js takes it. */
export function cell(shape, task, mode, length) {
  const key = task === "decode" ? "decode" : String(length);
  const reference = `/checkpoints/${shape.name}/reference-${key}.safetensors`;
  return { task, mode, input: shape.inputs[key], reference };
}

/** What is asked in a cell, in words. */
export function words({ task, mode, tokens }) {
  return `${task === "decode" ? "decoding " : ""}${tokens} tokens, ${mode === "trace" ? "full trace" : "logits"}`;
}

/** What went wrong, in one line. */
export function reason(error) {
  return String(error?.message ?? error).split("\n")[0].replace(/^page\.evaluate: /, "").slice(0, 300);
}
