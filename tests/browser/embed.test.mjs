// One panel of a lesson in a frame of somebody's slides.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, newPage, noProblems } from "./support/browser.mjs";
import { serve } from "./support/server.mjs";

/** The panels that each lesson offers, with what must be seen in them. */
const PANELS = [
  ["mask", "predictions", "[data-prediction]"],
  ["mask", "tokens", "[data-token]"],
  ["attention", "heatmap", "[data-cell]"],
  ["attention", "heads", "[data-head]"],
  ["generate", "text", "[data-prediction]"],
  ["generate", "dist", "[data-candidate]"],
];

describe("an embedded panel", { timeout: 300_000 }, () => {
  let server, browser;

  before(async () => {
    server = await serve();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function embed(fragment) {
    const { page, problems } = await newPage(browser);
    await page.goto(`${server.origin}/frame?${encodeURIComponent(`/#${fragment}`)}`);
    const frame = page.frames().find((frame) => frame !== page.mainFrame());
    await frame.waitForFunction(() => window.cloze !== undefined);
    await frame.evaluate(() => window.cloze.ready);
    return { page, frame, problems };
  }

  for (const [view, panel, content] of PANELS) {
    test(`${view}: ${panel} stands alone, and fits 800 by 450`, async () => {
      const { page, frame, problems } = await embed(`view=${view}&embed=1&panel=${panel}`);
      await frame.locator(`[data-panel=${panel}]`).locator(content).first().waitFor();
      assert.equal(await frame.locator("[data-panel]").count(), 1);
      assert.equal(await frame.locator("nav").count(), 0, "the page's header is left out");
      const over = await frame.evaluate(() => {
        const { scrollWidth, scrollHeight } = document.documentElement;
        return [scrollWidth - innerWidth, scrollHeight - innerHeight];
      });
      assert.ok(Math.max(...over) <= 0, `it is larger than the frame by ${over} px`);
      const link = frame.getByRole("link", { name: /cloze/i });
      assert.doesNotMatch(await link.getAttribute("href"), /embed=1/);
      noProblems(problems);
      await page.context().close();
    });
  }

  test("a clicker steps through Generate", async () => {
    const { page, frame, problems } = await embed("view=generate&embed=1&panel=dist&t=The%20little%20dog");
    await frame.locator("[data-candidate]").first().waitFor();
    const picture = () => frame.locator("[data-panel]").innerText();
    const before = await picture();
    await frame.locator("body").click({ position: { x: 5, y: 5 } });
    await page.keyboard.press("PageDown");
    await frame.waitForFunction((before) => document.querySelector("[data-panel]").innerText !== before, before);
    noProblems(problems);
    await page.context().close();
  });

  test("a head of a slide is switched off by O, and any of them by a click with Shift", async () => {
    for (const panel of ["heatmap", "heads"]) {
      const { page, frame, problems } = await embed(`view=attention&embed=1&panel=${panel}&show=gpt&q=3&gl=1&gh=1`);
      await frame.locator("[data-cell], [data-head]").first().waitFor();
      await frame.locator("body").click({ position: { x: 5, y: 5 } });
      await page.keyboard.press("o");
      await frame.locator("[data-off]").filter({ hasText: /p\(.+\) .+\s% → .+\s%, .+\spoints/ }).waitFor();
      if (panel === "heads") await frame.locator('[data-head="2,2"]').click({ modifiers: ["Shift"] });
      const { off } = await frame.evaluate(() => window.cloze.state());
      assert.equal(off, panel === "heads" ? "g1.1,g2.2" : "g1.1");
      const over = await frame.evaluate(() => document.documentElement.scrollHeight - innerHeight);
      assert.ok(over <= 0, `it is ${over} px higher than the frame`);
      noProblems(problems);
      await page.context().close();
    }
  });

  test("an answer that starts covered is shown by the space bar", async () => {
    const { page, frame, problems } = await embed("view=mask&embed=1&panel=predictions&reveal=0");
    await frame.locator("[data-panel=predictions]").waitFor();
    assert.equal(await frame.locator("[data-prediction]:visible").count(), 0);
    await frame.locator("body").click({ position: { x: 5, y: 5 } });
    await page.keyboard.press("Space");
    await frame.locator("[data-prediction]").first().waitFor();
    noProblems(problems);
    await page.context().close();
  });
});
