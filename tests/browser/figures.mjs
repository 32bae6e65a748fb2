// Measures the page in dist/: sizes, the time to the first prediction, warm runs on both engines, and how long the
// main thread is ever busy. Writes benches/results/figures.json, and the table in README.md.
// Run it by `cargo xtask bench`, on a machine that has nothing else to do.

import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";

import { ask, launch, newPage, openCloze, waitUntilAtRest } from "./support/browser.mjs";
import { randomGpt } from "./support/checkpoint.mjs";
import { compressed, median, writeReadme } from "./support/results.mjs";
import { ROOT, serve } from "./support/server.mjs";

/** 16 tokens of BERT, with [CLS] and [SEP]. */
const WORDS = "The cat sat on the mat and the dog ran to the old house";
const WARM_UPS = 2;
const RUNS = 9;
const COLD_STARTS = 7;

/** The bytes of a bundle's files, of which there must be some: none would be small. */
const sizes = async (...names) => {
  if (names.length === 0) throw new Error("dist/ has no files of one of the bundles");
  return compressed(await Promise.all(names.map((name) => readFile(join(ROOT, "dist", name)))));
};

/** The bundles in dist/, without the weights. */
async function bundles() {
  const files = await readdir(join(ROOT, "dist"));
  const code = files.filter((name) => /\.(js|wasm|css|html)$/.test(name));
  const engine = code.filter((name) => name.startsWith("engine"));
  const cpu = code.filter((name) => name.startsWith("cpu"));
  const page = code.filter((name) => !engine.includes(name) && !cpu.includes(name));
  return { page: await sizes(...page), engine: await sizes(...engine), cpu: await sizes(...cpu) };
}

/** A line of 50 Mbit/s, in bytes a second. */
const SLOW_LINE = 50e6 / 8;

/** Notes in the page when the engine first answers a run, and when its first prediction was drawn. */
function noteFirsts() {
  window.firsts = {};
  const Plain = Worker;
  window.Worker = class extends Plain {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        if (data[0].includes('"ran"')) window.firsts.answered ??= performance.now();
      });
    }
  };
  const look = () => {
    if (!document.querySelector("[data-prediction]")) return requestAnimationFrame(look);
    // The frame that shows it is this one; it is there when the next begins.
    requestAnimationFrame(() => (window.firsts.drawn = performance.now()));
  };
  requestAnimationFrame(look);
}

/**
 * Milliseconds of a start with an empty cache, in a browser that was at rest: from navigation to the first prediction on the
 * screen, and from when the model's bytes were there to the engine's first answer and to the screen. The engine's program and
 * its kernels are compiled, and the GPU asked for, while the page starts.
 */
async function coldStart(browser, origin) {
  const { page } = await newPage(browser);
  await page.addInitScript(noteFirsts);
  let arrived = 0;
  page.context().on("requestfinished", (request) => {
    if (!request.url().endsWith("/bert/model.safetensors")) return;
    const { startTime, responseEnd } = request.timing();
    arrived ||= startTime + responseEnd;
  });
  await waitUntilAtRest(page);
  await page.goto(origin, { waitUntil: "commit" });
  await page.waitForFunction(() => window.firsts.drawn);
  const { answered, drawn, origin: zero } = await page.evaluate(() => ({ ...window.firsts, origin: performance.timeOrigin }));
  await page.context().close();
  if (arrived === 0) throw new Error("the browser did not tell when the model arrived");
  return { fromNavigationMs: drawn, answeredMs: zero + answered - arrived, drawnMs: zero + drawn - arrived };
}

/** Several cold starts, from this machine and over a slower line, in turns. */
async function coldStarts(browser, fast, slow) {
  const starts = { localhost: [], line: [] };
  for (let i = 0; i < COLD_STARTS; i++) {
    starts.localhost.push(await coldStart(browser, fast.origin));
    starts.line.push(await coldStart(browser, slow.origin));
  }
  const medians = (all) => Object.fromEntries(Object.keys(all[0]).map((part) => [part, median(all.map((start) => start[part]))]));
  return { localhost: medians(starts.localhost), line: medians(starts.line) };
}

/**
 * Milliseconds of a processor that workers' threads take while `work` goes on, by the browser's own account of its threads: all of
 * their tasks, whatever they do. Nobody works but the engine's.
 */
async function workerTime(browser, work) {
  const session = await browser.newBrowserCDPSession();
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await session.send("Tracing.start", { traceConfig: { includedCategories: ["toplevel"] } });
  await work();
  const ended = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await ended;
  await session.detach();
  const named = events.filter(({ name, args }) => name === "thread_name" && args.name === "DedicatedWorker thread");
  const threads = new Map(named.map(({ pid, tid }) => [`${pid}/${tid}`, { until: 0 }]));
  const tasks = events.filter(({ ph, tdur }) => ph === "X" && tdur > 0).sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  let busy = 0;
  for (const { pid, tid, ts, dur, tdur } of tasks) {
    const thread = threads.get(`${pid}/${tid}`);
    // What a task does within itself is part of it.
    if (!thread || ts < thread.until) continue;
    thread.until = ts + dur;
    busy += tdur / 1000;
  }
  // No time at all would keep any bound.
  if (busy === 0) throw new Error("the browser did not tell what time the workers' threads took");
  return busy;
}

/**
 * Milliseconds of a processor that the worker's thread takes for one token of GPT-2 small: reading the request, encoding
 * commands, handing them over, reading back what was drawn, and telling the page. It has GPT-2 small's blocks, heads and positions;
 * its width and its vocabulary play no part in that, and software would take minutes for them.
 */
async function busyPerToken(browser) {
  const { config, weights } = randomGpt({ vocabulary: 283, hidden: 96, layers: 12, heads: 12, positions: 1024 });
  const tokenizer = await readFile(join(ROOT, "tests/golden/checkpoints/gpt-1-layer/tokenizer.json"));
  const server = await serve({
    made: { "/gpt/config.json": config, "/gpt/tokenizer.json": tokenizer, "/gpt/model.safetensors": weights },
  });
  const { page } = await newPage(browser);
  page.setDefaultTimeout(300_000);
  try {
    await openCloze(page, server.origin);
    await ask(page, "load", `url:${server.origin}/gpt/`, { engine: "webgpu" });
    const times = [];
    for (let i = -WARM_UPS; i < RUNS; i++) {
      let steps;
      const busy = await workerTime(browser, async () => {
        steps = await ask(page, "generate", { text: "the", maxNewTokens: 32, temperature: 0 });
      });
      if (steps.length !== 32) throw new Error(`${steps.length} tokens were drawn`);
      if (i >= 0) times.push(busy / steps.length);
    }
    return median(times);
  } finally {
    await page.context().close();
    await server.close();
  }
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
        // What was computed of the same text would be used again.
        await window.cloze.run({ text: "?" });
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
const slow = await serve({ rate: SLOW_LINE });
const figures = { command: "cargo xtask bench", bundles: await bundles() };
try {
  const cpu = await launch();
  const processors = cpus();
  figures.machine = { cores: processors.length, processor: processors[0].model.trim(), chromium: cpu.version() };

  figures.firstPrediction = { cpu: await coldStarts(cpu, server, slow) };

  const { page } = await newPage(cpu);
  await openCloze(page, server.origin);
  figures.cpu = await warm(page, "cpu");
  await cpu.close();

  // The machine's own GPU where it has one that Chromium takes, else SwiftShader.
  const gpu = await launch({ gpu: "any" });
  figures.firstPrediction.webgpu = await coldStarts(gpu, server, slow);
  figures.busyPerTokenMs = await busyPerToken(gpu);
  const onGpu = (await newPage(gpu)).page;
  onGpu.setDefaultTimeout(300_000);
  await openCloze(onGpu, server.origin);
  figures.webgpu = await warm(onGpu, "webgpu");
  figures.machine.adapter = (await ask(onGpu, "status")).adapter;
  await gpu.close();
} finally {
  await server.close();
  await slow.close();
}

await mkdir(join(ROOT, "benches/results"), { recursive: true });
await writeFile(join(ROOT, "benches/results/figures.json"), `${JSON.stringify(figures, null, 2)}\n`);
await writeReadme("figures", table(figures));
console.log(table(figures));

function table({ machine, bundles, firstPrediction, busyPerTokenMs, cpu, webgpu }) {
  const kb = (bytes) => `${Math.round(bytes / 1000).toLocaleString("en")} KB`;
  const ms = (value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
  const bundle = (name, { raw, gzip, brotli }) => `| ${name} | ${kb(raw)} | ${kb(gzip)} | ${kb(brotli)} |`;
  const longest = Math.max(...[cpu, webgpu].flatMap((engine) => [engine.bert.longestTaskMs, engine.gpt.longestTaskMs]));
  const run = (name, family) =>
    `| ${name}, ${cpu[family].tokens} tokens, ${cpu[family].activations} activations recorded | ${ms(cpu[family].engineMs)} | ${ms(webgpu[family].engineMs)} |`;
  const start = (what, line, part) =>
    `| ${what} | ${ms(firstPrediction.cpu[line][part])} | ${ms(firstPrediction.webgpu[line][part])} |`;
  return [
    `Measured on ${machine.cores} cores of ${machine.processor}, Chromium ${machine.chromium} (headless), WebGPU on ${machine.adapter ?? "an unnamed adapter"}.`,
    "",
    "| bundle | raw | gzip | brotli |",
    "|---|--:|--:|--:|",
    bundle("page", bundles.page),
    bundle("engine", bundles.engine),
    bundle("where there is no WebGPU, also", bundles.cpu),
    "",
    `| warm run (median of ${RUNS}) | CPU | WebGPU |`,
    "|---|--:|--:|",
    run("BERT", "bert"),
    run("GPT", "gpt"),
    "",
    `| first prediction, empty cache (median of ${COLD_STARTS}) | CPU | WebGPU |`,
    "|---|--:|--:|",
    start("weights from localhost: from navigation to the screen", "localhost", "fromNavigationMs"),
    start("… from when the model's bytes are there to the engine's answer", "localhost", "answeredMs"),
    start("… to the screen", "localhost", "drawnMs"),
    start("weights over 50 Mbit/s: from navigation to the screen", "line", "fromNavigationMs"),
    start("… from when the model's bytes are there to the engine's answer", "line", "answeredMs"),
    start("… to the screen", "line", "drawnMs"),
    "",
    "| aimed at | at most | measured | |",
    "|---|--:|--:|---|",
    ...[
      ["the engine's programs, brotli", 900e3, bundles.engine.brotli, kb],
      ["BERT's first answer on WebGPU, from when its bytes are there", 400, firstPrediction.webgpu.localhost.answeredMs, ms],
      ["the worker's processor for a token of GPT-2 small on WebGPU", 1.5, busyPerTokenMs, (value) => `${value.toFixed(2)} ms`],
    ].map(([what, most, found, as]) => `| ${what} | ${as(most)} | ${as(found)} | ${found <= most ? "**met**" : "**not met**"} |`),
    "",
    `Longest main-thread task while runs go on: ${longest === 0 ? "under 50 ms (none was reported)" : ms(longest)}.`,
  ].join("\n");
}
