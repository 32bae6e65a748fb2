// What a run and a token ask of the GPU; and that a thousand runs and two thousand tokens in one page leave nothing behind: neither
// the engine's memory grows, nor the GPU's, nor the time that a run takes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { waitForRest } from "./support/cloze.mjs";
import { median } from "./support/results.mjs";
import { serve } from "./support/server.mjs";
import { asked, bytes, watched } from "./support/watch.mjs";

describe("what is asked of the GPU", { timeout: 300_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    // A clock that nearly stands: however slow this machine is, its GPU seems fast enough to draw sixteen tokens before any is read.
    const fast = (script) => `const { now } = performance;\nperformance.now = () => now.call(performance) / 1e4;\n${script}`;
    server = await serve({ patch: { "engine_loader.js": (script) => watched(fast(script)) } });
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Loads a model, and waits until the page has nothing more to ask of it. */
  async function load(model) {
    const card = await ask(page, "load", model, { engine: "webgpu" });
    await waitForRest(page);
    return card;
  }

  test("a run is one pass and one reading of what was asked for; it makes nothing", async () => {
    const { vocabulary } = await load("bert");
    const pattern = (layer) => `blocks.${layer}.attn.hook_pattern`;
    const run = async (request) => {
      let activations;
      const cost = await asked(page, async () => ({ activations } = await ask(page, "run", request)));
      return { cost, wanted: Object.values(activations).reduce((sum, { data }) => sum + data.length, 0) };
    };
    // All that is asked: nothing is made, and no more is read than these numbers.
    const expected = (dispatches, numbers) => ({
      beginComputePass: 1,
      dispatchWorkgroups: dispatches,
      submit: 1,
      mapAsync: 1,
      mapped: numbers * Float32Array.BYTES_PER_ELEMENT,
    });
    // What the words at one [MASK] score, and the two answers to whether a sentence follows.
    const scores = vocabulary + 2;

    // Room for a text of this length, and for a pattern of it.
    await run({ text: "A [MASK] lay on the rug.", want: [pattern(0)] });
    const plain = await run({ text: "The [MASK] sat on the mat." });
    const { dispatches } = await ask(page, "kernels");
    assert.deepEqual(plain, { cost: expected(dispatches.length, scores), wanted: 0 });
    const other = { text: "The [MASK] ran to the hat." };
    const one = await run({ ...other, want: [pattern(0)] });
    assert.ok(one.wanted > 0);
    assert.deepEqual(one.cost, expected(dispatches.length, scores + one.wanted));
    // Of the last run everything is still there, and only written out.
    assert.deepEqual((await run({ ...other, want: [pattern(1)] })).cost, expected(1, scores + one.wanted));
    noProblems(problems);
  });

  test("what the first token needs is compiled before anybody asks for it", async () => {
    const before = await asked(page, async () => {
      await load("gpt");
      await page.waitForTimeout(1000);
    });
    // A single row's maps, the best of the scores in two steps, and the draw.
    assert.ok(before.createComputePipeline >= 4, `${before.createComputePipeline} kernels were compiled`);
    const { createComputePipeline } = await asked(page, () => ask(page, "generate", { text: "Once", maxNewTokens: 1, seed: 1 }));
    assert.equal(createComputePipeline, undefined);
    noProblems(problems);
  });

  for (const [how, sampling] of [
    ["the most probable", { temperature: 0 }],
    ["drawn", { temperature: 1, topK: 40, seed: 1 }],
    ["drawn from all", { temperature: 1, seed: 2 }],
    ["drawn beyond the listed", { temperature: 3, topK: 1000, topP: 0.9, seed: 3 }],
  ]) {
    test(`tokens, ${how}: many for one reading of half a kilobyte each; none makes anything`, async () => {
      const { layers } = await load("gpt");
      const request = { text: "Once upon a time", maxNewTokens: 47, ...sampling };
      // Makes room for it.
      await ask(page, "generate", request);
      let count;
      const cost = await asked(page, async () => ({ length: count } = await ask(page, "generate", request)));
      assert.equal(count, request.maxNewTokens);
      const { beginComputePass, dispatchWorkgroups, submit, mapAsync, mapped, ...others } = cost;
      assert.deepEqual(others, {});
      assert.equal(beginComputePass, count);
      assert.ok(dispatchWorkgroups <= (6 * layers + 5) * count, `${dispatchWorkgroups} dispatches`);
      // Lots of 1, 2, 4, 8, 16 and 16 tokens.
      assert.equal(mapAsync, 6);
      assert.ok(mapped <= 4096 * count, `${mapped} bytes were read for ${count} tokens`);
      assert.ok(submit <= count / 2, `${submit} lists of commands for ${count} tokens`);
      const { dispatches } = await ask(page, "kernels");
      assert.equal(dispatches.at(-1).kernel, "draw");
      noProblems(problems);
    });
  }
});

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

  /** Does `work` with a model so many times. Fails if that left anything behind, or if the page has become slower than a new one. */
  async function steady(model, count, work) {
    const begin = async (page) => {
      await ask(page, "load", model, { engine: "webgpu" });
      await waitForRest(page);
      await page.evaluate(work, 20);
    };
    await begin(page);
    const before = await bytes(page);
    assert.ok(before.wasm > 0 && before.gpu > 0);
    await page.evaluate(work, count);
    assert.deepEqual(await bytes(page), before);

    const another = await launch({ gpu: "software" });
    try {
      const { page: fresh } = await newPage(another);
      await openCloze(fresh, server.origin);
      await begin(fresh);
      const [old, young] = [[], []];
      // In turns, so that whatever else this machine does delays both.
      for (let turn = 0; turn < 8; turn++) {
        old.push(...(await page.evaluate(work, 15)));
        young.push(...(await fresh.evaluate(work, 15)));
      }
      const [late, early] = [old, young].map(median);
      console.log(`${model}: ${late.toFixed(2)} ms after ${count}, ${early.toFixed(2)} ms in a new page`);
      assert.ok(late < 1.25 * early, `${late} ms after ${count}, ${early} ms in a new page`);
    } finally {
      await another.close();
    }
    noProblems(problems);
  }

  test("a thousand runs", () =>
    steady("bert", 1000, async (count) => {
      const times = [];
      for (let i = 0; i < count; i++) {
        const want = i % 5 === 0 ? ["blocks.0.attn.hook_pattern", "blocks.3.hook_resid_post"] : [];
        times.push((await window.cloze.run({ text: `The [MASK] sat ${i % 10}.`, want })).ms);
      }
      return times;
    }));

  test("two thousand tokens", () =>
    steady("gpt", 2000, async (count) => {
      const times = [];
      for (let seed = 0; times.length < count; seed++) {
        const maxNewTokens = Math.min(100, count - times.length);
        const steps = await window.cloze.generate({ text: "Once upon a time", maxNewTokens, temperature: 1, seed });
        times.push(...steps.map((step) => step.ms));
      }
      return times;
    }));

  test("three hundred looks at what the GPU did", () =>
    steady("bert", 300, async (count) => {
      const times = [];
      await window.cloze.run({ text: "The [MASK] sat." });
      for (let i = 0; i < count; i++) {
        const started = performance.now();
        await window.cloze.kernels();
        times.push(performance.now() - started);
      }
      return times;
    }));
});
