// The page as a reader uses it, in Chromium with WebGPU.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { predictions, show, typeSentence, VIEWS, waitForRest } from "./support/cloze.mjs";
import { ROOT, serve } from "./support/server.mjs";

const axe = createRequire(import.meta.url).resolve("axe-core");

describe("the page on WebGPU", { timeout: 600_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    server = await serve();
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("WebGPU computes, after a self-check, and the page says so", async () => {
    const { engine, reason, selfCheck, settled } = await ask(page, "status");
    assert.deepEqual({ engine, reason, settled }, { engine: "webgpu", reason: null, settled: true });
    assert.equal(selfCheck.ok, true);
    const bar = page.locator("[role=status]").filter({ hasText: "WebGPU" });
    await bar.first().waitFor();
    assert.match(await bar.first().innerText(), /self-check passed/i);
    noProblems(problems);
  });

  test("the GPU tells what it did for a run", async () => {
    const { model, weights } = await ask(page, "status");
    const want = ["hook_embed", "blocks.1.attn.hook_k", "blocks.1.attn.hook_pattern"];
    const { tokens } = await ask(page, "run", { text: "The cat [MASK] on the mat.", want });
    const { dispatches, sources } = await ask(page, "kernels");
    assert.ok(dispatches.length > 5 * model.layers && dispatches.length <= 6 * model.layers + 5, `${dispatches.length} dispatches`);
    for (const { kernel, computes, grid, reads, writes, ms } of dispatches) {
      assert.match(sources[kernel], /@compute/);
      assert.ok(computes.length > 0 && grid.length === 2 && reads > 0 && writes > 0);
      assert.ok(ms === null || (ms >= 0 && ms < 60_000), `${kernel} took ${ms} ms`);
    }
    // Each number counted once. Activations have four bytes each; of the model's own weights each has one.
    assert.equal(weights, "int8");
    const rows = 4 * tokens.length;
    const { hidden, heads } = model;
    const map = heads * tokens.length * rows;
    for (const [name, bytes] of Object.entries({
      // rows of words, positions and segments → their sum [token, hidden], and the words' once more, since they are wanted
      hook_embed_sum: [tokens.length * hidden + 2 * rows * hidden, 2 * rows * hidden],
      // x [token, hidden] · W [hidden, 3 hidden] → queries, keys and values [token, 3 hidden]
      "blocks.0.attn.qkv": [rows * hidden + hidden * 3 * hidden, rows * 3 * hidden],
      // … and the keys once more, since they are wanted
      "blocks.1.attn.qkv": [rows * hidden + hidden * 3 * hidden, rows * 4 * hidden],
      // q, k and v [token, hidden] → z [token, hidden]
      "blocks.0.attn.hook_z": [3 * rows * hidden, rows * hidden],
      // … and the pattern [head, query, key], since it is wanted
      "blocks.1.attn.hook_z": [3 * rows * hidden, rows * hidden + map],
      // x [token, 4 hidden] · W [4 hidden, hidden] + the residual [token, hidden] → [token, hidden]
      "blocks.1.hook_mlp_out": [rows * 4 * hidden + 4 * hidden * hidden + rows * hidden, rows * hidden],
    })) {
      const { reads, writes } = dispatches.find(({ computes }) => computes === name);
      assert.deepEqual([reads, writes], bytes, name);
    }
    // The device has them wherever the adapter does, and then software's tile is the form that uses them.
    const subgroups = await page.evaluate(async () => {
      const { features, info } = await navigator.gpu.requestAdapter();
      return features.has("subgroups") && info.subgroupMinSize >= 4;
    });
    assert.equal(sources.linear_tile.startsWith("enable subgroups;"), subgroups);
    noProblems(problems);
  });

  test("Mask predicts what is typed, and what the API says", async () => {
    await show(page, "mask");
    await typeSentence(page, "The cat [MASK] on the mat.");
    const rows = await predictions(page);
    const { predictions: expected } = await ask(page, "run", { text: "The cat [MASK] on the mat.", topK: 3 });
    for (const [index, { piece }] of expected[0].top.entries()) {
      assert.ok(rows[index].includes(piece), `row ${index} is "${rows[index]}", the API says "${piece}"`);
    }
    assert.ok((await page.locator("[data-view=mask] [data-token]").count()) >= 8);
    noProblems(problems);
  });

  test("a guess is judged at its blank, and another blank has the answer covered again", async () => {
    await show(page, "mask");
    await typeSentence(page, "The [MASK] drank a cup of [MASK].");
    await ask(page, "set", { ...(await ask(page, "state")), guess: 1 });
    const box = page.locator("[data-view=mask] .guess");
    const covered = page.getByText("The answer is covered.");
    await covered.waitFor();
    await box.locator("input").first().fill("man");
    await page.keyboard.press("Enter");
    await box.getByText(/Your word came /).waitFor();
    await covered.waitFor({ state: "detached" });
    await ask(page, "set", { ...(await ask(page, "state")), focus: 2 });
    await covered.waitFor();
    assert.equal(await box.getByText(/Your word came /).count(), 0);
    assert.equal(await box.locator("input").first().inputValue(), "");
    await ask(page, "set", { view: "mask" });
    noProblems(problems);
  });

  test("bad input gets a sentence, and the next good input works", async () => {
    await show(page, "mask");
    for (const text of [
      "",
      "   ",
      "There is no blank here.",
      "[MASK] [MASK] [MASK] [MASK]",
      "word ".repeat(2000),
      "👩‍👩‍👧 🍕 [MASK] 🇫🇷",
      "هذا [MASK] جميل",
      "我喜欢[MASK]。",
      "<img src=x onerror=alert(1)> [MASK]",
    ]) {
      await typeSentence(page, text);
      const words = await page.locator("[data-view=mask]").innerText();
      assert.ok(words.trim().length > 0);
      assert.equal(await page.locator("[data-view=mask] img").count(), 0);
      noProblems(problems);
    }
    await typeSentence(page, "Paris is the capital of [MASK].");
    assert.ok((await predictions(page)).length >= 5);
    noProblems(problems);
  });

  test("Attention draws every head of both models, and reads out a cell", async () => {
    await show(page, "attention");
    const bert = await ask(page, "load", "bert");
    const gpt = await ask(page, "load", "gpt");
    const heads = page.locator("[data-view=attention] [data-head]");
    const all = bert.layers * bert.heads + gpt.layers * gpt.heads;
    await heads.nth(all - 1).waitFor();
    assert.equal(await heads.count(), all);
    await heads.nth(1).click();
    // The middle of the third row's second cell.
    const { x, y, width } = await page.locator("[data-panel=bert] .hm-cells").boundingBox();
    const names = await page.locator("[data-heatmap=bert] .hm-query").allInnerTexts();
    const cell = width / names.length;
    await page.mouse.move(x + 1.5 * cell, y + 2.5 * cell);
    const name = (row) => names[row].replace(/^▸\s*/, "").trim();
    const readout = page.locator("[data-readout=bert]").filter({ hasText: `“${name(2)}” → “${name(1)}”:` });
    await readout.waitFor();
    assert.match(await readout.innerText(), /: [01]\.\d\d/);
    assert.ok((await page.locator("[data-view=attention] canvas, [data-view=attention] svg").count()) > 0);
    noProblems(problems);
  });

  test("Generate steps, rewinds and branches", async () => {
    await show(page, "generate");
    await typeSentence(page, "The little dog");
    const steps = page.locator("[data-view=generate] [data-step]");
    await page.locator("[data-view=generate] [data-candidate]").first().waitFor();
    const before = await steps.count();
    await page.getByRole("button", { name: "One step forward" }).click();
    await page.waitForFunction((n) => document.querySelectorAll("[data-view=generate] [data-step]").length > n, before);
    await waitForRest(page);
    const { br = "", step } = await ask(page, "state");
    assert.ok(`${br}${step ?? ""}`.length > 0, "the address holds the step");
    await page.locator("[data-view=generate] [data-candidate]").nth(1).click();
    await waitForRest(page);
    noProblems(problems);
  });

  test("another model answers at once, in every lesson", async () => {
    // What stands there is the other model's: its vocabulary is not ours, and its answers are too poor to be the same.
    const other = (family) => `url:${server.origin}/golden/checkpoints/${family}-1-layer/`;
    await page.evaluate(() => {
      const said = (row) => row.getAttribute("aria-label") ?? row.innerText;
      window.words = (listed) => [...document.querySelectorAll(listed)].map(said).join();
    });
    for (const [view, family, listed] of [
      ["mask", "bert", "[data-view=mask] [data-prediction]"],
      ["generate", "gpt", "[data-view=generate] [data-candidate]"],
    ]) {
      await ask(page, "set", { view });
      const words = () => page.evaluate((listed) => window.words(listed), listed);
      await page.locator(listed).first().waitFor();
      await waitForRest(page);
      const own = await words();
      for (const source of [other(family), family]) {
        const before = await words();
        await ask(page, "load", source);
        await page.waitForFunction(
          ([listed, before]) => !["", before].includes(window.words(listed)),
          [listed, before],
        );
      }
      assert.equal(await words(), own);
    }
    noProblems(problems);
  });

  for (const theme of ["light", "dark"]) {
    for (const view of VIEWS) {
      test(`axe finds nothing serious in ${view}, ${theme}`, async () => {
        await ask(page, "set", { view, theme, ...(view === "attention" && { off: "b2.2,g3.5" }) });
        await page.locator(`[data-view=${view}]`).first().waitFor();
        await waitForRest(page);
        if (view === "attention") {
          await page.locator("[data-shader]").evaluate((shader) => (shader.open = true));
          await page.locator("[data-wgsl]").waitFor();
        }
        if (!(await page.evaluate(() => "axe" in window))) {
          // As a debugger's script, since the page's own policy forbids foreign ones.
          await page.evaluate(await readFile(axe, "utf8"));
        }
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        const summary = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).slice(0, 3).join(" | ")}`);
        assert.deepEqual(summary, []);
        noProblems(problems);
      });
    }
  }

  test("all of this needed nothing of the CPU's program, and the engine's has none of Burn", async () => {
    await ask(page, "load", "gpt");
    await ask(page, "run", { text: "Once upon a time" });
    await ask(page, "generate", { text: "Once upon a time", maxNewTokens: 4 });
    const programs = server.requests.filter((path) => /^\/(engine|cpu)/.test(path));
    assert.deepEqual([...new Set(programs)].sort(), ["/engine.js", "/engine_bg.wasm", "/engine_loader.js"]);
    // A crate leaves the paths of its sources where it may panic.
    for (const [program, has] of [["engine", false], ["cpu", true]]) {
      const wasm = await readFile(join(ROOT, `dist/${program}_bg.wasm`));
      assert.equal(/burn[-_]/.test(wasm.toString("latin1")), has, program);
    }
    noProblems(problems);
  });
});

describe("the page on the CPU", { timeout: 300_000 }, () => {
  test("stays responsive while runs go on, and scrolls sideways at no width", async () => {
    const server = await serve();
    const browser = await launch();
    try {
      const { page, problems } = await newPage(browser);
      await openCloze(page, server.origin);
      await waitForRest(page);

      const longest = await page.evaluate(async () => {
        const tasks = [];
        new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({
          type: "longtask",
        });
        const { model } = window.cloze.status();
        const want = ["logits"];
        for (let layer = 0; layer < model.layers; layer++) {
          for (const name of ["attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_pattern", "hook_resid_post"]) {
            want.push(`blocks.${layer}.${name}`);
          }
        }
        for (let i = 0; i < 8; i++) await window.cloze.run({ text: "The quick brown fox jumps over the lazy dog again.", want });
        await new Promise((resolve) => setTimeout(resolve, 200));
        return Math.max(0, ...tasks);
      });
      assert.ok(longest <= 50, `the main thread was busy for ${longest} ms`);

      for (const [width, height] of [[1440, 900], [1024, 768], [761, 900], [390, 844]]) {
        await page.setViewportSize({ width, height });
        for (const view of VIEWS) {
          await ask(page, "set", { view });
          await page.locator(`[data-view=${view}]`).first().waitFor();
          await waitForRest(page);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `${view} is ${wide} px wider than ${width}`);
        }
      }
      noProblems(problems);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
