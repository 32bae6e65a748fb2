// Every activation of every reference checkpoint on WebGPU, against Hugging Face's own implementation.
// The references, and the script that makes them, lie in tests/golden.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { readTensors } from "./support/safetensors.mjs";
import { ROOT, serve } from "./support/server.mjs";

/** How far an activation may lie from its reference on a GPU. */
const TOLERANCE = 1e-3;

const GOLDEN = join(ROOT, "tests/golden");
const checkpoints = (await readdir(join(GOLDEN, "checkpoints"))).sort();

describe("activations on WebGPU equal the references", { timeout: 900_000 }, () => {
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

  test("there are reference checkpoints", () => {
    assert.ok(checkpoints.length >= 6, `only ${checkpoints.length}: ${checkpoints}`);
  });

  for (const name of checkpoints) {
    test(name, async () => {
      const source = `url:${server.origin}/golden/checkpoints/${name}/`;
      await compare(source, join(GOLDEN, "checkpoints", name));
    });
  }

  for (const name of ["bert", "gpt"]) {
    test(`the page's own ${name}`, () => compare(name, join(GOLDEN, "embedded", name)));
  }

  async function compare(source, folder) {
    const { cases } = JSON.parse(await readFile(join(folder, "golden.json"), "utf8"));
    const references = await readTensors(join(folder, "golden.safetensors"));
    await ask(page, "load", source, { engine: "webgpu" });
    assert.equal((await ask(page, "status")).engine, "webgpu");
    assert.ok(cases.length > 0, `${folder} has no case`);

    for (const { id, text, textB, tokens, hooks } of cases) {
      const run = await ask(page, "run", { text, textB: textB ?? undefined, want: hooks });
      assert.deepEqual(run.tokens.map(described(text, textB)), tokens.map(inBytes(text, textB)), `tokens of "${text}"`);
      assert.deepEqual(Object.keys(run.activations).sort(), [...hooks].sort(), "what was asked for comes back");
      for (const hook of hooks) {
        const reference = references.get(`${id}/${hook}`);
        assert.ok(reference, `golden.safetensors has no ${id}/${hook}`);
        const { shape, data } = run.activations[hook];
        assert.deepEqual(shape, reference.shape, `shape of ${hook}`);
        const difference = largestDifference(data, reference.data);
        assert.ok(difference <= TOLERANCE, `${hook} of "${text}" differs by ${difference}`);
      }
    }
    assert.equal((await ask(page, "status")).engine, "webgpu", "the GPU was left meanwhile");
    noProblems(problems);
  }
});

/** A token with what it cuts out of the text; spans count in units of JavaScript's strings. */
const described = (text, textB) => (token) => {
  const { id, piece, special, segment, start, end } = token;
  return { id, piece, special, segment, cut: (segment === 0 ? text : textB).slice(start, end) };
};

/** The same for a token of the references, whose spans count in bytes. */
const inBytes = (text, textB) => (token) => {
  const { id, piece, special, segment, start, end } = token;
  const bytes = Buffer.from(segment === 0 ? text : textB);
  return { id, piece, special, segment, cut: bytes.subarray(start, end).toString() };
};

/** The largest absolute difference; infinite where a value is missing or not a number. */
function largestDifference(values, references) {
  if (values.length !== references.length) return Infinity;
  return references.reduce((most, reference, index) => {
    const difference = Math.abs(values[index] - reference);
    return difference <= most ? most : Number.isNaN(difference) ? Infinity : difference;
  }, 0);
}
