// Pictures of every view and panel, in each size and theme, for people to look at: tests/browser/artefacts.

import { mkdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ask, launch, newPage, noProblems, openCloze } from "./support/browser.mjs";
import { VIEWS, waitForRest } from "./support/cloze.mjs";
import { serve } from "./support/server.mjs";

const FOLDER = fileURLToPath(new URL("./artefacts/", import.meta.url));
const SIZES = [
  [1440, 900],
  [390, 844],
];
const EMBEDS = { mask: ["predictions", "tokens"], attention: ["heatmap", "heads"], generate: ["text", "dist"] };

describe("screenshots", { timeout: 300_000 }, () => {
  let server, browser, page, problems;

  before(async () => {
    await mkdir(FOLDER, { recursive: true });
    server = await serve();
    browser = await launch();
    ({ page, problems } = await newPage(browser));
    await openCloze(page, server.origin);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const theme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      for (const view of VIEWS) {
        test(`${view}, ${width} by ${height}, ${theme}`, () =>
          picture({ view, theme }, width, height, `${view}-${width}-${theme}`));
      }
    }
    for (const [width, height] of SIZES) {
      test(`attention with heads off and the shader shown, ${width} by ${height}, ${theme}`, async () => {
        await ask(page, "set", { view: "attention" });
        await page.locator("[data-shader]").evaluate((shader) => (shader.open = true));
        await picture({ view: "attention", theme, off: "b2.2,g3.5", q: 5 }, width, height, `attention-off-${width}-${theme}`);
      });
    }
    for (const [view, panels] of Object.entries(EMBEDS)) {
      for (const panel of panels) {
        test(`${view}, embedded ${panel}, ${theme}`, () =>
          picture({ view, theme, embed: 1, panel }, 800, 450, `embed-${view}-${panel}-${theme}`));
      }
    }
  }

  async function picture(state, width, height, name) {
    await page.setViewportSize({ width, height });
    await ask(page, "set", state);
    const shown = state.panel ? `[data-panel=${state.panel}]` : `[data-view=${state.view}]`;
    await page.locator(shown).first().waitFor();
    await waitForRest(page);
    await page.screenshot({ path: `${FOLDER}${name}.png`, fullPage: height > 450 });
    noProblems(problems);
  }
});
