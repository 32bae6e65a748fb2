// Chromium with or without WebGPU, and pages of it that note every error.

import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-quic",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * What kind of GPU the browser offers:
 * - `software`: WebGPU on SwiftShader, which computes right and slowly
 * - `any`: WebGPU on the machine's own GPU where Chromium takes it, else on SwiftShader
 * - `no-adapter`: WebGPU without an adapter, as on machines whose drivers are blocked
 */
const GPU = {
  software: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  any: ["--enable-unsafe-webgpu", "--enable-features=Vulkan"],
  "no-adapter": [],
};

/**
 * Starts Chromium, headless.
 * @param {{gpu?: keyof typeof GPU, flags?: string[]}} options
 */
export function launch({ gpu = "no-adapter", flags = [] } = {}) {
  return chromium.launch(options(gpu, flags));
}

const options = (gpu, flags = []) => ({ executablePath: executable(), headless: true, args: [...QUIET, ...GPU[gpu], ...flags] });

/** What a page is shown in. */
const SCREEN = { viewport: { width: 1440, height: 900 }, colorScheme: "light" };

/**
 * Starts Chromium with a new profile on disk, as a reader has it: what pages keep lies in files. The contexts of `launch` keep
 * it in memory, where a page writes ten times more slowly. There is one context.
 */
export async function launchProfile({ gpu = "no-adapter" } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "cloze-profile-"));
  const context = await chromium.launchPersistentContext(folder, { ...options(gpu), ...SCREEN });
  const close = async () => {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { newContext: async () => context, version: () => context.browser().version(), close };
}

/** The browser's path: `$CHROMIUM`, or the first of the usual names on PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
  for (const folder of process.env.PATH.split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not here.
      }
    }
  }
  throw new Error("Chromium was not found on PATH. Install it, or give its path as CHROMIUM.");
}

/**
 * A page in a context of its own (with an empty cache) that notes what goes wrong in it.
 * @returns {Promise<{page: import("playwright-core").Page, problems: string[]}>}
 */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ ...SCREEN, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console error: ${message.text()}`);
  });
  page.setDefaultTimeout(60_000);
  return { page, problems };
}

/** How long the browser is looked at, in ms, and what it may do meanwhile, in seconds of a processor. */
const LOOK_MS = 200;
const REST_S = 0.02;

/**
 * Waits until the browser of a page has nothing to do: a window comes with pages of the browser's own (that of its address bar
 * above all), which keep two processors busy for a second. A reader's window has been there for a while.
 */
export async function waitUntilAtRest(page) {
  const session = await page.context().browser().newBrowserCDPSession();
  const busy = async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  };
  const until = Date.now() + 60_000;
  let last = await busy();
  for (let quiet = 0; quiet < 3; ) {
    if (Date.now() > until) throw new Error("the browser never came to rest");
    await setTimeout(LOOK_MS);
    const now = await busy();
    quiet = now - last < REST_S ? quiet + 1 : 0;
    last = now;
  }
  await session.detach();
}

/** Fails if anything went wrong in the page since the last call. */
export function noProblems(problems) {
  assert.deepEqual(problems.splice(0), []);
}

/**
 * Opens Cloze and waits until the engine of the first model is chosen for good.
 * @param {string} fragment without `#`
 */
export async function openCloze(page, origin, fragment = "") {
  await page.goto(`${origin}/${fragment && `#${fragment}`}`);
  await page.evaluate(() => window.cloze.ready);
}

/**
 * Calls a verb of `window.cloze` in the page. Comes back with `{value}`, or with `{error: {code, message}}` if the
 * promise was rejected. Float32Arrays become plain arrays.
 */
export function call(page, verb, ...args) {
  return page.evaluate(
    async ({ verb, args }) => {
      const plain = (value) => {
        if (value instanceof Float32Array) return Array.from(value);
        if (Array.isArray(value)) return value.map(plain);
        if (value === null || typeof value !== "object") return value;
        return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
      };
      try {
        return { value: plain(await window.cloze[verb](...args)) };
      } catch (error) {
        return { error: { code: error.code, message: error.message } };
      }
    },
    { verb, args },
  );
}

/** As `call`, for what must succeed. */
export async function ask(page, verb, ...args) {
  const { value, error } = await call(page, verb, ...args);
  assert.equal(error, undefined, `cloze.${verb} failed: ${error?.code}: ${error?.message}`);
  return value;
}

/** As `call`, for what must be refused with `code`, in a sentence. */
export async function refused(page, code, verb, ...args) {
  const { value, error } = await call(page, verb, ...args);
  assert.ok(error, `cloze.${verb} should have been refused, but gave ${JSON.stringify(value)?.slice(0, 200)}`);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message?.length > 10, `"${error.message}" is no sentence`);
  return error;
}
