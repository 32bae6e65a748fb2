// Where there is no WebGPU: the CPU computes, and the page says the true reason.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, call, launch, newPage, noProblems, openCloze, refused } from "./support/browser.mjs";
import { randomGpt } from "./support/checkpoint.mjs";
import { predictions, waitForRest } from "./support/cloze.mjs";
import { startHub } from "./support/hub.mjs";
import { ROOT, serve } from "./support/server.mjs";
import { bindingsUpTo, losable, lose } from "./support/watch.mjs";

/** What an answer says, but for how long it took. */
const said = (answer) => JSON.parse(JSON.stringify(answer, (key, value) => (key === "ms" ? undefined : value)));

/** The pieces of an answer: those that a run predicts, or the tokens that were drawn. */
const pieces = (answer) => (answer.predictions ? answer.predictions[0].top : answer.map(({ token }) => token)).map(({ id }) => id);

describe("without WebGPU the CPU computes", { timeout: 300_000 }, () => {
  let server, browser;

  before(async () => {
    server = await serve();
    browser = await launch({ flags: ["--host-resolver-rules=MAP cloze.test 127.0.0.1"] });
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function check(origin, reason, options) {
    const { page, problems } = await newPage(browser, options);
    await openCloze(page, origin);
    const status = await ask(page, "status");
    assert.deepEqual([status.engine, status.reason, status.settled], ["cpu", reason, true]);
    assert.ok(status.reasonMessage.length > 10);
    const bar = page.locator("[role=status]").filter({ hasText: "CPU" });
    await bar.first().waitFor();
    assert.ok((await predictions(page)).length >= 5);

    await refused(page, reason, "load", "bert", { engine: "webgpu" });
    assert.equal((await ask(page, "status")).engine, "cpu");
    assert.equal((await ask(page, "run", { text: "The [MASK] sat." })).predictions.length, 1);
    noProblems(problems);
    await page.context().close();
  }

  test("no-adapter: the browser has WebGPU, but no GPU for it", () => check(server.origin, "no-adapter"));

  test("insecure-context: the page was opened over http from another machine", () =>
    check(`http://cloze.test:${server.port}`, "insecure-context"));

  test("no-webgpu: the browser has no WebGPU", async () => {
    const older = (script) => `delete WorkerNavigator.prototype.gpu;\n${script}`;
    const patched = await serve({ patch: { "engine_loader.js": older } });
    try {
      await check(patched.origin, "no-webgpu");
    } finally {
      await patched.close();
    }
  });

  test("products are fused with sums where the browser knows how, and computed as well where it does not", async () => {
    // The first counts what the module of its own is asked for; the second is a browser that refuses the module.
    const counted = (script) => `
      self.products = 0;
      const { Instance } = WebAssembly;
      WebAssembly.Instance = function (...own) {
        const { multiply } = new Instance(...own).exports;
        return { exports: { multiply: (...all) => (self.products++, multiply(...all)) } };
      };
      WebAssembly.Instance.prototype = Instance.prototype;
      ${script}`;
    const refusing = (script) => `
      self.products = 0;
      const { Module } = WebAssembly;
      WebAssembly.Module = function () { throw new WebAssembly.CompileError("unknown instruction"); };
      WebAssembly.Module.prototype = Module.prototype;
      ${script}`;
    const outcomes = [];
    for (const patch of [counted, refusing]) {
      const patched = await serve({ patch: { "engine_loader.js": patch } });
      const { page, problems } = await newPage(browser);
      try {
        await openCloze(page, patched.origin);
        const want = ["blocks.0.attn.hook_pattern", "blocks.3.hook_resid_post", "logits"];
        const { activations } = await ask(page, "run", { text: "The cat [MASK] on the mat, and the dog slept.", want });
        // Of all workers, since the page may have begun with another.
        const products = await Promise.all(page.workers().map((worker) => worker.evaluate(() => self.products)));
        outcomes.push({ activations, products: Math.max(...products) });
        noProblems(problems);
      } finally {
        await page.context().close();
        await patched.close();
      }
    }
    const [fused, plain] = outcomes;
    assert.ok(fused.products > 100, `${fused.products} products were fused`);
    assert.equal(plain.products, 0);
    for (const [hook, { data }] of Object.entries(fused.activations)) {
      for (const [index, value] of Object.values(data).entries()) {
        const other = plain.activations[hook].data[index];
        assert.ok(Math.abs(value - other) <= 1e-4 * Math.max(1, Math.abs(other)), `${hook}, ${index}: ${value} and ${other}`);
      }
    }
  });

  test("from any sub-path of a server", () => check(`${server.origin}/some/sub/path`, "no-adapter"));

  test("an engine that cannot start is an error with a code, and the page says so", async () => {
    const broken = await serve({ patch: { "engine_loader.js": () => 'throw new Error("broken on purpose");' } });
    const { page } = await newPage(browser);
    try {
      await page.goto(broken.origin);
      await refused(page, "engine-stopped", "run", { text: "The [MASK] sat." });
      await page.getByRole("alert").filter({ hasText: /\w/ }).first().waitFor();
    } finally {
      await page.context().close();
      await broken.close();
    }
  });
});

describe("a GPU that is taken away", { timeout: 300_000 }, () => {
  let server, browser;

  before(async () => {
    server = await serve({ patch: { "engine_loader.js": losable } });
    browser = await launch({ gpu: "software" });
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const computesOn = (page, engine) => page.waitForFunction((engine) => window.cloze.status().engine === engine, engine);

  /** What is answered to something that a model is asked before it leaves a GPU that is gone; it comes back then. */
  async function askedInVain(page, verb, request) {
    const [answer] = await Promise.all([ask(page, verb, request), computesOn(page, "cpu")]);
    await computesOn(page, "webgpu");
    assert.equal((await ask(page, "status")).reason, null);
    return answer;
  }

  test("is asked for again; no run is lost meanwhile, and after too many losses the CPU stays", async () => {
    const { page } = await newPage(browser);
    await openCloze(page, server.origin);
    await computesOn(page, "webgpu");
    const text = "The [MASK] sat on the mat.";
    const expected = pieces(await ask(page, "run", { text }));
    for (let losses = 1; losses <= 4; losses++) {
      await lose(page);
      // All that wait on the GPU when it goes are done again.
      const runs = await page.evaluate((text) => Promise.all([1, 2, 3].map(() => window.cloze.run({ text }))), text);
      for (const run of runs) assert.deepEqual(pieces(run), expected);
      if (losses <= 3) {
        await computesOn(page, "webgpu");
        assert.equal((await ask(page, "status")).reason, null);
        assert.deepEqual(pieces(await ask(page, "run", { text })), expected);
      }
    }
    await page.waitForFunction(() => window.cloze.status().reason === "gpu-lost");
    await page.waitForTimeout(1000);
    assert.equal((await ask(page, "status")).engine, "cpu", "it does not come back a fourth time");
    await page.context().close();
  });

  for (const [what, model, verb, request, readings] of [
    ["a run", "bert", "run", { text: "The [MASK] sat on the mat.", want: ["blocks.0.attn.hook_pattern", "logits"] }, 1],
    ["forty tokens", "gpt", "generate", { text: "Once upon a time", maxNewTokens: 40, temperature: 1, topK: 40, seed: 7 }, 3],
  ]) {
    test(`while it computes ${what}: the CPU says all of it, and the GPU comes back`, async () => {
      const { page } = await newPage(browser);
      await openCloze(page, server.origin);
      await ask(page, "load", model, { engine: "cpu" });
      const right = await ask(page, verb, request);
      await ask(page, "load", model, { engine: "webgpu" });
      await waitForRest(page);
      server.requests.length = 0;
      await lose(page, readings);
      assert.deepEqual(said(await askedInVain(page, verb, request)), said(right));
      assert.deepEqual(pieces(await ask(page, verb, request)), pieces(right));
      // The page's own models are kept in no store of ours: they come again from beside the page, and so does the CPU's program.
      assert.deepEqual([...new Set(server.requests.map(dirname))].sort(), ["/", `/models/${model}`]);
      await page.context().close();
    });
  }

  test("gives both models back, which left it one after the other", async () => {
    const { page } = await newPage(browser);
    await openCloze(page, server.origin, "view=attention&t=The cat sat.");
    await waitForRest(page);
    const bar = page.locator("[data-model-bar]");
    assert.match(await bar.innerText(), /WebGPU/);
    await lose(page);
    await ask(page, "set", { view: "attention", t: "The dog sat." });
    await bar.filter({ hasText: "CPU" }).waitFor();
    await bar.filter({ hasNotText: "CPU" }).filter({ hasText: "WebGPU" }).waitFor();
    await waitForRest(page);
    assert.match(await bar.innerText(), /WebGPU/);
    // The worker that stood in for it is gone, with the models that it kept.
    while (page.workers().length > 1) await page.waitForTimeout(50);
    await page.context().close();
  });

  test("comes back though the CPU's program could not be fetched: what was asked is refused, and nothing waits", async () => {
    let missing = true;
    const cpu = (script) => (missing ? 'throw new Error("broken on purpose");' : script);
    const broken = await serve({ patch: { "engine_loader.js": losable, "cpu.js": cpu } });
    const { page } = await newPage(browser);
    await openCloze(page, broken.origin);
    await waitForRest(page);
    const text = "The [MASK] sat on the mat.";
    const right = pieces(await ask(page, "run", { text }));
    await lose(page);
    await refused(page, "engine-stopped", "run", { text });
    // The same worker goes on, with a GPU again.
    const again = async () => (await call(page, "run", { text })).value;
    while (!(await again())) await page.waitForTimeout(100);
    assert.deepEqual(pieces(await ask(page, "run", { text })), right);
    assert.equal((await ask(page, "status")).engine, "webgpu");
    // And where it can be fetched later it is.
    missing = false;
    await lose(page);
    assert.deepEqual(pieces(await askedInVain(page, "run", { text })), right);
    await page.context().close();
    await broken.close();
  });

  test("a model that comes to the CPU while the other comes to the GPU answers there", async () => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const hub = await startHub();
    const { config, weights } = randomGpt({ vocabulary: 8000, hidden: 64, layers: 1, heads: 4, positions: 64 });
    const tokenizer = await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json"));
    hub.put("somebody/small-gpt", { "config.json": config, "tokenizer.json": tokenizer, "model.safetensors": weights });
    hub.faults.push(({ file, bytes, send }) => (file === "model.safetensors" ? released.then(() => send(bytes)) : undefined));
    const { page } = await newPage(browser);
    await openCloze(page, server.origin);
    const slow = ask(page, "load", "hf:somebody/small-gpt", { hub: hub.origin, engine: "cpu" });
    while (!hub.requests.some(({ file }) => file === "model.safetensors")) await page.waitForTimeout(20);
    await ask(page, "load", "bert", { engine: "webgpu" });
    release();
    await slow;
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions.length, 1);
    assert.equal((await ask(page, "status")).engine, "cpu");
    await page.context().close();
    await hub.close();
  });

  test("a CPU program that ends is started once more for each model that it had", async () => {
    const mortal = (script) => `
      new BroadcastChannel("the CPU").onmessage = () => setTimeout(() => { throw new Error("ended on purpose"); });
      ${script}`;
    const own = await serve({ patch: { "cpu.js": mortal } });
    const { page } = await newPage(browser);
    await openCloze(page, own.origin, "view=generate");
    const text = "The [MASK] sat on the mat.";
    const right = {};
    for (const model of ["bert", "gpt"]) {
      await ask(page, "load", model, { engine: "cpu" });
      right[model] = pieces(await ask(page, "run", { text }));
    }
    await page.evaluate(() => new BroadcastChannel("the CPU").postMessage("end"));
    while (page.workers().length > 1) await page.waitForTimeout(20);
    // Several at once; then the other model.
    const runs = await page.evaluate((text) => Promise.all([1, 2].map(() => window.cloze.run({ text }))), text);
    for (const run of runs) assert.deepEqual(pieces(run), right.gpt);
    await ask(page, "set", { view: "mask", t: text });
    const words = await predictions(page);
    assert.ok(words.length >= 5);
    assert.equal((await ask(page, "status")).engine, "cpu");
    assert.equal(await page.getByRole("alert").filter({ hasText: /\w/ }).count(), 0, "nothing failed");
    await page.context().close();
    await own.close();
  });

  test("gets the weights of a model from where the browser keeps them, without its hub", async () => {
    const hub = await startHub();
    const { config, weights } = randomGpt({ vocabulary: 8000, hidden: 64, layers: 1, heads: 4, positions: 64 });
    const tokenizer = await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json"));
    hub.put("somebody/small-gpt", { "config.json": config, "tokenizer.json": tokenizer, "model.safetensors": weights });
    const source = "hf:somebody/small-gpt";
    const { page } = await newPage(browser);
    await openCloze(page, server.origin, "view=generate");
    await ask(page, "load", source, { hub: hub.origin, weights: "f32" });
    await page.waitForFunction(() => window.cloze.status().settled);
    await waitForRest(page);
    const { engine, model } = await ask(page, "status");
    assert.deepEqual([engine, model.source], ["webgpu", source]);
    const request = { text: "the cat" };
    const right = pieces(await ask(page, "run", request));

    // From here on the hub answers nobody.
    hub.requests.length = 0;
    hub.faults.push(({ response }) => response.destroy() && "again");
    await lose(page);
    assert.deepEqual(pieces(await askedInVain(page, "run", request)), right);
    assert.equal((await ask(page, "status")).model.source, source);
    assert.deepEqual(pieces(await ask(page, "run", request)), right);
    // It was asked whether there is a newer commit, and for nothing of the model.
    assert.deepEqual([...new Set(hub.requests.map(({ file }) => file))], ["api"]);
    await page.context().close();
    await hub.close();
  });
});

describe("a GPU that fails", { timeout: 300_000 }, () => {
  let browser;
  const right = {};

  before(async () => {
    browser = await launch({ gpu: "software" });
    const server = await serve();
    const { page } = await newPage(browser);
    await openCloze(page, server.origin);
    await ask(page, "load", "bert", { engine: "cpu" });
    right.top = await top(page);
    await page.context().close();
    await server.close();
  });

  after(() => browser?.close());

  const top = async (page) => {
    const { predictions } = await ask(page, "run", { text: "The [MASK] sat on the mat." });
    return predictions[0].top.map(({ id }) => id);
  };

  /** The loader with something done to the shaders whose names begin so. */
  const shaders = (change, kernel = "") => (script) => `
    const make = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function ({ code, label, ...rest }) {
      return make.call(this, { code: label.startsWith("${kernel}") ? (${change})(code) : code, label, ...rest });
    };
    ${script}`;

  /** The loader on a GPU that takes no kernel whose name begins so. */
  const refusing = (kernel) => shaders('(code) => code.replace("fn main(", "fn main(oops ")', kernel);

  // The sum of the embeddings, spoiled: bent (a layer norm would undo what is only stretched), or no number at all.
  const spoiled = (value) => `(code) => code.replace("+ position * shape.hidden + d] = sum;", "+ position * shape.hidden + d] = ${value};")`;

  for (const [what, reason, patch] of [
    ["wrong numbers", "self-check-failed", shaders(spoiled("sum + sin(f32(d) * 7.0)"))],
    ["no numbers", "gpu-failed", shaders(spoiled("sqrt(-1.0 - abs(sum))"))],
    ["a kernel that is refused", "gpu-failed", refusing()],
    ["little room", "gpu-limits", bindingsUpTo(2 ** 18)],
    [
      "no memory",
      "gpu-memory",
      (script) => `
        const pop = GPUDevice.prototype.popErrorScope;
        GPUDevice.prototype.popErrorScope = async function () {
          await pop.call(this);
          return new GPUOutOfMemoryError("none left");
        };
        ${script}`,
    ],
  ]) {
    test(`${what}: the CPU answers instead, and the page says why`, async () => {
      const server = await serve({ patch: { "engine_loader.js": patch } });
      const { page } = await newPage(browser);
      try {
        await openCloze(page, server.origin);
        await page.waitForFunction(() => window.cloze.status().engine === "cpu");
        assert.deepEqual(await top(page), right.top);
        const status = await ask(page, "status");
        assert.deepEqual([status.engine, status.reason, status.settled], ["cpu", reason, true]);
        assert.ok(status.reasonMessage.length > 10);
        if (reason === "gpu-memory") assert.match(status.reasonMessage, /\d{6,} bytes/);
        await page.locator("[role=status]").filter({ hasText: "CPU" }).first().waitFor();
        await refused(page, reason, "load", "bert", { engine: "webgpu" });
      } finally {
        await page.context().close();
        await server.close();
      }
    });
  }

  const text = "The [MASK] sat on the mat.";
  for (const [kernel, model, verb, request] of [
    ["norm", "bert", "run", { text, want: ["blocks.0.hook_resid_post"] }],
    // So many scores that the best of them are found on the GPU.
    ["top_row", "bert", "run", { text: "[MASK] ".repeat(9) }],
    ["draw", "gpt", "generate", { text: "The cat", maxNewTokens: 3 }],
  ]) {
    test(`the kernel ${kernel} is first needed later, and refused: the CPU answers instead, and the page says why`, async () => {
      const server = await serve({ patch: { "engine_loader.js": refusing(kernel) } });
      const { page } = await newPage(browser);
      try {
        await openCloze(page, server.origin);
        // Refused if the GPU failed at what it was asked so far.
        await ask(page, "load", model, { engine: "webgpu" });
        const answer = await ask(page, verb, request);
        const { engine, reason, reasonMessage } = await ask(page, "status");
        assert.deepEqual([engine, reason], ["cpu", "gpu-failed"]);
        assert.ok(reasonMessage.length > 10);
        assert.deepEqual(said(answer), said(await ask(page, verb, request)));
      } finally {
        await page.context().close();
        await server.close();
      }
    });
  }

  test("no memory for much that is recorded: the CPU answers, the page says how much was asked for, and the GPU is no worse", async () => {
    // The worker knows how many bytes were refused.
    const full = (script) => `
      self.refused = [];
      const scopes = [];
      const { pushErrorScope, popErrorScope, createBuffer } = GPUDevice.prototype;
      Object.assign(GPUDevice.prototype, {
        pushErrorScope(filter) {
          scopes.push({ filter });
          return pushErrorScope.call(this, filter);
        },
        async popErrorScope() {
          const { full } = scopes.pop();
          const error = await popErrorScope.call(this);
          return full ? new GPUOutOfMemoryError("none left") : error;
        },
        createBuffer(descriptor) {
          const { label, size } = descriptor;
          const scope = label === "trace" && size >= 2 ** 18 && scopes.findLast(({ filter }) => filter === "out-of-memory");
          if (scope) {
            scope.full = true;
            self.refused.push(size);
          }
          return createBuffer.call(this, descriptor);
        },
      });
      ${script}`;
    const server = await serve({ patch: { "engine_loader.js": full } });
    const { page } = await newPage(browser);
    try {
      await openCloze(page, server.origin);
      const { layers } = await ask(page, "load", "bert", { engine: "webgpu" });
      const names = ["hook_resid_pre", "hook_resid_mid", "hook_attn_out", "hook_mlp_out", "hook_resid_post"];
      const want = Array.from({ length: layers }, (_, layer) => names.map((name) => `blocks.${layer}.${name}`)).flat();
      // The second waits for the first on the same GPU.
      const requests = [{ text, want }, { text }];
      const answers = await Promise.all(requests.map((request) => ask(page, "run", request)));
      const { engine, reason, reasonMessage } = await ask(page, "status");
      assert.deepEqual([engine, reason], ["cpu", "gpu-memory"], reasonMessage);
      const refusals = await Promise.all(page.workers().map((worker) => worker.evaluate(() => self.refused)));
      const [bytes, ...others] = refusals.flat();
      assert.deepEqual(others, []);
      assert.ok(reasonMessage.includes(`${bytes} bytes`), `"${reasonMessage}" of ${bytes}`);
      const again = await Promise.all(requests.map((request) => ask(page, "run", request)));
      assert.deepEqual(said(answers[0]), said(again[0]));
      // The second asks for no memory, and the GPU may still have answered it.
      assert.deepEqual(pieces(answers[1]), pieces(again[1]));
      await ask(page, "load", "bert", { engine: "webgpu" });
      assert.deepEqual(await top(page), right.top);
    } finally {
      await page.context().close();
      await server.close();
    }
  });
});
