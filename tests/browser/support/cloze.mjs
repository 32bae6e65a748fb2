// What a reader does on the page. The attributes these rely on are listed in ../README.md.

/** The lessons, with the keys that open them. */
export const VIEWS = ["mask", "attention", "generate"];
const KEYS = { mask: "1", attention: "3", generate: "4" };

/** Opens a lesson with its key. */
export async function show(page, view) {
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press(KEYS[view]);
  await page.locator(`[data-view=${view}]`).first().waitFor();
  await waitForRest(page);
}

/** Replaces the sentence of the lesson that is shown, and waits until the page has answered. */
export async function typeSentence(page, text) {
  await page.locator("[data-sentence]").first().fill(text);
  await waitForRest(page);
}

/** The words of the rows in which predictions are listed. */
export async function predictions(page) {
  const rows = page.locator("[data-prediction]");
  await rows.first().waitFor();
  return rows.allInnerTexts();
}

/**
 * Waits until nothing is computed: typing has rested (150 ms), the engine has answered what was asked since, and no part
 * of the page is busy.
 */
export async function waitForRest(page) {
  await page.waitForTimeout(200);
  await page.evaluate(() => window.cloze.run({ text: "." }).catch(() => {}));
  await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
