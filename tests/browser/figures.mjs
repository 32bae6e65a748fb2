// Measures the page in dist/: sizes, the time to the first prediction, warm runs on both engines, and how long the
// main thread is ever busy. Writes benches/results/figures.json, and the table in README.md.
// Run it by `cargo xtask bench`, on a machine that has nothing else to do.

import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";

import { ask, launch, newPage, openCloze } from "./support/browser.mjs";
import { compressed, median, writeReadme } from "./support/results.mjs";
import { ROOT, serve } from "./support/server.mjs";

/** 16 tokens of BERT, with [CLS] and [SEP]. */
const WORDS = "The cat sat on the mat and the dog ran to the old house";
const WARM_UPS = 2;
const RUNS = 9;
const COLD_STARTS = 5;

/** The bytes of a bundle's files. */
const sizes = async (...names) => compressed(await Promise.all(names.map((name) => readFile(join(ROOT, "dist", name)))));

/** The bundles in dist/, without the weights. */
async function bundles() {
  const files = await readdir(join(ROOT, "dist"));
  const code = files.filter((name) => /\.(js|wasm|css|html)$/.test(name));
  const engine = code.filter((name) => name.startsWith("engine"));
  return { page: await sizes(...code.filter((name) => !engine.includes(name))), engine: await sizes(...engine) };
}

/** Milliseconds from navigation to the first prediction on the screen, with an empty cache. */
async function coldStart(browser, origin) {
  const { page } = await newPage(browser);
  await page.goto(origin, { waitUntil: "commit" });
  await page.locator("[data-prediction]").first().waitFor();
  const ms = await page.evaluate(() => performance.now());
  await page.context().close();
  return ms;
}

/** Warm runs with everything recorded: the engine's own time, the time until the page has it, the longest task. */
function warmRuns(page, family) {
  return page.evaluate(
    async ({ family, words, warmUps, runs }) => {
      const { layers } = window.cloze.status().model;
      const names = ["hook_embed", "hook_pos_embed", "hook_embed_sum", "ln_final.hook_normalized", "logits"];
      if (family === "bert") names.push("hook_token_type_embed", "pooler.hook_pooler_out", "nsp_head.hook_nsp_out");
      const parts = ["q", "k", "v", "attn_scores", "mask", "pattern", "z"].map((part) => `attn.hook_${part}`);
      parts.push(...["resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"].map((part) => `hook_${part}`));
      for (let layer = 0; layer < layers; layer++) names.push(...parts.map((part) => `blocks.${layer}.${part}`));

      // As many words as make 16 tokens in this vocabulary.
      const parted = words.split(" ");
      let text = words;
      for (let count = 1; count <= parted.length; count++) {
        const tried = parted.slice(0, count).join(" ");
        const { tokens } = await window.cloze.run({ text: tried });
        if (tokens.length <= 16) text = tried;
      }

      const tasks = [];
      const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
      const engine = [];
      const whole = [];
      let tokens;
      for (let i = -warmUps; i < runs; i++) {
        if (i === 0) observer.observe({ type: "longtask" });
        const start = performance.now();
        const run = await window.cloze.run({ text, want: names });
        tokens = run.tokens.length;
        if (i >= 0) {
          engine.push(run.ms);
          whole.push(performance.now() - start);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
      return { tokens, activations: names.length, engine, whole, longestTask: Math.max(0, ...tasks) };
    },
    { family, words: WORDS, warmUps: WARM_UPS, runs: RUNS },
  );
}

async function warm(page, engine) {
  const figures = {};
  for (const family of ["bert", "gpt"]) {
    await ask(page, "load", family, { engine });
    const { tokens, activations, engine: own, whole, longestTask } = await warmRuns(page, family);
    figures[family] = { tokens, activations, engineMs: median(own), wholeMs: median(whole), longestTaskMs: longestTask };
  }
  return figures;
}

const server = await serve();
const figures = { command: "cargo xtask bench", bundles: await bundles() };
try {
  const cpu = await launch();
  const processors = cpus();
  figures.machine = { cores: processors.length, processor: processors[0].model.trim(), chromium: cpu.version() };

  const starts = [];
  for (let i = 0; i < COLD_STARTS; i++) starts.push(await coldStart(cpu, server.origin));
  figures.firstPredictionMs = median(starts);

  const { page } = await newPage(cpu);
  await openCloze(page, server.origin);
  figures.cpu = await warm(page, "cpu");
  await cpu.close();

  // The machine's own GPU where it has one that Chromium takes, else SwiftShader.
  const gpu = await launch({ gpu: "any" });
  const onGpu = (await newPage(gpu)).page;
  onGpu.setDefaultTimeout(300_000);
  await openCloze(onGpu, server.origin);
  figures.webgpu = await warm(onGpu, "webgpu");
  figures.machine.adapter = (await ask(onGpu, "status")).adapter;
  await gpu.close();
} finally {
  await server.close();
}

await mkdir(join(ROOT, "benches/results"), { recursive: true });
await writeFile(join(ROOT, "benches/results/figures.json"), `${JSON.stringify(figures, null, 2)}\n`);
await writeReadme("figures", table(figures));
console.log(table(figures));

function table({ machine, bundles, firstPredictionMs, cpu, webgpu }) {
  const kb = (bytes) => `${Math.round(bytes / 1000).toLocaleString("en")} KB`;
  const ms = (value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
  const bundle = (name, { raw, gzip, brotli }) => `| ${name} | ${kb(raw)} | ${kb(gzip)} | ${kb(brotli)} |`;
  const longest = Math.max(...[cpu, webgpu].flatMap((engine) => [engine.bert.longestTaskMs, engine.gpt.longestTaskMs]));
  const run = (name, family) =>
    `| ${name}, ${cpu[family].tokens} tokens, ${cpu[family].activations} activations recorded | ${ms(cpu[family].engineMs)} | ${ms(webgpu[family].engineMs)} |`;
  return [
    `Measured on ${machine.cores} cores of ${machine.processor}, Chromium ${machine.chromium} (headless), WebGPU on ${machine.adapter ?? "an unnamed adapter"}.`,
    "",
    "| bundle | raw | gzip | brotli |",
    "|---|--:|--:|--:|",
    bundle("page", bundles.page),
    bundle("engine", bundles.engine),
    "",
    `| warm run (median of ${RUNS}) | CPU | WebGPU |`,
    "|---|--:|--:|",
    run("BERT", "bert"),
    run("GPT", "gpt"),
    "",
    `From navigation to the first prediction, empty cache, localhost (median of ${COLD_STARTS}): ${ms(firstPredictionMs)}.`,
    `Longest main-thread task while runs go on: ${longest === 0 ? "under 50 ms (none was reported)" : ms(longest)}.`,
  ].join("\n");
}
