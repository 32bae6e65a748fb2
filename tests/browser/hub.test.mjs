// Models from a hub: how they come, whatever the line does, and how they stay.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";

import { ask, call, launch, newPage, openCloze, refused } from "./support/browser.mjs";
import { gptShape, randomGpt } from "./support/checkpoint.mjs";
import { waitForRest } from "./support/cloze.mjs";
import { startHub } from "./support/hub.mjs";
import { ROOT, serve } from "./support/server.mjs";
import { bindingsUpTo } from "./support/watch.mjs";

const NAME = "somebody/small-gpt";
const SOURCE = `hf:${NAME}`;
const WEIGHTS = "model.safetensors";
const MIB = 2 ** 20;

/** The files of a random GPT-2, with other weights for another `seed`. */
async function model(seed = 0) {
  const { config, weights } = randomGpt({ vocabulary: 8000, hidden: 128, layers: 2, heads: 4, positions: 64 });
  const tokenizer = await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json"));
  weights.writeFloatLE(seed / 100, weights.length - 4);
  return { "config.json": config, "tokenizer.json": tokenizer, [WEIGHTS]: weights };
}

/** The same weights in so many files. */
function sharded(weights, count) {
  const length = Number(weights.readBigUInt64LE());
  const header = JSON.parse(weights.subarray(8, 8 + length));
  const files = {};
  const map = {};
  const names = Object.keys(header);
  for (let index = 0; index < count; index++) {
    const file = `model-0000${index + 1}-of-0000${count}.safetensors`;
    const own = names.filter((_, i) => i % count === index);
    let at = 0;
    const values = [];
    const entries = own.map((name) => {
      const { dtype, shape, data_offsets } = header[name];
      values.push(weights.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1]));
      const begin = at;
      at += data_offsets[1] - data_offsets[0];
      map[name] = file;
      return [name, { dtype, shape, data_offsets: [begin, at] }];
    });
    const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(json.length));
    files[file] = Buffer.concat([size, json, ...values]);
  }
  files["model.safetensors.index.json"] = JSON.stringify({ metadata: {}, weight_map: map });
  return files;
}

describe("models from a hub", { timeout: 600_000 }, () => {
  let server, hub, browser, page, files, size, commit;

  before(async () => {
    server = await serve();
    hub = await startHub();
    files = await model();
    size = files[WEIGHTS].length;
    assert.ok(size > 4 * MIB);
    browser = await launch();
    ({ page } = await newPage(browser));
    await openCloze(page, server.origin, "view=generate");
  });

  beforeEach(async () => {
    hub.faults = [];
    hub.cors = true;
    commit = hub.put(NAME, files);
    await ask(page, "forget");
    hub.requests.length = 0;
  });

  after(async () => {
    await browser?.close();
    await hub?.close();
    await server?.close();
  });

  const load = (source = SOURCE, on = page) => ask(on, "load", source, { hub: hub.origin });
  const fails = (code, source = SOURCE) => refused(page, code, "load", source, { hub: hub.origin });
  /** The page works, by the model that was loaded last or by the one before. */
  const works = async () => assert.equal((await ask(page, "run", { text: "the cat" })).predictions[0].top.length, 8);

  test("a model comes by its name, stays, and is there without the hub", async () => {
    const card = await load();
    assert.deepEqual([card.source, card.layers, card.vocabulary], [SOURCE, 2, 8000]);
    assert.equal(hub.sent(WEIGHTS), size);
    const { notKept, weights } = await ask(page, "status");
    assert.deepEqual([notKept, weights], [null, "f32"]);
    await works();

    const whole = Object.values(files).reduce((sum, bytes) => sum + Buffer.byteLength(bytes), 0);
    assert.deepEqual(await ask(page, "stored"), [{ source: SOURCE, hub: hub.origin, commit, bytes: whole, complete: true }]);

    // Another page of this origin, later: only the listing is asked for.
    hub.requests.length = 0;
    const later = await page.context().newPage();
    await openCloze(later, server.origin, `view=generate&m=bert,${SOURCE}&hub=${hub.origin}`);
    assert.equal((await ask(later, "status")).model.source, SOURCE);
    assert.deepEqual(hub.requests.map(({ file }) => file), ["api"]);

    // And without a line at all.
    hub.faults.push(({ response }) => response.destroy() && "again");
    await load(SOURCE, later);
    await works();
    await later.close();
  });

  test("another commit takes the place of the one before", async () => {
    await load();
    const next = hub.put(NAME, await model(1));
    assert.notEqual(next, commit);
    await load();
    assert.deepEqual((await ask(page, "stored")).map(({ commit }) => commit), [next]);
    // A commit can be named, and lies beside the newest.
    await load(`${SOURCE}@${next}`);
    assert.equal((await ask(page, "stored")).length, 2);
    await ask(page, "forget", SOURCE);
    assert.deepEqual((await ask(page, "stored")).map(({ source }) => source), [`${SOURCE}@${next}`]);
    await ask(page, "forget");
    assert.deepEqual(await ask(page, "stored"), []);
  });

  test("cuts at any byte are mended while the model comes", async () => {
    let state = 7;
    const places = Array.from({ length: 3 }, () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) % size).sort((a, b) => a - b);
    for (const upTo of places) {
      hub.faults.push(({ file, from, bytes, send }) => (file === WEIGHTS && from < upTo ? send(bytes, { upTo }).then(() => true) : undefined));
    }
    await load();
    const asked = hub.requests.filter(({ file }) => file === WEIGHTS);
    assert.ok(asked.length > places.length, JSON.stringify(asked));
    assert.ok(hub.sent(WEIGHTS) < size + places.length * MIB, `${hub.sent(WEIGHTS)} bytes were sent for ${size}`);
    await works();
  });

  test("a line that breaks again and again: a sentence, and the repeat fetches the rest alone", async () => {
    const half = size >> 1;
    hub.faults.push(({ file, from, bytes, response, send }) => {
      if (file !== WEIGHTS) return undefined;
      if (from > 0) return response.destroy() && "again";
      return send(bytes, { upTo: half }).then(() => "again");
    });
    const { message } = await fails("truncated");
    assert.match(message, /broke off after \d+ of \d+ bytes/);
    await works();
    const [{ bytes, complete }] = await ask(page, "stored");
    assert.ok(bytes > half - MIB && !complete, `${bytes} of ${half} bytes are kept`);

    hub.faults = [];
    hub.requests.length = 0;
    await load();
    assert.ok(hub.sent(WEIGHTS) <= size - half + MIB, `${hub.sent(WEIGHTS)} bytes were sent for a rest of ${size - half}`);
    await works();
  });

  for (const [name, code, fault] of [
    ["404", "http-status", ({ response }) => response.writeHead(404).end("not here")],
    ["401", "not-allowed", ({ response }) => response.writeHead(401).end("log in")],
    ["403", "not-allowed", ({ response }) => response.writeHead(403).end("accept the terms")],
    ["429 with a long rest", "busy", ({ response }) => response.writeHead(429, { "retry-after": "3600" }).end()],
    ["a web page", "not-a-model-file", ({ response }) => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>")],
    ["no answer", "network", ({ response }) => response.destroy()],
    ["no CORS", "network", ({ bytes, response, send }) => (response.removeHeader("access-control-allow-origin"), send(bytes))],
    ["a file that is too long", "hash-differs", ({ bytes, send }) => send(Buffer.concat([bytes, bytes.subarray(0, 9)]), { headers: {} })],
    ["other bytes", "hash-differs", ({ bytes, send }) => send(Buffer.concat([bytes.subarray(0, -4), Buffer.from("oops")]))],
  ]) {
    test(`${name} in the place of the weights: a sentence, a working page, and a repeat that succeeds`, async () => {
      hub.faults.push(async (asked) => {
        if (asked.file !== WEIGHTS) return undefined;
        await fault(asked);
        return "again";
      });
      const { message } = await fails(code);
      assert.ok(message.length > 20, message);
      await works();
      hub.faults = [];
      hub.requests.length = 0;
      await load();
      // What was good before is not fetched again.
      assert.equal(hub.sent("tokenizer.json"), 0);
      await works();
    });
  }

  test("JSON that is none, in every small file", async () => {
    for (const [file, code] of [
      ["config.json", "not-a-model-file"],
      ["tokenizer.json", "not-a-model-file"],
    ]) {
      hub.faults = [
        (asked) => asked.file === file && asked.response.writeHead(200, { "content-type": "text/html" }).end("<p>Sign in") && true,
      ].map((fault) => (asked) => fault(asked) || undefined);
      await fails(code);
      await works();
      await load();
      await ask(page, "forget");
    }
  });

  test("a short rest that the server asks for is kept", async () => {
    hub.faults.push(({ file, response }) => (file === WEIGHTS ? response.writeHead(429, { "retry-after": "1" }).end() : undefined));
    const started = Date.now();
    await load();
    assert.ok(Date.now() - started >= 1000);
    await works();
  });

  test("a length that is too large is not waited for", async () => {
    hub.faults.push(({ file, bytes, send }) => {
      if (file !== WEIGHTS) return undefined;
      return send(bytes, { headers: { "content-length": bytes.length + 1000 } }).then(() => true);
    });
    // The hub's listing tells the true one.
    await load();
    await works();
    assert.equal(hub.sent(WEIGHTS), size);
  });

  test("a length that is too small is not believed, since the listing knows better", async () => {
    hub.faults.push(({ file, bytes, response }) => {
      if (file !== WEIGHTS) return undefined;
      return response.writeHead(200, { "content-length": bytes.length >> 1 }).end(bytes.subarray(0, bytes.length >> 1));
    });
    await load();
    await works();
    assert.ok(hub.sent(WEIGHTS) <= size, "the first half was fetched again");
  });

  test("a file that changes while it arrives is not patched together", async () => {
    const other = await model(2);
    hub.faults.push(({ file, from, bytes, send }) => (file === WEIGHTS && from === 0 ? send(bytes, { upTo: size >> 1 }).then(() => true) : undefined));
    hub.faults.push(({ file, from, send }) => (file === WEIGHTS && from > 0 ? send(other[WEIGHTS]).then(() => true) : undefined));
    await fails("file-changed");
    await works();
    await load();
    await works();
  });

  test("a server that knows no ranges sends everything again, and the model is whole", async () => {
    hub.faults.push(({ file, from, bytes, send }) => (file === WEIGHTS && from === 0 ? send(bytes, { upTo: size >> 1, ranges: false }).then(() => true) : undefined));
    hub.faults.push(({ file, bytes, send }) => (file === WEIGHTS ? send(bytes, { ranges: false }).then(() => "again") : undefined));
    await load();
    await works();
    assert.ok(hub.sent(WEIGHTS) > size);
  });

  test("a download waits, goes on, and is given up", async () => {
    hub.faults.push(({ file, bytes, send }) => (file === WEIGHTS ? send(bytes, { rest: 60 }).then(() => "again") : undefined));
    const loading = load();
    await page.locator("[data-download]").filter({ hasText: "of" }).waitFor();
    await page.waitForFunction(() => /\d\.\d MB a second/.test(document.querySelector("[data-download]").textContent));
    await ask(page, "pause", SOURCE);
    await page.waitForTimeout(300);
    const standing = await page.locator("[data-download]").textContent();
    await page.waitForTimeout(700);
    assert.equal(await page.locator("[data-download]").textContent(), standing);
    await ask(page, "resume", SOURCE);
    await loading;
    await works();

    await ask(page, "forget");
    hub.requests.length = 0;
    const given = call(page, "load", SOURCE, { hub: hub.origin });
    await page.locator("[data-download]").filter({ hasText: "of" }).waitFor();
    while (hub.sent(WEIGHTS) < size / 4) await page.waitForTimeout(20);
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await given).error.code, "cancelled");
    await works();
    const stored = await ask(page, "stored");
    assert.deepEqual(stored.map(({ source, complete }) => [source, complete]), [[SOURCE, false]]);
    assert.ok(stored[0].bytes > 0, JSON.stringify(stored));
    hub.faults = [];
    hub.requests.length = 0;
    await load();
    assert.ok(hub.sent(WEIGHTS) < size, "what had arrived was fetched again");
  });

  for (const [where, gpu, early, later] of [
    ["on the CPU", "no-adapter", {}, {}],
    ["the first on the CPU, the second on the GPU", "software", { engine: "cpu" }, { engine: "webgpu" }],
  ]) {
    test(`of two models the one that was asked for later stays, whichever arrives first: ${where}`, async () => {
      const own = await launch({ gpu });
      const { page } = await newPage(own);
      await openCloze(page, server.origin, "view=generate");
      let release;
      const released = new Promise((resolve) => (release = resolve));
      hub.faults.push(({ file, bytes, send }) => (file === WEIGHTS ? released.then(() => send(bytes)) : undefined));
      const late = call(page, "load", SOURCE, { hub: hub.origin, ...early });
      while (!hub.requests.some(({ file }) => file === WEIGHTS)) await page.waitForTimeout(20);
      const { source } = await ask(page, "load", "gpt", later);
      const { engine } = await ask(page, "status");
      const right = await ask(page, "run", { text: "the cat" });
      release();
      assert.equal((await late).error.code, "superseded");
      const status = await ask(page, "status");
      assert.deepEqual([status.model.source, status.engine], [source, engine]);
      assert.deepEqual((await ask(page, "run", { text: "the cat" })).predictions, right.predictions);
      assert.equal((await ask(page, "state")).m, undefined, "the address names the page's own model");
      assert.equal(await page.getByRole("alert").filter({ hasText: /\w/ }).count(), 0, "nothing failed");
      await own.close();
    });
  }

  test("what somebody chose comes, though a lesson began with the page's own meanwhile", async () => {
    const { page } = await newPage(browser);
    await openCloze(page, server.origin, "view=mask");
    let release;
    const released = new Promise((resolve) => (release = resolve));
    hub.faults.push(({ file, bytes, send }) => (file === WEIGHTS ? released.then(() => send(bytes)) : undefined));
    const chosen = load(SOURCE, page);
    while (!hub.requests.some(({ file }) => file === WEIGHTS)) await page.waitForTimeout(20);
    await ask(page, "set", { view: "generate" });
    await page.waitForFunction(() => window.cloze.status().model?.source === "gpt");
    release();
    await chosen;
    assert.equal((await ask(page, "status")).model.source, SOURCE);
    assert.equal((await ask(page, "run", { text: "the cat" })).model.source, SOURCE);
    await page.context().close();
  });

  for (const view of ["generate", "attention"]) {
    test(`an address without the model that is on its way gives it up, and ${view} goes on with the page's own`, async () => {
      let closed;
      const given = new Promise((resolve) => (closed = resolve));
      hub.faults.push(({ file, response }) => (file === WEIGHTS ? (response.on("close", closed), new Promise(() => {})) : undefined));
      const { page } = await newPage(browser);
      const show = view === "attention" ? "&show=gpt" : "";
      await page.goto(`${server.origin}/#view=${view}${show}&t=the cat&m=bert,${SOURCE}&hub=${hub.origin}`);
      while (!hub.requests.some(({ file }) => file === WEIGHTS)) await page.waitForTimeout(20);
      await page.evaluate((fragment) => (location.hash = fragment), `view=${view}${show}&t=the cat`);
      await given;
      await page.waitForFunction(() => window.cloze.status().model?.source === "gpt");
      await waitForRest(page);
      const answer = view === "attention" ? "[role=grid]" : "[data-prediction], [data-candidate]";
      await page.locator(answer).first().waitFor();
      assert.equal(await page.getByRole("alert").filter({ hasText: /\w/ }).count(), 0, "nothing failed");
      await page.context().close();
    });
  }

  test("a checkpoint whose weights were given up before they began is not complete", async () => {
    let begun;
    const asked = new Promise((resolve) => (begun = resolve));
    hub.faults.push(({ file }) => (file === WEIGHTS ? (begun(), new Promise(() => {})) : undefined));
    const given = call(page, "load", SOURCE, { hub: hub.origin });
    await asked;
    await ask(page, "cancel", SOURCE);
    assert.equal((await given).error.code, "cancelled");
    const [{ bytes, complete }] = await ask(page, "stored");
    assert.ok(bytes > 0 && !complete, `${bytes} bytes are kept, complete: ${complete}`);
    hub.faults = [];
    await load();
    assert.equal((await ask(page, "stored"))[0].complete, true);
  });

  test("what was altered in the store is found and deleted", async () => {
    await load();
    await page.evaluate(async (name) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("models");
      for await (const [, model] of folder.entries()) {
        const file = await model.getFileHandle(name);
        const writable = await file.createWritable({ keepExistingData: true });
        await writable.write({ type: "write", position: 100_000, data: new Uint8Array([1, 2, 3]) });
        await writable.close();
      }
    }, WEIGHTS);
    hub.requests.length = 0;
    await fails("hash-differs");
    await works();
    await load();
    assert.equal(hub.sent(WEIGHTS), size);
    await works();
  });

  test("weights in three files come as one, two at a time", async () => {
    const before = await load();
    const text = { text: "the cat sat" };
    const expected = (await ask(page, "run", text)).predictions;
    const { [WEIGHTS]: weights, ...small } = files;
    hub.put("somebody/shards", { ...small, ...sharded(weights, 3) });
    hub.most = 0;
    const card = await load("hf:somebody/shards");
    assert.deepEqual({ ...card, source: "" }, { ...before, source: "" });
    assert.deepEqual((await ask(page, "run", text)).predictions, expected);
    assert.ok(hub.most <= 2, `${hub.most} files at a time`);
    hub.requests.length = 0;
    await load("hf:somebody/shards");
    assert.deepEqual(hub.requests.map(({ file }) => file), ["api"]);
  });

  test("a checkpoint without a head says so, and shows the rest", async () => {
    const folder = join(ROOT, "tests/golden/checkpoints/roberta-no-head");
    const read = async (file) => [file, await readFile(join(folder, file))];
    hub.put("somebody/headless", Object.fromEntries(await Promise.all(["config.json", "tokenizer.json", WEIGHTS].map(read))));
    const other = await page.context().newPage();
    await openCloze(other, server.origin, `view=mask&m=hf:somebody/headless,gpt&hub=${hub.origin}&t=The+cat+%5BMASK%5D`);
    await other.locator("[data-headless]").waitFor();
    assert.equal(await other.locator("[data-prediction]").count(), 0);
    assert.ok((await other.locator("[data-token]").count()) > 3);
    await other.close();
  });

  test("PyTorch's files alone are refused with what to do", async () => {
    const { [WEIGHTS]: weights, ...small } = files;
    hub.put("somebody/pickled", { ...small, "pytorch_model.bin": weights.subarray(0, 5000) });
    const { message } = await fails("only-pytorch", "hf:somebody/pickled");
    assert.match(message, /safetensors/);
    await fails("not-allowed", "hf:nobody/nothing");
    await works();
  });

  test("a plain server with the hub's addresses serves as well", async () => {
    const mirror = await startHub({ plain: true });
    mirror.put(NAME, files);
    await ask(page, "load", SOURCE, { hub: mirror.origin });
    await works();
    mirror.requests.length = 0;
    await ask(page, "load", SOURCE, { hub: mirror.origin });
    const asked = () => mirror.requests.filter(({ file }) => file === WEIGHTS).map(({ method }) => method);
    // The tags are compared; what they name is here.
    assert.deepEqual(asked(), ["HEAD"]);
    assert.equal(mirror.sent(WEIGHTS), 0);
    // Or those of a beginning, where a server knows no other question.
    mirror.faults.push(({ request, response }) => (request.method === "HEAD" ? response.writeHead(405).end() && "again" : undefined));
    mirror.requests.length = 0;
    await ask(page, "load", SOURCE, { hub: mirror.origin });
    assert.deepEqual(asked(), ["HEAD", "GET"]);
    await works();
    mirror.faults = [];
    mirror.put(NAME, await model(3));
    await ask(page, "load", SOURCE, { hub: mirror.origin });
    await mirror.close();
    await ask(page, "load", SOURCE, { hub: mirror.origin });
    await works();
  });

  /** A hub that has a model of which the header comes, and nothing more; and how many bytes there would be. */
  async function beginningOnly(shape) {
    const { config, beginning, length } = gptShape(shape, { dtype: "F16", size: 2 });
    const mirror = await startHub({ plain: true });
    mirror.put(NAME, { ...files, "config.json": config });
    mirror.faults.push(({ file, response }) => {
      if (file !== WEIGHTS) return undefined;
      response.writeHead(200, { "content-length": beginning.length + length });
      response.write(beginning);
      return "again";
    });
    return { mirror, length };
  }

  test("what this GPU has no room for is refused before it comes, or comes to the CPU, and that is said at once", async () => {
    // All that WebGPU promises: 128 MiB. One matrix of this model takes 144, in eight bits.
    const { mirror } = await beginningOnly({ vocabulary: 8000, hidden: 6144, layers: 1, heads: 48, positions: 64 });
    const small = await serve({ patch: { "engine_loader.js": bindingsUpTo(128 * MIB) } });
    const withGpu = await launch({ gpu: "software" });
    const { page } = await newPage(withGpu);
    await openCloze(page, small.origin, "view=generate");
    assert.equal((await ask(page, "status")).engine, "webgpu");
    const inEightBits = { hub: mirror.origin, weights: "int8" };
    await refused(page, "gpu-limits", "load", SOURCE, { ...inEightBits, engine: "webgpu" });
    await page.getByText("The model needs a buffer of 151 MB; this GPU allows 134 MB.").waitFor();

    const coming = page.evaluate(
      ([source, options]) => window.cloze.load(source, options).catch(({ code }) => code),
      [SOURCE, inEightBits],
    );
    const download = page.locator("[data-download]");
    await download.filter({ hasText: /Downloading .* this GPU allows 134 MB. The processor computes instead./ }).waitFor();
    await ask(page, "cancel", SOURCE);
    assert.equal(await coming, "cancelled");
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions[0].top.length, 8);
    assert.equal((await ask(page, "status")).engine, "webgpu");
    await withGpu.close();
    await small.close();
    await mirror.close();
  });

  test("what this tab has no memory for is refused before it comes", async () => {
    // Less than 4 GiB in half precision, and more in single: all that a program can have.
    const { mirror, length } = await beginningOnly({ vocabulary: 8000, hidden: 4096, layers: 7, heads: 32, positions: 64 });
    assert.ok(length < 2 ** 32 && 2 * length > 2 ** 32);
    await refused(page, "no-memory", "load", SOURCE, { hub: mirror.origin });
    await page.getByText("There is no memory for").waitFor();
    await works();
    await mirror.close();
  });

  test("without storage the model works, and the page says that it is not kept", async () => {
    const none = await serve({
      patch: {
        "engine_loader.js": (script) =>
          `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException("", "SecurityError"));\n${script}`,
      },
    });
    const { page } = await newPage(browser);
    await openCloze(page, none.origin, "view=generate");
    await ask(page, "load", SOURCE, { hub: hub.origin });
    assert.equal((await ask(page, "status")).notKept, "storage-forbidden");
    await page.getByText("The browser lets this page store nothing.").waitFor();
    assert.deepEqual(await ask(page, "stored"), []);
    await page.close();
    await none.close();
  });

  test("a full storage degrades to none, and the page says so", async () => {
    const { page } = await newPage(browser);
    const session = await page.context().newCDPSession(page);
    await openCloze(page, server.origin, "view=generate");
    await session.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: 3 * MIB });
    await ask(page, "load", SOURCE, { hub: hub.origin });
    assert.equal((await ask(page, "status")).notKept, "storage-full");
    await page.getByText("The browser has no room for this model.").waitFor();
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions.length, 1);
    await page.context().close();
  });

  test("a file that another page writes is not stored, and the page says so", async () => {
    const busy = (script) => `
      FileSystemFileHandle.prototype.createSyncAccessHandle = async () => {
        throw new DOMException("it is open", "NoModificationAllowedError");
      };
      ${script}`;
    const own = await serve({ patch: { "engine_loader.js": busy } });
    const { page } = await newPage(browser);
    await openCloze(page, own.origin, "view=generate");
    await load(SOURCE, page);
    assert.equal((await ask(page, "status")).notKept, "storage-busy");
    assert.deepEqual(await ask(page, "stored"), []);
    await page.getByText("Another page is storing this model.").waitFor();
    assert.equal((await ask(page, "run", { text: "the cat" })).predictions.length, 1);
    await page.context().close();
    await own.close();
  });

  test("a load that fails while a file is being opened keeps it from nobody", async () => {
    const slow = (script) => `
      const { createSyncAccessHandle } = FileSystemFileHandle.prototype;
      FileSystemFileHandle.prototype.createSyncAccessHandle = async function (...own) {
        const access = await createSyncAccessHandle.apply(this, own);
        await new Promise((resolve) => setTimeout(resolve, 300));
        return access;
      };
      ${script}`;
    const own = await serve({ patch: { "engine_loader.js": slow } });
    const { page } = await newPage(browser);
    await openCloze(page, own.origin, "view=generate");
    hub.faults.push(({ file, response }) => (file === "tokenizer.json" ? response.writeHead(403).end() && true : undefined));
    assert.ok((await call(page, "load", SOURCE, { hub: hub.origin })).error);
    // It is open by then, and closed since nobody waits for it.
    await page.waitForTimeout(600);
    await load(SOURCE, page);
    assert.equal((await ask(page, "status")).notKept, null);
    assert.deepEqual((await ask(page, "stored")).map(({ complete }) => complete), [true]);
    await page.context().close();
    await own.close();
  });
});
