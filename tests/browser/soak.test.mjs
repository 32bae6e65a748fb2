// A thousand runs and two thousand tokens in one page: nothing grows, neither the engine's memory, nor the GPU's, nor the
// time that a run takes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { serve } from "./support/server.mjs";
import { bytes, watched } from "./support/watch.mjs";

describe("a long lesson", { timeout: 900_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    server = await serve({ patch: { "engine_loader.js": watched } });
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    page.setDefaultTimeout(600_000);
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

  /** Fails if the second half of the work took more than the first, and if it left anything behind. */
  async function steady(what, work) {
    await page.evaluate(work, 20);
    const before = await bytes(page);
    assert.ok(before.wasm > 0 && before.gpu > 0);
    const times = await page.evaluate(work, null);
    assert.deepEqual(await bytes(page), before, `${what}: bytes`);
    const half = times.length >> 1;
    const [early, late] = [median(times.slice(0, half)), median(times.slice(half))];
    assert.ok(late < 2 * early, `${what}: ${early} ms at first, ${late} ms later`);
    noProblems(problems);
  }

  test("a thousand runs", async () => {
    await ask(page, "load", "bert", { engine: "webgpu" });
    await steady("runs", async (count) => {
      const times = [];
      for (let i = 0; i < (count ?? 1000); i++) {
        const want = i % 5 === 0 ? ["blocks.0.attn.hook_pattern", "blocks.3.hook_resid_post"] : [];
        times.push((await window.cloze.run({ text: `The [MASK] sat ${i % 10}.`, want })).ms);
      }
      return times;
    });
  });

  test("two thousand tokens", async () => {
    await ask(page, "load", "gpt", { engine: "webgpu" });
    await steady("tokens", async (count) => {
      const times = [];
      for (let i = 0; times.length < (count ?? 2000); i++) {
        const steps = await window.cloze.generate({ text: "Once upon a time", maxNewTokens: 100, temperature: 1, seed: i });
        times.push(...steps.map((step) => step.ms));
      }
      return times;
    });
  });
});
