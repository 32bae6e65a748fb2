// From nothing to the first result: a fresh browser, an empty cache, everything from this machine's own server.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { cell, open, reason } from "./engines.mjs";
import { SLOW_MS, wrong } from "./measure.mjs";
import { launchProfile } from "../../tests/browser/support/browser.mjs";
import { compressed, median } from "../../tests/browser/support/results.mjs";
import { ROOT } from "../../tests/browser/support/server.mjs";

/** The engines in the order in which they take turns. */
const ENGINES = ["cloze-webgpu", "ort-webgpu", "cloze-cpu", "ort-wasm-1"];

/** The link that opens Cloze with a model: one of its own, or the one in a folder. */
function link({ family, from, name, inputs }, origin) {
  const folder = `url:${origin}/checkpoints/${name}/`;
  const other = { m: family === "bert" ? `${folder},gpt` : `bert,${folder}`, weights: "f32" };
  const view = { bert: "mask", gpt: "generate" }[family];
  return `#${new URLSearchParams({ view, ...(from ? {} : other), t: inputs[16].text })}`;
}

const PARTS = ["startMs", "loadMs", "firstRunMs", "totalMs"];

/**
 * Medians, in milliseconds: `startMs` from navigation until the model is asked for, `loadMs` until it can be asked (Cloze on
 * WebGPU: pipelines made; the peer: runtime started and session made), `firstRunMs` of a first run of 16 tokens with full
 * trace, `totalMs` from navigation to that run's result, which is compared with the reference thereafter: `differences` and `wrong`
 * are as of a warm run, the worst of all starts. Cloze's page is opened by a link that names the model and the text, and
 * runs it for the lesson first, as for everyone.
 */
export async function coldStarts(server, shape, { starts }) {
  const asked = cell(shape, "forward", "trace", 16);
  const model = { ...shape, task: "forward", mode: "trace", opens: link(shape, server.origin) };
  const taken = Object.fromEntries(ENGINES.map((id) => [id, []]));
  const errors = {};
  const files = {};
  for (let start = 0; start < starts; start++) {
    for (const id of ENGINES) {
      // One start of what takes minutes says enough: its spread is small against it.
      if (errors[id] || taken[id][0]?.totalMs > SLOW_MS) continue;
      // Where there is an adapter the page opens on it.
      const browser = await launchProfile(id === "cloze-cpu" ? {} : { gpu: "any" });
      try {
        server.requests.length = 0;
        const engine = await open(browser, server.origin, id, model);
        const { wallMs, sinceNavigationMs, differences } = await engine.check(asked);
        const { startedMs, loadedMs } = engine;
        taken[id].push({ startMs: startedMs, loadMs: loadedMs - startedMs, firstRunMs: wallMs, totalMs: sinceNavigationMs, differences });
        files[id] = server.requests.filter((path) => !path.startsWith("/checkpoints/") && !path.startsWith("/models/"));
      } catch (error) {
        errors[id] = { error: reason(error) };
      } finally {
        await browser.close();
      }
    }
  }
  const engines = Object.fromEntries(
    ENGINES.map((id) => {
      if (errors[id]) return [id, errors[id]];
      const medians = PARTS.map((part) => [part, median(taken[id].map((times) => times[part]))]);
      const differences = worst(taken[id].map((start) => start.differences));
      return [id, { ...Object.fromEntries(medians), n: taken[id].length, differences, wrong: wrong(differences) }];
    }),
  );
  return { engines, files };
}

/** Of each kind the largest difference. */
const worst = (all) => Object.fromEntries(Object.keys(all[0]).map((kind) => [kind, Math.max(...all.map((differences) => differences[kind]))]));

/** The bytes of programs that a cold start asked for, without weights and without this benchmark's own files. */
export async function downloads(files, folders) {
  const sizes = {};
  const known = new Map();
  for (const [id, requests] of Object.entries(files)) {
    const paths = [...new Set(requests)].sort().flatMap((path) => {
      if (path.startsWith("/peers/") || path.startsWith("/support/")) return [];
      if (path.startsWith("/ort/")) return [join(folders["/ort/"], path.slice("/ort/".length))];
      return [join(ROOT, "dist", path === "/" ? "index.html" : path)];
    });
    // Brotli takes its time.
    const key = paths.join();
    if (!known.has(key)) known.set(key, compressed(await Promise.all(paths.map((path) => readFile(path)))));
    sizes[id] = known.get(key);
  }
  return sizes;
}
