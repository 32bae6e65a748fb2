// The JavaScript API as README.md and www/cloze.d.ts document it, on the CPU.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze, refused } from "./support/browser.mjs";
import { ROOT, serve } from "./support/server.mjs";

describe("window.cloze", { timeout: 300_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    server = await serve();
    browser = await launch();
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("what is asked before the page's program runs is answered when it does", async () => {
    const { page, problems } = await newPage(browser);
    await page.goto(server.origin, { waitUntil: "commit" });
    await page.waitForFunction(() => window.cloze !== undefined);
    const before = await page.evaluate(() => window.cloze.status());
    assert.equal(typeof before.settled, "boolean");
    const { predictions } = await ask(page, "run", { text: "The cat [MASK] on the mat." });
    assert.equal(predictions.length, 1);
    noProblems(problems);
    await page.context().close();
  });

  test("what is loaded before the page's own model has come is what runs", async () => {
    const { page, problems } = await newPage(browser);
    await page.goto(server.origin, { waitUntil: "commit" });
    await page.waitForFunction(() => window.cloze !== undefined);
    const source = `url:${server.origin}/golden/checkpoints/bert-1-layer/`;
    await ask(page, "load", source);
    for (let i = 0; i < 2; i++) {
      assert.equal((await ask(page, "run", { text: "hello" })).model.source, source);
      await page.evaluate(() => window.cloze.ready);
    }
    noProblems(problems);
    await page.context().close();
  });

  test("status says what computes, and why", async () => {
    const status = await ask(page, "status");
    assert.equal(status.engine, "cpu");
    assert.equal(status.adapter, null);
    assert.equal(status.reason, "no-adapter");
    assert.equal(status.settled, true);
    assert.equal(status.selfCheck.ok, true);
    assert.ok(status.selfCheck.maxAbsDiff >= 0 && status.selfCheck.maxAbsDiff < 0.1);
    assert.ok(["bert", "gpt"].includes(status.model.family));
    assert.deepEqual(await page.evaluate(() => window.cloze.ready), status);
  });

  test("load resolves to the model's sizes, and run goes to it", async () => {
    for (const family of ["gpt", "bert"]) {
      const model = await ask(page, "load", family, { engine: "cpu" });
      assert.equal(model.source, family);
      assert.equal(model.family, family);
      for (const size of ["layers", "heads", "hidden", "vocabulary", "positions", "parameters"]) {
        assert.ok(Number.isInteger(model[size]) && model[size] > 0, `${size} is ${model[size]}`);
      }
      assert.deepEqual((await ask(page, "status")).model, model);
      assert.deepEqual((await ask(page, "run", { text: "hello" })).model, model);
    }
  });

  test("BERT predicts at every mask, most probable first", async () => {
    await ask(page, "load", "bert");
    const { tokens, predictions, truncated, ms, nsp, activations } = await ask(page, "run", {
      text: "The [MASK] sat on the [MASK].",
      topK: 5,
    });
    assert.equal(predictions.length, 2);
    for (const { position, top } of predictions) {
      assert.equal(tokens[position].piece, "[MASK]");
      assert.equal(tokens[position].special, true);
      checkTop(top, 5);
    }
    assert.equal(truncated, 0);
    assert.ok(ms > 0);
    assert.ok(nsp === undefined || (nsp.isNext >= 0 && nsp.isNext <= 1));
    assert.deepEqual(activations, {});
  });

  test("a text without a mask has no predictions of BERT, and one of GPT, at its last position", async () => {
    await ask(page, "load", "bert");
    assert.deepEqual((await ask(page, "run", { text: "The cat sat." })).predictions, []);
    await ask(page, "load", "gpt");
    const { tokens, predictions } = await ask(page, "run", { text: "The cat sat" });
    assert.equal(predictions.length, 1);
    assert.equal(predictions[0].position, tokens.length - 1);
    checkTop(predictions[0].top, 8);
  });

  test("a pair has two segments, and spans that cut each text", async () => {
    await ask(page, "load", "bert");
    const text = "The cat sat.";
    const textB = "It purred.";
    const run = await ask(page, "run", { text, textB });
    assert.equal(run.textB, textB);
    for (const token of run.tokens.filter((token) => token.word !== null)) {
      const cut = (token.segment === 0 ? text : textB).slice(token.start, token.end);
      assert.equal(cut.toLowerCase(), token.piece.replace(/^##/, "").toLowerCase());
    }
    assert.deepEqual([...new Set(run.tokens.map((token) => token.segment))], [0, 1]);
  });

  test("spans count in the units of JavaScript's strings, whatever the script", async () => {
    const texts = ["Zoë's naïve café — déjà vu", "I 👩‍👩‍👧 love 🇫🇷 pizza 🍕!", "שלום עולם and مرحبا", "我喜欢[MASK]，你呢？", "a\ttab\nand a line"];
    for (const family of ["bert", "gpt"]) {
      await ask(page, "load", family);
      for (const text of texts) {
        const { tokens } = await ask(page, "run", { text });
        let last = 0;
        for (const { start, end } of tokens.filter((token) => token.end > token.start)) {
          assert.ok(start >= 0 && end <= text.length && start <= end, `${start}..${end} of "${text}"`);
          assert.ok(start >= last || end <= last, `spans of "${text}" run backwards`);
          assert.ok(text.slice(start, end).isWellFormed(), `${start}..${end} cuts a character of "${text}"`);
          last = Math.max(last, end);
        }
        const seen = tokens.map(({ start, end }) => text.slice(start, end)).join("");
        for (const word of text.split(/\s+/)) {
          if (/^[\x21-\x7e]+$/.test(word)) assert.ok(seen.includes(word), `"${word}" of "${text}" is in no token`);
        }
      }
    }
    await ask(page, "load", "bert");
    const { tokens } = await ask(page, "run", { text: texts[3] });
    const mask = tokens.find((token) => token.piece === "[MASK]");
    assert.equal(texts[3].slice(mask.start, mask.end), "[MASK]");
  });

  test("heads, embeddings and cells of the mask can be switched off", async () => {
    await ask(page, "load", "gpt");
    const text = "The cat sat on";
    const want = ["blocks.1.attn.hook_pattern", "blocks.0.attn.hook_z", "hook_pos_embed", "blocks.0.attn.hook_mask"];
    const plain = await ask(page, "run", { text, want });
    const ablate = { heads: [[0, 2]], embeddings: ["position"], mask: [[2, 0], [0, 3]] };
    const { activations, predictions } = await ask(page, "run", { text, want, ablate });
    const at = (name, ...index) => {
      const { shape, data } = activations[name];
      return data[index.reduce((offset, i, axis) => offset * shape[axis] + i, 0)];
    };
    assert.equal(at("blocks.1.attn.hook_pattern", 0, 2, 0), 0, "a blocked key");
    assert.ok(at("blocks.1.attn.hook_pattern", 0, 0, 3) > 0, "an opened one, after the query");
    assert.deepEqual([at("blocks.0.attn.hook_mask", 2, 0), at("blocks.0.attn.hook_mask", 0, 3)], [0, 1]);
    assert.ok(at("blocks.0.attn.hook_z", 1, 2, 0) === 0, "a head that is off gives 0 of either sign");
    assert.ok(activations.hook_pos_embed.data.every((value) => value === 0));
    assert.notDeepEqual(predictions, plain.predictions);
    assert.deepEqual((await ask(page, "run", { text, want })).predictions, plain.predictions, "nothing of it stays");

    for (const wrong of [{ heads: [[9, 0]] }, { heads: [3] }, { mask: [[0, 99]] }, { embeddings: ["segment"] }, { layer: 1 }, []]) {
      await refused(page, "bad-request", "run", { text, ablate: wrong });
    }
  });

  test("kernels tell what the GPU did, or that the CPU computes", async () => {
    await ask(page, "load", "bert", { engine: "cpu" });
    await ask(page, "run", { text: "The cat [MASK]." });
    await refused(page, "no-kernels", "kernels");
  });

  test("activations come by name, with their shapes; layers count from 0", async () => {
    for (const family of ["bert", "gpt"]) {
      const { layers, heads, hidden, vocabulary } = await ask(page, "load", family);
      const last = layers - 1;
      const pattern = `blocks.${last}.attn.hook_pattern`;
      const want = [pattern, "blocks.0.attn.hook_q", "hook_embed", "logits"];
      const { tokens, activations } = await ask(page, "run", { text: "The cat sat on the mat.", want });
      const n = tokens.length;
      assert.deepEqual(activations[pattern].shape, [heads, n, n]);
      assert.deepEqual(activations["blocks.0.attn.hook_q"].shape, [n, heads, hidden / heads]);
      assert.deepEqual(activations.hook_embed.shape, [n, hidden]);
      assert.deepEqual(activations.logits.shape, [n, vocabulary]);
      for (const { shape, data } of Object.values(activations)) {
        assert.equal(data.length, shape.reduce((a, b) => a * b));
        assert.ok(data.every(Number.isFinite));
      }
      const rows = activations[pattern].data;
      for (let row = 0; row < heads * n; row++) {
        const weights = rows.slice(row * n, (row + 1) * n);
        assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-4, "a row of a pattern sums to 1");
        const later = weights.slice((row % n) + 1);
        if (family === "gpt") assert.ok(later.every((weight) => weight === 0), "GPT sees no later token");
      }
      await refused(page, "unknown-activation", "run", { text: "hello", want: [`blocks.${layers}.attn.hook_q`] });
    }
    const { message } = await refused(page, "bad-request", "run", { text: "hello", want: ["blocks.0.attn.pattern"] });
    assert.match(message, /blocks\.0\.attn\.hook_pattern/);
  });

  test("generate draws token by token; temperature 0 is greedy, a seed repeats", async () => {
    const { heads } = await ask(page, "load", "gpt");
    const pattern = "blocks.0.attn.hook_pattern";
    const greedy = { text: "Once upon a time", maxNewTokens: 4, temperature: 0, want: [pattern] };
    const steps = await ask(page, "generate", greedy);
    assert.ok(steps.length >= 1 && steps.length <= 4);
    let keys;
    for (const [index, { token, top, ms, activations }] of steps.entries()) {
      assert.equal(token.id, top[0].id, "the most probable token is drawn");
      assert.equal(typeof token.piece, "string");
      checkTop(top, top.length);
      assert.ok(ms >= 0);
      const [h, q, k] = activations[pattern].shape;
      assert.equal(h, heads);
      // The prompt at once, then one token at a time: what was computed stays in the KV cache.
      if (index === 0) assert.equal(q, k);
      else assert.deepEqual([q, k], [1, keys + 1]);
      keys = k;
    }
    const tokens = (steps) => steps.map((step) => step.token.id);
    assert.deepEqual(tokens(await ask(page, "generate", greedy)), tokens(steps));

    const drawn = { text: "The", maxNewTokens: 6, temperature: 1.5, topK: 100, topP: 0.95 };
    const first = tokens(await ask(page, "generate", { ...drawn, seed: 1 }));
    assert.deepEqual(tokens(await ask(page, "generate", { ...drawn, seed: 1 })), first);
    const others = [];
    for (const seed of [2, 3, 4]) others.push(tokens(await ask(page, "generate", { ...drawn, seed })));
    assert.ok(others.some((other) => `${other}` !== `${first}`), "other seeds draw other tokens");
  });

  test("requests that make no sense are refused with a code and a sentence, and leave everything as it was", async () => {
    await ask(page, "load", "bert");
    const before = await ask(page, "status");
    for (const [code, verb, ...args] of [
      ["bad-request", "run"],
      ["bad-request", "run", "The cat"],
      ["bad-request", "run", {}],
      ["bad-request", "run", { text: 5 }],
      ["bad-request", "run", { text: "a", texts: "b" }],
      ["bad-request", "run", { text: "a", topK: 0 }],
      ["bad-request", "run", { text: "a", topK: 1.5 }],
      ["bad-request", "run", { text: "a", want: "logits" }],
      ["bad-request", "run", { text: "a", want: [1] }],
      ["bad-request", "run", { text: "a", want: ["constructor"] }],
      ["empty-text", "run", { text: "" }],
      ["empty-text", "run", { text: " \n\t " }],
      ["bad-request", "generate", { text: "a" }],
      ["bad-request", "generate", { text: "a", maxNewTokens: -1 }],
      ["bad-request", "generate", { text: "a", maxNewTokens: 1, temperature: -1 }],
      ["bad-request", "generate", { text: "a", maxNewTokens: 1, topP: 0 }],
      ["bad-request", "generate", { text: "a", maxNewTokens: 1, seed: -1 }],
      ["empty-text", "generate", { text: "", maxNewTokens: 1 }],
      ["bad-request", "load"],
      ["bad-request", "load", "bert", { engine: "tpu" }],
      ["bad-request", "load", "bert", { engin: "cpu" }],
      ["bad-source", "load", "llama"],
      ["bad-source", "load", "url:javascript:alert(1)"],
      ["bad-source", "load", ""],
      ["bad-request", "set", "view=mask"],
    ]) {
      await refused(page, code, verb, ...args);
    }
    assert.deepEqual(await ask(page, "status"), before);
    assert.equal((await ask(page, "run", { text: "The [MASK] sat." })).predictions.length, 1);
  });

  test("a text that is too long is cut, and the answer says by how much", async () => {
    const { positions } = await ask(page, "load", "bert");
    const { tokens, truncated } = await ask(page, "run", { text: "word ".repeat(2000) });
    assert.equal(tokens.length, positions);
    assert.equal(truncated, 2000 - (positions - 2));
    assert.equal(tokens.at(-1).piece, "[SEP]");
  });

  test("checkpoints of other servers load; spoiled ones are refused, and the model stays", async () => {
    const [name] = (await readdir(join(ROOT, "tests/golden/checkpoints"))).sort();
    const config = JSON.parse(await readFile(join(ROOT, "tests/golden/checkpoints", name, "config.json"), "utf8"));
    const other = await serve();
    const closed = await serve({ cors: null });
    try {
      const at = (path, origin = other.origin) => `url:${origin}/${path}/`;
      const model = await ask(page, "load", at(`golden/checkpoints/${name}`));
      assert.equal(model.vocabulary, config.vocab_size);
      assert.equal(model.source, at(`golden/checkpoints/${name}`));
      const slow = await ask(page, "load", at(`fault/trickle/checkpoints/${name}`));
      assert.equal(slow.parameters, model.parameters);

      await ask(page, "load", "bert");
      for (const [code, source] of [
        ["http-status", at(`fault/not-found/checkpoints/${name}`)],
        ["http-status", at("golden/checkpoints/no-such-checkpoint")],
        ["not-a-model-file", at(`fault/html/checkpoints/${name}`)],
        ["truncated", at(`fault/truncated/checkpoints/${name}`)],
        ["truncated", at(`fault/cut/checkpoints/${name}`)],
        ["unsupported-architecture", at(`fault/wrong-kind/checkpoints/${name}`)],
        ["network", at(`golden/checkpoints/${name}`, closed.origin)],
        ["network", "url:http://localhost:1/"],
      ]) {
        await refused(page, code, "load", source);
        assert.equal((await ask(page, "status")).model.source, "bert", code);
      }
      const { message } = await refused(page, "unsupported-architecture", "load", at(`fault/wrong-kind/checkpoints/${name}`));
      assert.match(message, /BERT/i);
      assert.match(message, /GPT-?2/i);
      assert.equal((await ask(page, "run", { text: "The [MASK] sat." })).predictions.length, 1);
    } finally {
      await other.close();
      await closed.close();
      // What a server refuses the browser itself writes to the console; nothing else may stand there.
      const others = problems.splice(0).filter((problem) => !/Failed to load resource|CORS policy/.test(problem));
      assert.deepEqual(others, []);
    }
  });

  test("state is what the address holds, and set brings it back", async () => {
    const wanted = { v: "1", view: "attention", t: "Time flies like an arrow." };
    assert.deepEqual(await ask(page, "set", wanted), []);
    const { view, t } = await ask(page, "state");
    assert.deepEqual({ view, t }, { view: wanted.view, t: wanted.t });
    await page.waitForFunction(() => new URLSearchParams(location.hash.slice(1)).get("view") === "attention");
    assert.deepEqual(await ask(page, "set", { view: "nonsense" }), ["view"]);
    assert.equal((await ask(page, "state")).view, "mask");
    noProblems(problems);
  });

  test("an engine call does not run the module's constructors again", async () => {
    // Crates register themselves in constructors; the linker makes every exported call run them unless told not to.
    // Then each call costs more than the one before, whatever it does.
    await ask(page, "load", "bert");
    const runs = (count) =>
      page.evaluate(async (count) => {
        const times = [];
        for (let i = 0; i < count; i++) {
          const start = performance.now();
          await window.cloze.run({ text: "a" });
          times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[count >> 1];
      }, count);
    await runs(9);
    const early = await runs(9);
    await runs(60);
    const late = await runs(9);
    assert.ok(early < 100, `a run of three tokens takes ${early} ms`);
    assert.ok(late < 2 * early + 10, `a run took ${early} ms, and after 60 more ${late} ms`);
  });
});

function checkTop(top, length) {
  assert.equal(top.length, length);
  for (const [index, { id, piece, p }] of top.entries()) {
    assert.ok(Number.isInteger(id) && typeof piece === "string");
    assert.ok(p >= 0 && p <= 1);
    if (index > 0) assert.ok(p <= top[index - 1].p, "the most probable comes first");
  }
  assert.ok(top.reduce((sum, { p }) => sum + p, 0) <= 1 + 1e-4);
}
