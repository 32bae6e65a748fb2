// Where there is no WebGPU: the CPU computes, and the page says the true reason.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze, refused } from "./support/browser.mjs";
import { predictions } from "./support/cloze.mjs";
import { serve } from "./support/server.mjs";
import { bindingsUpTo } from "./support/watch.mjs";

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
  /** Lets the test destroy the engine's device, as sleep or a driver that starts again would. */
  const losable = (script) => `
    const devices = [];
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      const device = await request.apply(this, options);
      devices.push(device);
      return device;
    };
    const channel = new BroadcastChannel("the GPU");
    channel.onmessage = ({ data }) => {
      if (data !== "lose") return;
      devices.pop()?.destroy();
      channel.postMessage("lost");
    };
    ${script}`;

  before(async () => {
    server = await serve({ patch: { "engine_loader.js": losable } });
    browser = await launch({ gpu: "software" });
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("is asked for again; no run is lost meanwhile, and after too many losses the CPU stays", async () => {
    const { page } = await newPage(browser);
    await openCloze(page, server.origin);
    const computesOn = (engine) => page.waitForFunction((engine) => window.cloze.status().engine === engine, engine);
    await computesOn("webgpu");
    const lose = () =>
      page.evaluate(
        () =>
          new Promise((resolve) => {
            const channel = new BroadcastChannel("the GPU");
            channel.onmessage = ({ data }) => data === "lost" && resolve(channel.close());
            channel.postMessage("lose");
          }),
      );
    const text = "The [MASK] sat on the mat.";
    const first = (run) => run.predictions[0].top.map(({ id }) => id);
    const expected = first(await ask(page, "run", { text }));
    for (let losses = 1; losses <= 4; losses++) {
      await lose();
      // All that wait on the GPU when it goes are done again.
      const runs = await page.evaluate((text) => Promise.all([1, 2, 3].map(() => window.cloze.run({ text }))), text);
      for (const run of runs) assert.deepEqual(first(run), expected);
      if (losses <= 3) {
        await computesOn("webgpu");
        assert.equal((await ask(page, "status")).reason, null);
        assert.deepEqual(first(await ask(page, "run", { text })), expected);
      }
    }
    await page.waitForFunction(() => window.cloze.status().reason === "gpu-lost");
    await page.waitForTimeout(1000);
    assert.equal((await ask(page, "status")).engine, "cpu", "it does not come back a fourth time");
    await page.context().close();
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

  /** The loader with something done to every shader. */
  const shaders = (change) => (script) => `
    const make = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
      return make.call(this, { code: (${change})(code), ...rest });
    };
    ${script}`;

  // The sum of the embeddings, spoiled: bent (a layer norm would undo what is only stretched), or no number at all.
  const spoiled = (value) => `(code) => code.replace("+ position * shape.hidden + d] = sum;", "+ position * shape.hidden + d] = ${value};")`;

  for (const [what, reason, patch] of [
    ["wrong numbers", "self-check-failed", shaders(spoiled("sum + sin(f32(d) * 7.0)"))],
    ["no numbers", "gpu-failed", shaders(spoiled("sqrt(-1.0 - abs(sum))"))],
    ["a kernel that is refused", "gpu-failed", shaders('(code) => code.replace("fn main(", "fn main(oops ")')],
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
});
