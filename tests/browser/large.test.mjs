// A checkpoint of GPT-2 small's shape, half a gigabyte, comes over the line while the page goes on.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launchProfile, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { randomGpt } from "./support/checkpoint.mjs";
import { ROOT, serve } from "./support/server.mjs";
import { bindingsUpTo, bytes, watched } from "./support/watch.mjs";

const MIB = 2 ** 20;

/** Serves a random GPT as `/large/`; `patch` is done to the worker's loader. */
async function serveGpt({ config, weights }, patch) {
  return serve({
    patch: { "engine_loader.js": patch },
    made: {
      "/large/config.json": config,
      "/large/tokenizer.json": await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json")),
      "/large/model.safetensors": weights,
    },
  });
}

describe("a checkpoint of half a gigabyte", { timeout: 900_000 }, () => {
  let server, browser, page, problems, model, largest, length;

  before(async () => {
    const shape = { vocabulary: 50_257, hidden: 768, layers: 12, heads: 12, positions: 1024 };
    model = randomGpt(shape);
    largest = model.largest;
    length = model.weights.length;
    server = await serveGpt(model, watched);
    browser = await launchProfile({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    page.setDefaultTimeout(600_000);
    await openCloze(page, server.origin, "view=generate");
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Loads it on a page, and says how that went; `most` is what the program may take in bytes. */
  async function loads(page, problems, options, weights, most) {
    assert.ok(length > 490e6);
    // How long the page kept a timer of 20 ms waiting.
    await page.evaluate(() => {
      window.longest = 0;
      let last = performance.now();
      window.ticking = setInterval(() => {
        window.longest = Math.max(window.longest, performance.now() - last);
        last = performance.now();
      }, 20);
    });
    const started = Date.now();
    const model = await ask(page, "load", `url:${server.origin}/large/`, options);
    const seconds = (Date.now() - started) / 1000;
    const longest = await page.evaluate(() => (clearInterval(window.ticking), window.longest));
    assert.deepEqual([model.layers, model.parameters], [12, 124_439_808]);
    const { engine, weights: kept } = await ask(page, "status");
    assert.equal(kept, weights);
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions[0].top.length, 8);
    const { wasm, gpu } = await bytes(page);
    console.log(
      `${engine}, ${weights}: ${seconds.toFixed(1)} s for ${Math.round(length / MIB)} MiB; program ${Math.round(wasm / MIB)} MiB, ` +
        `GPU ${Math.round(gpu / MIB)} MiB; the page waited ${Math.round(longest)} ms at most`,
    );
    assert.ok(wasm < most, `the program takes ${Math.round(wasm / MIB)} MiB`);
    assert.ok(longest < 1000, `the page stood still for ${longest} ms`);
    noProblems(problems);
  }

  for (const weights of ["int8", "f16"]) {
    test(`loads in ${weights}`, async () => {
      // In half precision unless something else is asked for.
      const asked = weights === "f16" ? {} : { weights };
      await loads(page, problems, { engine: "webgpu", ...asked }, weights, 1.3 * largest + 32e6);
    });
  }

  test("reads fewer tokens on a GPU that binds 128 MiB, and computes the same", async () => {
    // What a run of 1,024 computes, and keeps for whoever asks, takes three times as much.
    const little = await serveGpt(model, bindingsUpTo(128 * MIB));
    const { page: other, problems } = await newPage(browser);
    await openCloze(other, little.origin, "view=generate");
    const { positions } = await ask(other, "load", `url:${little.origin}/large/`, { engine: "webgpu" });
    assert.ok(positions > 64 && positions < 1024, `${positions} positions`);
    const request = { text: "the cat sat on the mat", topK: 20 };
    const runs = await Promise.all([page, other].map((page) => ask(page, "run", request)));
    assert.deepEqual(runs[1].predictions, runs[0].predictions);
    noProblems(problems);
    await other.close();
    await little.close();
  });

  test("loads where the CPU computes, which keeps the weights and never the file", async () => {
    await browser.close();
    browser = await launchProfile();
    const { page, problems } = await newPage(browser);
    page.setDefaultTimeout(600_000);
    await openCloze(page, server.origin, "view=generate");
    await loads(page, problems, {}, "f32", length + 1.3 * largest + 32e6);
  });
});

test("a table of words that is too large to bind is parted, and says the same", { timeout: 300_000 }, async () => {
  // GPT-2 small's: 147 MiB in single precision, where WebGPU promises 128. Fewer layers and positions, since these have as little
  // to do with it as they cost time.
  const model = randomGpt({ vocabulary: 50_257, hidden: 768, layers: 1, heads: 12, positions: 64 });
  const most = 128 * MIB;
  assert.ok(model.largest > most);
  const runs = [];
  for (const [tables, patch] of [
    [1, (script) => script],
    [2, bindingsUpTo(most)],
  ]) {
    const server = await serveGpt(model, patch);
    const browser = await launchProfile({ gpu: "software" });
    try {
      const { page, problems } = await newPage(browser);
      await openCloze(page, server.origin, "view=generate");
      await ask(page, "load", `url:${server.origin}/large/`, { engine: "webgpu", weights: "f32" });
      runs.push((await ask(page, "run", { text: "the cat sat on the mat", topK: 20 })).predictions);
      // Both ends of the model read it.
      const { dispatches } = await ask(page, "kernels");
      const parts = (name) => dispatches.filter(({ computes }) => computes === name).length;
      assert.deepEqual([parts("hook_embed_sum"), parts("logits")], [tables, tables]);
      noProblems(problems);
    } finally {
      await browser.close();
      await server.close();
    }
  }
  const [whole, parted] = runs;
  assert.deepEqual(parted, whole);
});
