// Models from files of the reader's: dropped, chosen, in a zip archive; and the sheet of models.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { startHub } from "./support/hub.mjs";
import { ROOT, serve } from "./support/server.mjs";
import { zip } from "./support/zip.mjs";

/** The files of a reference checkpoint, by name. */
async function checkpoint(name) {
  const folder = join(ROOT, "tests/golden/checkpoints", name);
  const read = async (file) => [file, await readFile(join(folder, file))];
  return Object.fromEntries(await Promise.all(["config.json", "tokenizer.json", "model.safetensors"].map(read)));
}

describe("models from files", { timeout: 300_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    server = await serve();
    browser = await launch();
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin, "view=attention");
  });

  afterEach(() => noProblems(problems));

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const chosen = (files) =>
    Object.entries(files).map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(buffer) }));
  const source = async () => (await ask(page, "status")).model.source;
  const works = async () => assert.ok((await ask(page, "run", { text: "the cat" })).tokens.length > 1);

  /** Chooses files in the sheet of models. */
  async function choose(files) {
    await page.locator("[data-models]").first().click();
    await page.locator("input[data-model-files][multiple]").setInputFiles(chosen(files));
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  }

  /** Drops files on the page. */
  const drop = (files) =>
    page.evaluate((files) => {
      const dataTransfer = new DataTransfer();
      for (const [name, base64] of files) {
        dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
      }
      for (const kind of ["dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
      }
    }, Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]));

  const loaded = (name) => page.waitForFunction((name) => window.cloze.status().model?.source === `files:${name}`, name);

  test("chosen files become the model of their kind, and stay out of links", async () => {
    await choose(await checkpoint("roberta"));
    await loaded("model.safetensors");
    await works();
    const mask = await ask(page, "run", { text: "The cat [MASK] on the mat", topK: 3 });
    assert.equal(mask.predictions.length, 1);
    assert.equal(mask.tokens[mask.predictions[0].position].piece, "<mask>");
    assert.equal((await ask(page, "state")).m, undefined);
    assert.match(await page.locator("[data-model-bar]").textContent(), /model\.safetensors/);
  });

  test("a chosen folder is read", async () => {
    await page.locator("[data-models]").first().click();
    const folder = page.locator("input[data-model-files]:not([multiple])");
    await folder.setInputFiles(join(ROOT, "tests/golden/checkpoints/distilbert"));
    await loaded("distilbert");
    await works();
  });

  test("a dropped folder is read", async () => {
    // Only a drag from outside of the page brings a folder: the browser is told that one is under way.
    const browser = await page.context().newCDPSession(page);
    const files = [join(ROOT, "tests/golden/checkpoints/gpt-neo")];
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await browser.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data: { items: [], files, dragOperationsMask: 1 } });
    }
    await browser.detach();
    await loaded("gpt-neo");
    await works();
  });

  test("dropped files with an older vocabulary are read", async () => {
    const { "tokenizer.json": tokenizer, ...files } = await checkpoint("bert-1-layer");
    const vocabulary = Object.entries(JSON.parse(tokenizer).model.vocab).sort(([, a], [, b]) => a - b);
    await drop({ ...files, "vocab.txt": vocabulary.map(([piece]) => piece).join("\n") });
    await page.waitForFunction(() => window.cloze.status().model?.layers === 1);
    const { tokens } = await ask(page, "run", { text: "The cat [MASK] on the Mat" });
    const golden = JSON.parse(await readFile(join(ROOT, "tests/golden/checkpoints/bert-1-layer/golden.json"), "utf8"));
    assert.deepEqual(tokens.map(({ id }) => id), golden.cases[0].tokens.map(({ id }) => id));
  });

  for (const stored of [false, true]) {
    test(`an archive is read, its files ${stored ? "as they are" : "packed"}`, async () => {
      const files = await checkpoint("gpt-1-layer");
      const inside = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`my-gpt/${name}`, bytes]));
      // What lies deeper is another's.
      inside["my-gpt/onnx/config.json"] = "{}";
      const name = `gpt-${stored}.zip`;
      await drop({ [name]: zip(inside, { stored }) });
      await loaded(name);
      assert.equal((await ask(page, "status")).model.family, "gpt");
      await works();
    });
  }

  test("what cannot be loaded gets a sentence, and the page goes on", async () => {
    await ask(page, "load", "bert");
    const files = await checkpoint("bert-1-layer");
    const { "config.json": config, "tokenizer.json": tokenizer, "model.safetensors": weights } = files;
    for (const [sentence, dropped] of [
      ["config.json is not among the files.", { "model.safetensors": weights }],
      ["The weights are fine, but the tokenizer is missing.", { "config.json": config, "model.safetensors": weights }],
      ["model.safetensors is not among the files.", { "config.json": config, "tokenizer.json": tokenizer }],
      ["PyTorch .bin files can run code, so they are not opened.", { "config.json": config, "tokenizer.json": tokenizer, "pytorch_model.bin": "x" }],
      ["broken.zip cannot be unpacked.", { "broken.zip": zip(files).subarray(0, 5000) }],
      ["tokenizer.json cannot be used.", { ...files, "tokenizer.json": "<html>" }],
      ["config.json is not a JSON object.", { ...files, "config.json": "<html>" }],
      ["This file is not a safetensors checkpoint.", { ...files, "model.safetensors": "GGUF and so on" }],
    ]) {
      await drop(dropped);
      await page.locator("[data-failure]").getByText(sentence).waitFor();
      assert.equal(await source(), "bert", sentence);
      await works();
      await page.locator("[data-failure]").getByRole("button", { name: "Dismiss" }).click();
    }
  });

  test("the sheet tells of the models, and loads and deletes what the browser keeps", async () => {
    const hub = await startHub();
    hub.put("somebody/small", await checkpoint("bert-3-heads"));
    await page.locator("[data-models]").first().click();
    const sheet = page.getByRole("dialog");
    // Figures come from the file beside the model: as it was trained, in half precision, and in eight bits.
    const { evaluations } = JSON.parse(await readFile(join(ROOT, "assets/models/bert/eval.json"), "utf8"));
    const top1 = ["f32", "f16", "int8"].map((type) => `${(100 * evaluations[type].held_out.mlm_top1.value).toFixed(1)}\u00a0%`);
    const figures = sheet.locator("[data-model-card] tbody tr").first().locator("td");
    await figures.nth(2).waitFor();
    assert.deepEqual(await figures.allInnerTexts(), top1);
    await sheet.getByRole("link", { name: "Model card" }).first().waitFor();
    await sheet.getByText("Another hub").first().click();
    await sheet.locator("[data-model-hub]").fill(hub.origin);
    await sheet.locator("[data-model-source]").fill("somebody/small");
    await sheet.getByRole("button", { name: "Load", exact: true }).click();
    await page.waitForFunction(() => window.cloze.status().model?.source === "hf:somebody/small");
    assert.deepEqual(await ask(page, "state"), { ...(await ask(page, "state")), m: "hf:somebody/small,gpt", hub: hub.origin });
    const link = page.locator("[data-model-bar]").getByRole("link");
    assert.equal(await link.getAttribute("href"), `${hub.origin}/somebody/small`);

    await page.locator("[data-models]").first().click();
    const kept = sheet.locator("[data-kept] li");
    await kept.first().waitFor();
    await kept.getByRole("button", { name: "Delete hf:somebody/small" }).click();
    await kept.first().waitFor({ state: "detached" });
    assert.deepEqual(await ask(page, "stored"), []);
    await page.keyboard.press("Escape");
    await works();
    await hub.close();
  });
});
