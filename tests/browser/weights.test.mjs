// How weights come to the GPU and how they are kept there: in three types, and without a copy of the file in memory.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze, refused } from "./support/browser.mjs";
import { randomGpt } from "./support/checkpoint.mjs";
import { ROOT, serve } from "./support/server.mjs";
import { bytes, holdable, readings, watched } from "./support/watch.mjs";

const MIB = 2 ** 20;

describe("weights on the GPU", { timeout: 600_000 }, () => {
  let server, browser, page, problems;
  const { config, weights, largest } = randomGpt({
    vocabulary: 50_257,
    hidden: 256,
    layers: 2,
    heads: 4,
    positions: 64,
  });
  const broken = Buffer.from(weights);
  broken.writeFloatLE(Number.NaN, weights.length - 4);
  const large = `large GPT of ${Math.round(weights.length / MIB)} MiB`;

  before(async () => {
    const tokenizer = await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json"));
    const folder = (name, model) => ({
      [`/${name}/config.json`]: config,
      [`/${name}/tokenizer.json`]: tokenizer,
      [`/${name}/model.safetensors`]: model,
    });
    server = await serve({
      patch: { "engine_loader.js": (script) => holdable(watched(script)) },
      made: { ...folder("large", weights), ...folder("broken", broken) },
    });
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    page.setDefaultTimeout(300_000);
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const top = async () => (await ask(page, "run", { text: "The [MASK] sat on the mat.", topK: 5 })).predictions[0].top;

  test("the page's own model in three types: what is said of them is true", async () => {
    const seen = {};
    for (const type of ["f32", "f16", "int8"]) {
      await ask(page, "load", "bert", { engine: "webgpu", weights: type });
      const { weights, selfCheck, engine } = await ask(page, "status");
      assert.deepEqual([weights, engine, selfCheck.ok], [type, "webgpu", true]);
      seen[type] = { selfCheck, top: await top(), gpu: (await bytes(page)).gpu };
    }
    // The file is in eight bits with scales, so that nothing is lost by keeping it so; half precision rounds the products.
    assert.ok(seen.int8.selfCheck.maxAbsDiff < 1e-3 && seen.f32.selfCheck.maxAbsDiff < 1e-3);
    assert.ok(seen.f16.selfCheck.maxAbsDiff > 1e-3);
    for (const [index, { id, p }] of seen.f32.top.entries()) {
      assert.equal(seen.int8.top[index].id, id);
      assert.ok(Math.abs(seen.int8.top[index].p - p) < 1e-3);
    }
    assert.equal(seen.f16.top[0].id, seen.f32.top[0].id);
    assert.ok(seen.f16.gpu < seen.f32.gpu && seen.int8.gpu < seen.f16.gpu);
    await refused(page, "bad-request", "load", "bert", { weights: "int4" });
  });

  test(`a ${large} takes little more memory than its largest tensor, in every type`, async () => {
    for (const type of ["f32", "f16", "int8"]) {
      await ask(page, "load", `url:${server.origin}/large/`, { engine: "webgpu", weights: type });
      assert.equal((await ask(page, "status")).weights, type);
      const { predictions } = await ask(page, "run", { text: "the cat" });
      assert.equal(predictions[0].top.length, 8);
      const { wasm } = await bytes(page);
      console.log(`${type}: ${Math.round(wasm / MIB)} MiB, for a largest tensor of ${Math.round(largest / MIB)} MiB`);
      assert.ok(wasm < 1.3 * largest + 32 * MIB, `${type}: the program takes ${Math.round(wasm / MIB)} MiB`);
    }
  });

  test("what a type changes is measured once the page asks for nothing; a load ends that, and needs no more memory for it", async () => {
    const source = `url:${server.origin}/large/`;
    const load = (type) => ask(page, "load", source, { engine: "webgpu", weights: type });
    const effect = () => page.waitForFunction(() => window.cloze.status().effect).then((found) => found.jsonValue());
    await openCloze(page, server.origin, "view=generate");
    await load("f16");
    await ask(page, "run", { text: "the cat" });
    const { gpu } = await bytes(page);

    // It is loaded once more beside, in full.
    while ((await bytes(page)).gpu <= gpu) await page.waitForTimeout(10);
    await load("int8");
    await ask(page, "run", { text: "the cat" });
    // The model that waited to be measured is gone, though the page has not rested since.
    const { gpu: replaced } = await bytes(page);
    assert.ok(replaced < gpu, `${replaced} bytes in int8, ${gpu} in f16`);
    assert.equal((await ask(page, "status")).effect, null);
    const { positions, sameBest, maxAbsDiff } = await effect();
    assert.ok(positions === 64 && sameBest <= 64 && maxAbsDiff > 0, JSON.stringify({ positions, sameBest, maxAbsDiff }));
    await page.locator("[data-model-bar] [data-effect]").filter({ hasText: `${sameBest} of 64` }).waitFor();
    assert.equal(await page.locator("[data-download]").innerText(), "", "nobody is told of a download");
    // What was loaded beside is gone, also what was ended before its time.
    const after = await bytes(page);
    assert.ok(after.gpu < gpu + weights.length / 2, `${after.gpu} bytes in int8, ${gpu} in f16`);
    assert.ok(after.wasm < 1.3 * largest + 32 * MIB, `the program takes ${Math.round(after.wasm / MIB)} MiB`);
    await load("f32");
    assert.equal(await ask(page, "measure"), null);
  });

  test("what is measured unasked may be ended while the GPU is read, and the model goes on", async () => {
    const source = `url:${server.origin}/golden/checkpoints/gpt-scaled-by-layer/`;
    await openCloze(page, server.origin, "view=generate");
    await ask(page, "load", source, { engine: "webgpu", weights: "int8" });
    const request = { text: "the cat" };
    const before = await ask(page, "run", request);
    // It is measured when the page has rested for a second, and then runs too.
    const { held } = await readings(page, "hold");
    while ((await readings(page)).held === held) await page.waitForTimeout(20);
    await ask(page, "forget");
    await readings(page, "let go");
    const after = await ask(page, "run", request);
    assert.deepEqual(after.predictions, before.predictions);
    const { engine, reason } = await ask(page, "status");
    assert.deepEqual([engine, reason], ["webgpu", null]);
    await page.waitForFunction(() => window.cloze.status().effect);
  });

  test("a weight that is no number is found while it arrives, and the model before stays", async () => {
    await refused(page, "not-finite", "load", `url:${server.origin}/broken/`, { engine: "webgpu" });
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions.length, 1);
  });

  test("what a type changes is measured against the file's own", async () => {
    const source = `url:${server.origin}/golden/checkpoints/gpt-scaled-by-layer/`;
    const effects = {};
    for (const type of ["f32", "f16", "int8"]) {
      await ask(page, "load", source, { engine: "webgpu", weights: type });
      assert.equal((await ask(page, "status")).effect, null);
      effects[type] = await ask(page, "measure");
      assert.deepEqual((await ask(page, "status")).effect, effects[type]);
    }
    // The file is in half precision: neither of the first two loses anything.
    assert.deepEqual([effects.f32, effects.f16], [null, null]);
    const { positions, sameBest, maxAbsDiff } = effects.int8;
    assert.ok(positions === 48 && sameBest > positions / 2 && sameBest <= positions, JSON.stringify(effects.int8));
    assert.ok(maxAbsDiff > 1e-4 && maxAbsDiff < 10, JSON.stringify(effects.int8));
    // The model that was measured is still the one that answers.
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions.length, 1);
    await ask(page, "load", "bert", { engine: "webgpu" });
    assert.equal(await ask(page, "measure"), null);
  });

  test("the sheet keeps a model in another type, and the link tells of it", async () => {
    const source = `url:${server.origin}/golden/checkpoints/gpt-scaled-by-layer/`;
    await openCloze(page, server.origin, `view=generate&m=bert,${source}&weights=int8`);
    assert.equal((await ask(page, "status")).weights, "int8");
    await page.locator("[data-models]").first().click();
    const types = page.locator("[data-model-card] [data-weights]");
    await types.first().waitFor();
    assert.deepEqual(await types.allInnerTexts(), ["f32", "f16", "int8"]);
    await page.locator("[data-weights=f16]").click();
    await page.locator("[data-weights=f16][aria-pressed=true]").waitFor();
    assert.equal((await ask(page, "status")).weights, "f16");
    assert.equal((await ask(page, "state")).weights, "f16");
    // The address follows when typing rests.
    await page.waitForURL(/weights=f16/);
    await page.keyboard.press("Escape");
    // Whoever loads another model gets it as suits it.
    await ask(page, "load", "gpt");
    assert.equal((await ask(page, "state")).weights, undefined);
  });

  test("the GPU draws what the CPU draws", async () => {
    const texts = {};
    for (const engine of ["cpu", "webgpu"]) {
      await ask(page, "load", "gpt", { engine });
      texts[engine] = [];
      for (const sampling of [{ temperature: 0 }, { seed: 4 }, { topK: 30, topP: 0.9, seed: 5 }]) {
        const steps = await ask(page, "generate", { text: "Once upon a time", maxNewTokens: 12, ...sampling });
        texts[engine].push(steps.map(({ token }) => token.id));
        assert.equal(steps[0].top.length, 8);
      }
    }
    assert.deepEqual(texts.webgpu, texts.cpu);
    noProblems(problems);
  });

  test("a recorded text goes on step by step, though its model has yet to be checked", async () => {
    // The check runs a text of its own, soon after the first answer.
    await ask(page, "load", "gpt");
    await ask(page, "run", { text: "Once" });
    const want = ["blocks.0.attn.hook_pattern"];
    const steps = await ask(page, "generate", { text: "Once upon a time", maxNewTokens: 40, temperature: 0, want });
    const queries = steps.map(({ activations }) => activations[want[0]].shape[1]);
    assert.deepEqual(queries.slice(1), queries.slice(1).map(() => 1));
    await page.waitForFunction(() => window.cloze.status().settled);
  });

  test("a hidden state of another run takes the place of this one's", async () => {
    const hook = "blocks.1.hook_resid_post";
    const [text, other] = ["The cat sat on the mat.", "The dog ran to the house."];
    for (const engine of ["webgpu", "cpu"]) {
      await ask(page, "load", "bert", { engine });
      const run = async (text, ablate) =>
        (await ask(page, "run", { text, want: [hook], ablate })).activations[hook];
      const [plain, source] = [await run(text), await run(other)];
      const patched = await run(text, { patch: [{ hook, position: 2, text: other }] });
      const width = plain.shape[1];
      const row = ({ data }, index) => data.slice(index * width, (index + 1) * width);
      const close = (a, b) => a.every((value, index) => Math.abs(value - b[index]) < 1e-4);
      assert.ok(close(row(patched, 2), row(source, 2)), `${engine}: the state is not the other run's`);
      assert.ok(!close(row(plain, 2), row(source, 2)) && close(row(patched, 3), row(plain, 3)));
      await refused(page, "bad-request", "run", { text, ablate: { patch: [{ hook, position: 99, text: other }] } });
    }
  });
});
