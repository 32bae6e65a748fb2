// Everything on the screen is in the address's fragment, and comes back from it; a hostile one does nothing.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { show, typeSentence } from "./support/cloze.mjs";
import { serve } from "./support/server.mjs";

describe("the address", { timeout: 300_000 }, () => {
  let server, browser;

  before(async () => {
    server = await serve();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("what is typed and chosen is in it, and opening it elsewhere shows the same", async () => {
    const { page, problems } = await newPage(browser);
    await openCloze(page, server.origin);
    for (const [view, text] of [
      ["mask", "Tea & [MASK] = 100 % #1 + ü?"],
      ["attention", "Say “hello” – 你好 🍕"],
      ["generate", "Once upon a time"],
    ]) {
      await show(page, view);
      await typeSentence(page, text);
      await page.waitForFunction((text) => new URLSearchParams(location.hash.slice(1)).get("t") === text, text);
      const state = await ask(page, "state");
      assert.equal(state.view, view);

      const other = await newPage(browser);
      await other.page.goto(page.url());
      await other.page.locator(`[data-view=${view}]`).first().waitFor();
      await other.page.evaluate(() => window.cloze.ready);
      assert.deepEqual(await ask(other.page, "state"), state);
      noProblems(other.problems);
      await other.page.context().close();
    }
    noProblems(problems);
    await page.context().close();
  });

  test("a state that is set comes back as it was", async () => {
    const { page, problems } = await newPage(browser);
    await openCloze(page, server.origin);
    for (const state of [
      { v: "1", view: "mask", t: "A [MASK] of tea.", theme: "dark" },
      { v: "1", view: "attention", t: "It was late.", l: "2", h: "3", off: "b2.2,g4.7" },
      { v: "1", view: "generate", t: "The end", T: "0.7", tk: "40", tp: "0.85", seed: "9" },
    ]) {
      assert.deepEqual(await ask(page, "set", state), []);
      const back = await ask(page, "state");
      for (const [key, value] of Object.entries(state)) assert.equal(back[key], value, key);
    }
    noProblems(problems);
    await page.context().close();
  });

  test("a hostile or malformed one gives the default state, never an error or script", async () => {
    const { page, problems } = await newPage(browser);
    await page.addInitScript(() => {
      window.alert = () => (window.hacked = true);
      window.hack = () => (window.hacked = true);
    });
    await openCloze(page, server.origin);
    const { view } = await ask(page, "state");
    for (const hostile of [
      "view=javascript:hack()",
      "view=<script>hack()</script>",
      "theme=%22%3E%3Cimg%20src%3Dx%20onerror%3Dhack()%3E",
      "lang=../../../etc/passwd",
      "v=999999999999999999999&l=-1&h=1e999&q=NaN&key=null&k=0.5",
      "embed=1&panel=__proto__&scale=1e99",
      "%E0%A4%A&%%%&=&&=&&&",
      "view=generate&br=" + "9:9,".repeat(5000),
      "mask=" + "99999999999,".repeat(500),
      "t=" + "%00%01%EF%BF%BF".repeat(300),
      "m=url:https://192.0.2.1/&off=b99.99,g-1.-1",
      "seed=-1&T=-5&tk=1e9&tp=7",
    ]) {
      // Another query makes the browser load the page instead of only changing the fragment.
      await page.goto(`${server.origin}/?${encodeURIComponent(hostile.slice(0, 20))}#${hostile}`);
      await page.evaluate(() => window.cloze.ready);
      const state = await ask(page, "state");
      if (!/^(view=generate|embed)/.test(hostile)) assert.equal(state.view, view, hostile);
      assert.equal(await page.evaluate(() => window.hacked), undefined, hostile);
      assert.equal(await page.locator("img[onerror], body script:not([src])").count(), 0, hostile);
      noProblems(problems);
    }
    await page.context().close();
  });

  test("the page's policy stops script that is not its own", async () => {
    const { page } = await newPage(browser);
    await page.goto(server.origin);
    const ran = await page.evaluate(async () => {
      window.ran = [];
      const inline = document.createElement("script");
      inline.textContent = "window.ran.push('inline')";
      const foreign = document.createElement("script");
      foreign.src = "data:text/javascript,window.ran.push('foreign')";
      document.head.append(inline, foreign);
      const image = document.createElement("div");
      image.innerHTML = `<img src="data:," onerror="window.ran.push('handler')">`;
      document.body.append(image);
      await new Promise((resolve) => setTimeout(resolve, 300));
      return window.ran;
    });
    assert.deepEqual(ran, []);
    await page.context().close();
  });
});
