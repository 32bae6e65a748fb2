// Every kernel in Chromium, on the cases of the native tests: what it computes must be what its twin on the processor does.
// `cargo xtask test native` records the cases into target/kernels; `cargo xtask test browser` does where they are missing.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launch, newPage, noProblems } from "./support/browser.mjs";
import { ROOT, serve } from "./support/server.mjs";

/** The kernels, by the names that they have in `src/gpu/kernels/mod.rs`, with the fewest cases that must be there of each. */
const KERNELS = {
  embed: 126,
  linear_tile: 1284,
  linear_vector: 384,
  attention: 112,
  norm: 70,
  top_part: 118,
  top_row: 118,
  draw: 2100,
};

/** Cases that are handed to the page at once. */
const BATCH = 50;

describe("kernels in Chromium equal their twins", { timeout: 900_000 }, () => {
  const folder = join(ROOT, "target/kernels");
  let server, browser, page, problems, files;

  before(async () => {
    files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors")).sort();
    server = await serve({ folders: { "/kernels/": folder, "/support/": join(ROOT, "tests/browser/support") } });
    browser = await launch({ gpu: "software" });
    ({ page, problems } = await newPage(browser));
    await page.goto(`${server.origin}/blank`);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const of = (kernel) => files.filter((name) => /^(.+)-\d+\.safetensors$/.exec(name)[1] === kernel);

  for (const [kernel, fewest] of Object.entries(KERNELS)) {
    test(kernel, async () => {
      const own = of(kernel);
      assert.ok(own.length >= fewest, `only ${own.length} cases of ${kernel}`);
      let numbers = 0;
      const off = {};
      for (let from = 0; from < own.length; from += BATCH) {
        const addresses = own.slice(from, from + BATCH).map((name) => `/kernels/${name}`);
        const outcome = await page.evaluate(async (addresses) => (await import("/support/kernels.mjs")).replay(addresses), addresses);
        assert.deepEqual(outcome.wrong, []);
        numbers += outcome.numbers;
        for (const [what, most] of Object.entries(outcome.off)) off[what] = Math.max(off[what] ?? 0, most);
      }
      console.log(`${kernel}: ${numbers.toLocaleString("en")} numbers of ${own.length} cases`);
      const most = Object.entries(off).filter(([, most]) => most > 0);
      if (most.length > 0) console.log(`  off by at most ${most.map(([what, most]) => `${most.toExponential(0)} (${what})`).join(", ")}`);
      noProblems(problems);
    });
  }

  test("no kernel is left out", () => {
    assert.deepEqual([...new Set(files.map((name) => name.replace(/-\d+\.safetensors$/, "")))].sort(), Object.keys(KERNELS).sort());
  });
});
