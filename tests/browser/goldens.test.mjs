// Every activation of every reference checkpoint on WebGPU, against Hugging Face's own implementation, and with rounded weights
// against the CPU path of the native tests, whose weights were rounded the same way. The references of the former, and the script
// that makes them, lie in tests/golden. `cargo xtask test native` records those of the latter into target/kernels/rounded
// (tests/goldens.rs); `cargo xtask test browser` does where they are missing.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { parse, readTensors } from "./support/safetensors.mjs";
import { ROOT, serve } from "./support/server.mjs";

/** How far an activation may lie from its reference on a GPU. */
const TOLERANCE = 1e-3;

const GOLDEN = join(ROOT, "tests/golden");
const checkpoints = (await readdir(join(GOLDEN, "checkpoints"))).sort();

/** The types that weights are rounded to, and the checkpoints in single precision that there are references for in each. */
const TYPES = ["f16", "int8"];
const ROUNDED = join(ROOT, "target/kernels/rounded");
const recorded = await readdir(ROUNDED).catch(() => []);
const roundedTo = (type) => checkpoints.filter((name) => recorded.includes(`${name}-${type}.safetensors`));

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
      const folder = join(GOLDEN, "checkpoints", name);
      // Nothing of it is rounded, so that it is comparable; by itself the page keeps single precision in half.
      const { buffer, byteOffset, byteLength } = await readFile(join(folder, "model.safetensors"));
      const { tensors } = parse(buffer.slice(byteOffset, byteOffset + byteLength));
      const has = (...types) => Object.values(tensors).some(({ dtype }) => types.includes(dtype));
      await compare(source, folder, { weights: !has("I8") && has("F32", "BF16") ? "f32" : undefined });
    });
  }

  for (const type of TYPES) {
    test(`there are references whose weights were rounded to ${type}`, () => {
      const found = roundedTo(type).length;
      assert.ok(found >= 6, `only ${found} in ${ROUNDED}: \`cargo xtask test native\` records them`);
    });

    for (const name of roundedTo(type)) {
      test(`${name} with weights in ${type}`, async () => {
        const source = `url:${server.origin}/golden/checkpoints/${name}/`;
        const references = join(ROUNDED, `${name}-${type}.safetensors`);
        await compare(source, join(GOLDEN, "checkpoints", name), { weights: type, references });
      });
    }
  }

  for (const name of ["bert", "gpt"]) {
    test(`the page's own ${name}`, () => compare(name, join(GOLDEN, "embedded", name)));
  }

  /** Loads a model, its weights as suits the page or in `weights`, and compares it with the `references` to a folder's cases. */
  async function compare(source, folder, { weights, references: file = join(folder, "golden.safetensors") } = {}) {
    const { cases } = JSON.parse(await readFile(join(folder, "golden.json"), "utf8"));
    const references = await readTensors(file);
    await ask(page, "load", source, { engine: "webgpu", weights });
    const loaded = await ask(page, "status");
    assert.equal(loaded.engine, "webgpu");
    if (weights) assert.equal(loaded.weights, weights);
    assert.ok(cases.length > 0, `${folder} has no case`);

    for (const { id, text, textB, tokens, hooks } of cases) {
      const run = await ask(page, "run", { text, textB: textB ?? undefined, want: hooks });
      assert.deepEqual(run.tokens.map(described(text, textB)), tokens.map(inBytes(text, textB)), `tokens of "${text}"`);
      assert.deepEqual(Object.keys(run.activations).sort(), [...hooks].sort(), "what was asked for comes back");
      for (const hook of hooks) {
        const reference = references.get(`${id}/${hook}`);
        assert.ok(reference, `${file} has no ${id}/${hook}`);
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
