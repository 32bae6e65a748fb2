// onnxruntime-web as the benchmark asks it: see engines.mjs for what every engine answers.

const worker = new Worker(new URL("./ort_worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data: { id, answer, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
});
worker.addEventListener("error", ({ message }) => {
  for (const { reject } of waiting.values()) reject(new Error(message));
});

function ask(what, options) {
  return new Promise((resolve, reject) => {
    waiting.set(++last, { resolve, reject });
    worker.postMessage({ id: last, ask: what, options });
  });
}

export async function load({ folder, provider, threads, task, mode, sizes }) {
  const startedMs = performance.now();
  const url = `${folder}${mode}${task === "decode" ? ".decode" : ""}.onnx`;
  return { startedMs, ...(await ask("load", { provider, threads, sizes, url })) };
}

export const prepare = async () => {};

export const forward = ({ ids }) => ask("forward", { ids });

export const decode = ({ ids, count }) => ask("decode", { ids, count });
