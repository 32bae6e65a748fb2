// www/cloze.js alone, with a program that answers as it is told: how requests are sent and answers are shaped.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";

import { ROOT } from "./support/server.mjs";

const script = await readFile(join(ROOT, "www/cloze.js"), "utf8");

const MODEL = { source: "gpt", family: "gpt", layers: 2 };
const NOW = { engine: "cpu", adapter: null, reason: null, model: MODEL, selfCheck: null, settled: true };

/** `window.cloze` and a program for it that notes the requests. */
function fresh(answer = () => ({}), floats = []) {
  const window = {};
  runInContext(script, createContext({ window, location: { hash: "#view=mask&t=a+b" }, URLSearchParams }));
  const asked = [];
  const program = {
    load: async (json) => {
      asked.push({ load: JSON.parse(json) });
      return JSON.stringify(MODEL);
    },
    request: async (json, family) => {
      asked.push(JSON.parse(json));
      assert.ok(family === MODEL.family || "download" in asked.at(-1), "a model's question goes to its family");
      return [answer(asked.at(-1)), Float32Array.from(floats)];
    },
    status: () => JSON.stringify(NOW),
    state: () => "view=attention&t=%C3%BC",
    setState: () => ["h"],
    settled: Promise.resolve(),
  };
  return { cloze: window.cloze, program, asked };
}

/** A value of the script's world as one of ours. */
const plain = (value) => structuredClone(value);

test("what is asked before the program connects waits for it", async () => {
  const { cloze, program, asked } = fresh();
  assert.equal(cloze.status().engine, null);
  assert.deepEqual(plain(cloze.state()), { view: "mask", t: "a b" });
  const loading = cloze.load("gpt");
  assert.deepEqual(asked, []);
  cloze.connect(program);
  assert.equal(cloze.connect, undefined, "nobody connects twice");
  assert.deepEqual(plain(await loading), MODEL);
  assert.deepEqual(asked, [{ load: { source: "gpt" } }]);
  assert.deepEqual(plain(await cloze.ready), { ...NOW, reasonMessage: null, notKept: null });
  assert.deepEqual(plain(cloze.state()), { view: "attention", t: "ü" });
  assert.deepEqual(plain(await cloze.set({ view: "mask", h: "x" })), ["h"]);
});

test("byte offsets become offsets into JavaScript's string, and values are cut in their order", async () => {
  const text = "aé👩🏽b";
  const token = (start, end, segment = 0) => ({ id: 1, piece: "", start, end, word: 0, special: false, segment });
  const tokens = [token(0, 1), token(1, 3), token(3, 7), token(7, 11), token(11, 12), token(0, 2, 1)];
  const activations = [
    { hook: "hook_embed", shape: [2, 1] },
    { hook: "nothing", shape: [0, 3] },
    { hook: "logits", shape: [1, 3] },
  ];
  const run = { model: MODEL, text, textB: "ß!", tokens, predictions: [], nsp: { isNext: 0.5 }, activations, truncated: 0, computed: 5, ms: 1 };
  const { cloze, program, asked } = fresh(() => ({ ran: { run } }), [1, 2, 3, 4, 5]);
  cloze.connect(program);
  const result = await cloze.run({ text, textB: "ß!", want: ["hook_embed"], topK: undefined });
  assert.deepEqual(asked, [{ run: { family: "gpt", run: { text, textB: "ß!", want: ["hook_embed"] } } }]);
  const cuts = plain(result.tokens).map(({ start, end, segment }) => (segment === 0 ? text : "ß!").slice(start, end));
  assert.deepEqual(cuts, ["a", "é", "👩", "🏽", "b", "ß"]);
  assert.deepEqual(Array.from(result.activations.hook_embed.data), [1, 2]);
  assert.deepEqual(Array.from(result.activations.nothing.data), []);
  assert.deepEqual(Array.from(result.activations.logits.data), [3, 4, 5]);
  assert.deepEqual(plain(result.nsp), { isNext: 0.5 });
});

test("steps share one array of values", async () => {
  const step = (id) => ({ token: { id, piece: "x", special: false, start: 0, end: 0 }, top: [], ms: 1, activations: [{ hook: "logits", shape: [2] }] });
  const { cloze, program } = fresh(() => ({ generated: { steps: [step(7), step(8)] } }), [1, 2, 3, 4]);
  cloze.connect(program);
  const steps = await cloze.generate({ text: "a", maxNewTokens: 2 });
  assert.deepEqual(plain(steps[1].token), { id: 8, piece: "x", special: false });
  assert.deepEqual(Array.from(steps[1].activations.logits.data), [3, 4]);
});

test("a download can be made to wait, and options of load are handed on", async () => {
  const { cloze, program, asked } = fresh();
  cloze.connect(program);
  await cloze.load("hf:a/b", { engine: "cpu", weights: undefined, hub: "https://h/" });
  await cloze.pause("hf:a/b");
  await cloze.cancel("hf:a/b");
  assert.deepEqual(asked, [
    { load: { source: "hf:a/b", engine: "cpu", hub: "https://h/" } },
    { download: { source: "hf:a/b", act: "pause" } },
    { download: { source: "hf:a/b", act: "cancel" } },
  ]);
  await assert.rejects(cloze.pause(), { code: "bad-request" });
  await assert.rejects(cloze.load("gpt", { hub: 7 }), { code: "bad-request", message: /hub/ });
  await assert.rejects(cloze.load(7), { code: "bad-request", message: /files/ });
  await assert.rejects(cloze.load({ a: 1 }), { code: "bad-request" });
});

test("refusals carry a code and a message, wherever they come from", async () => {
  const { cloze, program, asked } = fresh();
  program.request = () => Promise.reject({ code: "empty-text", message: "there is no text" });
  cloze.connect(program);
  await assert.rejects(cloze.run({ text: "" }), { name: "ClozeError", code: "empty-text", message: "there is no text" });
  await assert.rejects(cloze.run({ text: 1 }), { code: "bad-request" });
  await assert.rejects(cloze.run({ text: "a", toString: 1 }), { code: "bad-request", message: /no option "toString"/ });
  await assert.rejects(cloze.generate({ text: "a" }), { code: "bad-request", message: /maxNewTokens/ });
  assert.deepEqual(asked, []);
});

test("a program that does not start refuses everything", async () => {
  const { cloze } = fresh();
  const waiting = cloze.run({ text: "a" });
  cloze.connect(Promise.reject({ code: "page-stopped", message: "no wasm" }));
  for (const promise of [waiting, cloze.ready, cloze.load("bert"), cloze.set({})]) {
    await assert.rejects(promise, { code: "page-stopped", message: "no wasm" });
  }
  assert.equal(cloze.status().engine, null);
});
