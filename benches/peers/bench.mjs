// Cloze beside onnxruntime-web, in one browser on one adapter, on the same weights: README.md says how.
// Run it by `cargo xtask bench peers`, on a machine that has nothing else to do.

import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { coldStarts, downloads } from "./cold.mjs";
import { ENGINES, cell, open, reason, words } from "./engines.mjs";
import { growth } from "./growth.mjs";
import { interleave } from "./measure.mjs";
import { comparison, curves } from "./plot.mjs";
import { short, whole } from "./table.mjs";
import { missing, targets } from "./targets.mjs";
import { launch } from "../../tests/browser/support/browser.mjs";
import { writeReadme } from "../../tests/browser/support/results.mjs";
import { ROOT, serve } from "../../tests/browser/support/server.mjs";

const FOLDERS = {
  "/checkpoints/": join(ROOT, "target/peers"),
  "/ort/": join(ROOT, "benches/peers/node_modules/onnxruntime-web/dist"),
  "/peers/": join(ROOT, "benches/peers/page"),
  "/support/": join(ROOT, "tests/browser/support"),
};

/** Without these a page gets no shared memory, hence the peer no threads. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const FULL = { runs: 7, warmUps: 2, slowRuns: 3, starts: 5 };
const QUICK = { runs: 1, warmUps: 1, slowRuns: 0, starts: 1 };

const { values: args } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    cold: { type: "boolean", default: false },
    cpu: { type: "boolean", default: false },
    decoding: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
});

// A quick look is no result: it is written where git does not see it. A part takes its place among the other results.
const folder = !args.quick ? join(ROOT, "benches/results") : join(ROOT, "target/peers/results");
await mkdir(folder, { recursive: true });

if (args.report) {
  await report(await json(join(folder, "peers.json")));
} else {
  await report(await measure());
}

async function measure() {
  const settings = await json(join(ROOT, "benches/peers/shapes.json"));
  const how = args.quick ? QUICK : FULL;
  const chosen = (name) => args.only.length === 0 || args.only.includes(name);
  const partly = args.cold || args.cpu || args.decoding;
  const grows = chosen("growth") && !partly;
  const engines = Object.keys(ENGINES).filter((id) => !args.cpu || !id.endsWith("webgpu"));
  const known = [...settings.shapes.map(({ name }) => name), "growth"];
  const unknown = args.only.find((name) => !known.includes(name));
  if (unknown) throw new Error(`there is no shape "${unknown}"; there are ${known.join(", ")}`);
  const shapes = await Promise.all(settings.shapes.filter(({ name }) => chosen(name)).map(made));
  const { version } = await json(join(FOLDERS["/ort/"], "../package.json"));

  const processors = cpus();
  const machine = { cores: processors.length };
  // A part may be measured on another machine than the rest, or of an earlier state.
  const of = { processor: processors[0].model.trim(), chromium: await chromium(), commit: commit() };
  const before = (partly || args.only.length > 0) && !args.quick ? await json(join(folder, "peers.json")).catch(() => ({})) : {};
  const results = { command: "cargo xtask bench peers", settings: how, machine: { ...before.machine, ...machine } };
  results.versions = { "onnxruntime-web": version, ...shapes[0]?.versions };
  // What is not measured now stays, in the order of shapes.json.
  const others = (before.shapes ?? []).filter(({ name }) => !shapes.some((now) => now.name === name));
  const described = shapes.map(({ name, family, from, sizes, exports }) => ({ name, family, from, sizes, exports }));
  const order = settings.shapes.map(({ name }) => name);
  const inOrder = (list) => list.sort((a, b) => order.indexOf(a.shape ?? a.name) - order.indexOf(b.shape ?? b.name));
  results.shapes = inOrder([...others, ...described]);
  Object.assign(results, {
    // What was measured before stays until it is measured again: the measurement may be ended before its time.
    cells: before.cells ?? [],
    cold: before.cold ?? [],
    downloads: args.cold ? {} : (before.downloads ?? {}),
    growth: before.growth ?? [],
  });
  // Hours of work are not lost with the last of them.
  const keep = () => {
    inOrder(results.cells);
    inOrder(results.cold);
    return writeFile(join(folder, "peers.json"), text(results));
  };

  const server = await serve({ folders: FOLDERS, headers: ISOLATED });
  try {
    for (const shape of shapes) {
      if (!args.cpu && !args.decoding) {
        console.log(`${shape.label}: cold starts`);
        const { engines, files } = await coldStarts(server, shape, how);
        for (const [id, { totalMs, differences, error }] of Object.entries(engines)) console.log(`  ${id}: ${error ?? outcome(totalMs, differences)}`);
        results.cold = [...results.cold.filter((known) => known.shape !== shape.name), { shape: shape.name, label: shape.label, ...of, engines }];
        if (Object.keys(results.downloads).length === 0) results.downloads = await downloads(files, FOLDERS);
        await keep();
      }
      if (args.cold) continue;

      const browser = await launch({ gpu: "any" });
      try {
        for await (const done of warmRuns(browser, server.origin, shape, settings, how, engines)) {
          results.machine.adapter ??= done.adapter;
          if (done.adapter && done.adapter !== results.machine.adapter) throw new Error("the engines got different adapters");
          for (const figure of Object.values(done.cell.engines)) Object.assign(figure, of);
          const { label } = done.cell;
          const known = results.cells.find((cell) => cell.label === label);
          if (known) Object.assign(known, done.cell, { engines: { ...known.engines, ...done.cell.engines } });
          else results.cells.push(done.cell);
          await keep();
        }
      } finally {
        await browser.close();
      }
    }
    if (grows) {
      console.log("How time grows");
      const own = (await Promise.all(settings.shapes.filter(({ from }) => from).map(made)));
      const names = ["bert", "gpt"].flatMap((family) => settings.growth.layers.map((layers) => ({ name: `growth-${family}-${layers}`, family })));
      const checkpoints = await Promise.all(names.map(made));
      const lengths = args.quick ? settings.growth.lengths.filter((_, i) => i % 3 === 0) : settings.growth.lengths;
      const browser = await launch({ gpu: "any" });
      try {
        const curves = await growth(browser, server.origin, { shapes: own, checkpoints, settings: { ...settings.growth, lengths }, ...how });
        results.growth = curves.map((curve) => ({ ...curve, ...of }));
      } finally {
        await browser.close();
      }
    }
  } finally {
    await server.close();
  }
  await keep();
  return results;
}

/** The browser's version. */
async function chromium() {
  const browser = await launch({ gpu: "any" });
  const version = browser.version();
  await browser.close();
  return version;
}

/** What is measured: the commit, with a plus where files differ from it. */
function commit() {
  const git = (...command) => execFileSync("git", command, { cwd: ROOT, encoding: "utf8" }).trim();
  return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "src", "www", "Cargo.lock") ? "+" : "");
}

/** A shape with what export.py made for it. */
async function made(shape) {
  const at = join(FOLDERS["/checkpoints/"], shape.name);
  const { from: { versions }, exports, sizes } = await json(join(at, "made.json"));
  const inputs = await json(join(at, "inputs.json"));
  const { vocabulary, hidden, layers, heads } = sizes;
  const label = `${shape.family.toUpperCase()} ${[vocabulary, hidden, layers, heads].join("/")}`;
  return { ...shape, sizes, inputs, versions, exports, label };
}

/** All cells of a shape, one after the other. The engines are opened anew for each kind of run: the peer's models differ. */
async function* warmRuns(browser, origin, shape, { lengths, decode }, how, ids) {
  const tasks = shape.family === "gpt" ? ["forward", "decode"] : ["forward"];
  for (const task of tasks.filter((task) => !args.decoding || task === "decode")) {
    for (const mode of ["logits", "trace"]) {
      const engines = [];
      const failed = {};
      for (const id of ids) {
        try {
          engines.push(await open(browser, origin, id, { ...shape, task, mode }));
        } catch (error) {
          failed[id] = { error: reason(error) };
        }
      }
      const adapters = [...new Set(engines.map(({ adapter }) => adapter).filter(Boolean))];
      if (adapters.length > 1) throw new Error(`the engines got different adapters: ${adapters.join(", ")}`);
      for (const tokens of task === "decode" ? [decode.tokens] : lengths) {
        const label = `${shape.label}, ${words({ task, mode, tokens })}`;
        console.log(label);
        const measured = { ...failed, ...(await interleave(engines, cell(shape, task, mode, tokens), how)) };
        const ordered = Object.fromEntries(ids.map((id) => [id, measured[id]]));
        for (const [id, { wallMs, differences, error }] of Object.entries(ordered)) {
          console.log(`  ${id}: ${error ?? outcome(wallMs, differences)}`);
        }
        yield { adapter: adapters[0], cell: { shape: shape.name, label, task, mode, tokens, engines: ordered } };
      }
      for (const engine of engines) await engine.close();
    }
  }
}

function outcome(ms, differences) {
  return `${ms.toFixed(1)} ms, off by ${Math.max(...Object.values(differences))}`;
}

/** Writes what is made of the results: the targets into the JSON, a table, two plots, and README's part. */
async function report(results) {
  results.missing = missing(results, await json(join(ROOT, "benches/peers/shapes.json")));
  results.targets = targets(results);
  await writeFile(join(folder, "peers.json"), text(results));
  await writeFile(join(folder, "peers.md"), whole(results));
  if (results.cells.length > 0) await writeFile(join(folder, "peers.svg"), comparison(results));
  if (results.growth.length > 0) await writeFile(join(folder, "growth.svg"), curves(results));
  if (!args.quick) await writeReadme("peers", short(results));
  console.log(short(results));
  console.log(`\nWritten to ${folder}`);
}

async function json(path) {
  return JSON.parse(await readFile(path, "utf8"));
}

/** Times to the microsecond; JSON has no infinity, so a difference that is no number is null. */
function text(results) {
  const rounded = (_, value) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value);
  return `${JSON.stringify(results, rounded, 2)}\n`;
}
