// Heads that are switched off, and the shader that ran: what the page says equals what the engine says.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { VIEWS, waitForRest } from "./support/cloze.mjs";
import { serve } from "./support/server.mjs";

/** Half of the last digit that the page prints of a percentage, and a rounding error. */
const DIGIT = 0.0501;

describe("a head that is switched off", { timeout: 300_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    server = await serve();
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin, "view=attention");
    await page.locator("[data-heatmap=gpt]").waitFor();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const line = (model) => page.locator(`[data-panel=${model}] [data-off]`);
  const off = async () => (await ask(page, "state")).off;

  /** Shows a row of a model, and nothing else that was chosen before. */
  async function look(state) {
    assert.deepEqual(await ask(page, "set", { view: "attention", ...state }), []);
    await waitForRest(page);
    await page.evaluate(() => document.activeElement?.blur());
  }

  /** What the line of a model says, with its numbers in percent. */
  async function change(model) {
    await waitForRest(page);
    const words = await line(model).innerText();
    const number = (text) => Number(text.replace("−", "-"));
    const [, piece, before, after, points] = /p\((.+?)\) (\S+)\s% → (\S+)\s%, (\S+)\spoints/.exec(words) ?? assert.fail(words);
    return { piece, before: number(before), after: number(after), points: number(points) };
  }

  /** Probability in percent of the piece `id` where `text` predicts first. */
  async function probability(text, id, heads) {
    const { vocabulary } = (await ask(page, "status")).model;
    const { predictions } = await ask(page, "run", { text, topK: vocabulary, ablate: { heads } });
    return 100 * predictions[0].top.find((candidate) => candidate.id === id).p;
  }

  function near(found, expected) {
    assert.ok(Math.abs(found - expected) <= DIGIT, `the page says ${found}, the engine ${expected}`);
  }

  test("BERT: O, Shift-click and All on change the picture, the numbers and the address", async () => {
    const text = "The cat sat on the [MASK] and slept.";
    await look({ t: text, show: "bert", q: 6, l: 2, h: 4 });
    assert.equal(await line("bert").innerText(), "");

    await page.keyboard.press("o");
    assert.equal(await off(), "b2.4");
    const head = page.locator('[data-head="2,4"]');
    assert.match(await head.getAttribute("class"), /\boff\b/);
    assert.match(await head.getAttribute("aria-label"), /switched off/);
    assert.equal(await page.getByRole("button", { name: "Head on" }).getAttribute("aria-pressed"), "false");

    await ask(page, "load", "bert");
    const { predictions } = await ask(page, "run", { text, topK: 1 });
    const [{ id, piece, p }] = predictions[0].top;
    const one = await change("bert");
    assert.equal(one.piece, piece);
    near(one.before, 100 * p);
    near(one.after, await probability(text, id, [[1, 3]]));
    near(one.points, one.after - one.before);

    await page.locator('[data-head="1,1"]').click({ modifiers: ["Shift"] });
    assert.equal(await off(), "b1.1,b2.4");
    const { l, h } = await ask(page, "state");
    assert.deepEqual([l, h], ["2", "4"], "the head that is looked at stays");
    const two = await change("bert");
    assert.equal(two.before, one.before);
    near(two.after, await probability(text, id, [[0, 0], [1, 3]]));

    await page.getByRole("button", { name: "All on" }).click();
    assert.equal(await off(), undefined);
    await waitForRest(page);
    assert.equal(await line("bert").innerText(), "");
    assert.equal(await page.locator(".hgrid .off").count(), 0);
    noProblems(problems);
  });

  test("GPT watches the token that follows the row", async () => {
    const text = "The cat sat on the mat.";
    await ask(page, "load", "gpt");
    const { tokens } = await ask(page, "run", { text });
    const row = 3;
    await look({ t: text, show: "gpt", q: row, gl: 1, gh: 2, off: "g1.2,g3.1" });
    const heads = [[0, 1], [2, 0]];
    const next = tokens[row + 1];
    const cut = text.slice(0, tokens[row].end);
    const said = await change("gpt");
    assert.equal(said.piece, next.piece.trim());
    near(said.before, await probability(cut, next.id, []));
    near(said.after, await probability(cut, next.id, heads));
    noProblems(problems);
  });

  test("a row without a prediction says what to do", async () => {
    const text = "The cat sat on the mat.";
    for (const [state, sentence] of [
      [{ t: text, show: "bert", q: 3, off: "b1.1" }, /Write \[MASK\]/],
      [{ t: "The [MASK] sat on the mat.", show: "bert", q: 4, off: "b1.1" }, /Choose the row of \[MASK\]/],
      [{ t: "A", show: "gpt", q: 0, off: "g1.1" }, /Nothing follows/],
    ]) {
      await look(state);
      const words = await line(state.show).innerText();
      assert.match(words, sentence);
      assert.doesNotMatch(words, /%/);
    }
    noProblems(problems);
  });

  test("an address that names no head falls back, and says so", async () => {
    assert.deepEqual(await ask(page, "set", { view: "attention", off: "b2" }), ["off"]);
    assert.equal(await off(), undefined);
    await page.getByText("could not be read: off").waitFor();
    // A head that this model does not have is no head of it: nothing is off, and nothing fails.
    await look({ off: "b99.99", show: "bert" });
    assert.equal(await line("bert").innerText(), "");
    noProblems(problems);
  });

  /** A number of bytes as the page prints it. */
  function inWords(bytes) {
    const [unit, name] = bytes < 1e3 ? [1, "B"] : bytes < 1e6 ? [1e3, "KB"] : [1e6, "MB"];
    return `${unit === 1 ? bytes : (bytes / unit).toFixed(1)}\u00a0${name}`;
  }

  /** The blocks' dispatches, five a block, as `[kernel, computes]`; a map has one form for many rows and one for few. */
  const blocks = (layers) =>
    Array.from({ length: layers }, (_, layer) => [
      ["linear", `blocks.${layer}.attn.qkv`],
      ["attention", `blocks.${layer}.attn.hook_z`],
      ["linear", `blocks.${layer}.hook_attn_out`],
      ["linear", `blocks.${layer}.mlp.hook_post`],
      ["linear", `blocks.${layer}.hook_mlp_out`],
    ]).flat();

  test("the shader panel lists what the GPU did, and shows the program that ran", async () => {
    await look({ t: "The cat sat on the mat.", show: "both" });
    const timed = await page.evaluate(async () => (await navigator.gpu.requestAdapter()).features.has("timestamp-query"));
    await page.getByText("Show the shader").click();
    for (const model of ["bert", "gpt"]) {
      // Loaded anew, so that the last run is the page's own.
      const { layers } = await ask(page, "load", model, { engine: "webgpu" });
      const panel = page.locator("[data-shader]");
      await panel.locator(`button[data-voice=${model}]`).click();
      await panel.locator(`[data-voice=${model}] [data-dispatch]`).first().waitFor();
      await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
      const { dispatches, sources } = await ask(page, "kernels");
      const done = dispatches.map(({ kernel, computes }) => [kernel.replace(/^linear_(tile|vector)$/, "linear"), computes]);
      assert.deepEqual(done.slice(0, 1 + 5 * layers), [["embed", "hook_embed_sum"], ...blocks(layers)]);
      const rows = panel.locator("[data-dispatch]");
      const cells = await rows.evaluateAll((rows) => rows.map(({ cells }) => [...cells].map((cell) => cell.innerText)));
      const expected = dispatches.map(({ kernel, computes, grid: [x, y], reads, writes }) => {
        return [kernel, computes, `${x} × ${y}`, inWords(reads), inWords(writes)];
      });
      assert.deepEqual(cells.map((row) => row.slice(0, 5)), expected);
      // The panel has asked before us, and each has times of its own.
      assert.ok(dispatches.every(({ ms }) => (ms !== null) === timed));
      assert.ok(cells.every(([, , , , , ms]) => (timed ? /^\d+\.\d{3}$/.test(ms) : ms === undefined)), cells.join(" | "));
      for (const at of [0, dispatches.length - 1]) {
        await rows.nth(at).getByRole("button").click();
        const { kernel, computes } = dispatches[at];
        const source = panel.locator(`[data-wgsl=${kernel}]`);
        await source.waitFor();
        assert.equal(await source.textContent(), sources[kernel]);
        assert.ok((await rows.nth(at).innerText()).includes(computes));
      }
    }
    noProblems(problems);
  });
});

describe("without a GPU", { timeout: 300_000 }, () => {
  let server, browser;

  before(async () => {
    server = await serve();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("the shader panel says that none ran, and why", async () => {
    const { page, problems } = await newPage(browser);
    await openCloze(page, server.origin, "view=attention&show=bert");
    await page.getByText("Show the shader").click();
    const words = page.locator("[data-shader]").getByText("No shader ran: your CPU computes BERT.");
    await words.waitFor();
    const { reason } = await ask(page, "status");
    assert.equal(reason, "no-adapter");
    assert.match(await words.innerText(), /WebGPU found no usable GPU/);
    noProblems(problems);
    await page.context().close();
  });
});

for (const [engine, gpu] of [
  ["cpu", "no-adapter"],
  ["webgpu", "software"],
]) {
  describe(`typing where ${engine} computes`, { timeout: 300_000 }, () => {
    let server, browser;

    before(async () => {
      server = await serve();
      browser = await launch({ gpu });
    });

    after(async () => {
      await browser?.close();
      await server?.close();
    });

    for (const view of VIEWS) {
      test(`30 characters fast cost each model at most two runs in ${view}`, async () => {
        const { page, problems } = await newPage(browser);
        await page.addInitScript(() => {
          window.runs = [];
          const { postMessage } = Worker.prototype;
          Worker.prototype.postMessage = function (message, ...rest) {
            const { run } = JSON.parse(message).ask;
            if (run) window.runs.push({ family: run.family, text: run.run.text });
            return postMessage.call(this, message, ...rest);
          };
        });
        await openCloze(page, server.origin, `view=${view}&t=The cat [MASK] on the mat.`);
        await waitForRest(page);
        assert.equal((await ask(page, "status")).engine, engine);
        const typed = "It was late, and it was dark. ";
        assert.equal(typed.length, 30);
        await page.locator("[data-sentence]").first().focus();
        await page.evaluate(async (typed) => {
          window.runs = [];
          // Typed from within the page: however slow the machine is, no rest lies between two characters.
          for (const character of typed) {
            document.execCommand("insertText", false, character);
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        }, typed);
        await page.waitForFunction(() => window.runs.length > 0);
        await waitForRest(page);
        // But for what is asked to see whether the engine is at rest.
        const runs = (await page.evaluate(() => window.runs)).filter(({ text }) => text !== ".");
        const models = { mask: ["bert"], attention: ["bert", "gpt"], generate: ["gpt"] }[view];
        assert.deepEqual([...new Set(runs.map(({ family }) => family))].sort(), models);
        for (const model of models) {
          const texts = runs.filter(({ family }) => family === model).map(({ text }) => text);
          assert.ok(texts.length <= 2, `${texts.length} runs of ${model}: ${texts.join(" | ")}`);
          assert.ok(texts.every((text) => text.includes(typed.trim())), `not of the whole text: ${texts.join(" | ")}`);
        }

        // As many while a run is under way at the beginning, and slowly enough for runs to end meanwhile.
        await page.evaluate(async (typed) => {
          window.runs = [];
          document.execCommand("insertText", false, "Again. ");
          while (window.runs.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          for (const character of typed) {
            document.execCommand("insertText", false, character);
            await new Promise((resolve) => setTimeout(resolve, 60));
          }
        }, typed);
        await waitForRest(page);
        const slow = (await page.evaluate(() => window.runs)).filter(({ text }) => text !== ".");
        for (const model of models) {
          const texts = slow.filter(({ family }) => family === model).map(({ text }) => text);
          assert.ok(texts.length <= 2, `${texts.length} runs of ${model}: ${texts.join(" | ")}`);
          assert.ok(texts.at(-1).includes(`Again. ${typed.trim()}`), `not of the whole text: ${texts.at(-1)}`);
        }
        noProblems(problems);
        await page.context().close();
      });
    }
  });
}
