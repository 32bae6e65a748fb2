// The results as Markdown: all of them, and the few that README.md shows.

import { ENGINES } from "./engines.mjs";
import { attentionShare, fit } from "./growth.mjs";
import { OFTENER, SHORT_MS } from "./measure.mjs";
import { targets } from "./targets.mjs";

const IDS = Object.keys(ENGINES);

const row = (...fields) => `| ${fields.join(" | ")} |`;
const head = (...fields) => [row(...fields), `|---|${"--:|".repeat(fields.length - 1)}`];
const percent = (part) => `${(100 * part).toFixed(0)} %`;

/** Milliseconds as a person reads them. */
export function ms(value) {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

const times = (ratio) => (ratio === null ? "–" : `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}×`);
const small = (difference) => (difference === null ? "no number" : difference === 0 ? "0" : difference.toExponential(0));
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** What a cell is counted in: the whole run, or each token that was decoded. */
export const perUnit = ({ task, tokens }, wallMs) => (task === "decode" ? wallMs / tokens : wallMs);

function time(cell, id, runs) {
  const figure = cell.engines[id];
  if (!figure) return "–";
  if (figure.error) return "failed";
  const often = figure.n >= runs ? "" : ` (n = ${figure.n})`;
  return `${ms(perUnit(cell, figure.wallMs))}${often}${figure.wrong ? " **wrong**" : ""}`;
}

const ratio = ({ engines }, cloze, peer) => {
  const [ours, theirs] = [engines[cloze], engines[peer]];
  return times(ours?.wallMs && theirs?.wallMs && !ours.wrong ? theirs.wallMs / ours.wallMs : null);
};

function warm({ cells, settings }) {
  const labels = IDS.map((id) => ENGINES[id].label);
  return [
    ...head("ms a run; decoding: ms a token", ...labels, "WebGPU: Cloze is", "CPU, 1 thread: Cloze is"),
    ...cells.map((cell) =>
      row(cell.label, ...IDS.map((id) => time(cell, id, settings.runs)), ratio(cell, "cloze-webgpu", "ort-webgpu"), ratio(cell, "cloze-cpu", "ort-wasm-1")),
    ),
  ];
}

/** The largest difference of a figure with full trace or without, and what is to be said of it. */
function off({ differences, agree, wrong }, mode) {
  if (!differences) return "not compared";
  // JSON has no infinity: what is no number there was none.
  const all = Object.values(differences);
  const largest = all.every(Number.isFinite) ? Math.max(...all) : null;
  const alone = mode === "trace" && Object.keys(differences).every((kind) => kind === "logits") ? " (logits alone)" : "";
  const drawn = agree === undefined ? "" : `, ${agree} tokens alike`;
  return `${small(largest)}${alone}${drawn}${wrong ? " **wrong**" : ""}`;
}

function agreement({ cells }) {
  const worst = (figure, mode) => (figure ? figure.error ?? off(figure, mode) : "–");
  return [
    ...head("largest difference", ...IDS.map((id) => ENGINES[id].label), "numbers delivered"),
    ...cells.map((cell) => {
      const delivered = Object.values(cell.engines).map(({ values }) => values).filter(Boolean);
      const numbers = [...new Set(delivered)].map((count) => count.toLocaleString("en")).join(" or ");
      return row(cell.label, ...IDS.map((id) => worst(cell.engines[id], cell.mode)), numbers);
    }),
  ];
}

function coldTable({ cold, settings }) {
  const rows = cold.flatMap(({ label, engines }) =>
    Object.entries(engines).map(([id, figure]) => {
      if (figure.error) return row(label, ENGINES[id].label, "failed", "", "", figure.error, "–");
      const often = figure.n === settings.starts ? "" : ` (n = ${figure.n})`;
      return row(label, ENGINES[id].label, ms(figure.startMs), ms(figure.loadMs), ms(figure.firstRunMs), `${ms(figure.totalMs)}${often}`, off(figure, "trace"));
    }),
  );
  return [...head("ms", "engine", "until the model is asked for", "loading it", "first run", "from navigation to its result", "largest difference"), ...rows];
}

function downloadTable({ downloads }) {
  const rows = Object.entries(downloads).map(([id, { raw, gzip, brotli }]) => row(ENGINES[id].label, mb(raw), mb(gzip), mb(brotli)));
  return [...head("programs, without weights", "raw", "gzip", "brotli"), ...rows];
}

function targetTable(results) {
  return [
    ...head("Cloze against onnxruntime-web", "aimed at", "least", "most", "met"),
    ...targets(results).map(({ name, asked, often, ratios, met }) => {
      const found = ratios.map((one) => one.ratio).filter((ratio) => ratio !== null);
      const reached = ratios.filter((one) => one.met).length;
      const verdict = met ? "**met**" : reached === ratios.length && reached > 0 ? "met where measured" : "**not met**";
      const [least, most] = found.length ? [times(Math.min(...found)), times(Math.max(...found))] : ["–", "–"];
      const [seldom, wrong] = ["seldom", "peerWrong"].map((what) => ratios.filter((one) => one[what]).length);
      const remarks = [...(seldom ? [`${seldom} with n < ${often}`] : []), ...(wrong ? [`in ${wrong} the peer is wrong`] : [])];
      return row(name, `${asked}×`, least, most, `${verdict}, in ${reached} of ${ratios.length}${remarks.length ? ` (${remarks.join("; ")})` : ""}`);
    }),
  ];
}

/** The cells in which a target is missed, by how much. */
function missed(results) {
  return targets(results).flatMap(({ name, asked, ratios }) => {
    const below = ratios.filter(({ met }) => !met).map(({ cell, ratio }) => `${cell} (${times(ratio)})`);
    return below.length ? [`- ${name}, ${asked}×: ${below.join("; ")}`] : [];
  });
}

function growthTable({ growth, shapes }) {
  return [
    ...head("Cloze", "from", "to", "fits within", "last term's part at the end", "attention's part of the arithmetic there", "… of the kernels' time", "all other kernels, a token", "no step", "nothing quadratic but attention"),
    ...growth.map((curve) => {
      const { furthest, share } = fit(curve);
      const [first, last] = [curve.points[0], curve.points.at(-1)];
      const shape = shapes.find(({ from, family }) => from && family === curve.family);
      const natural = curve.of === "tokens" && shape ? percent(attentionShare(shape.sizes, last.x)) : "–";
      const at = ({ x, ms: time }) => `${x} ${x === 1 ? curve.of.slice(0, -1) : curve.of}: ${ms(time)} ms`;
      return row(`${ENGINES[curve.engine].label.split(", ")[1]}, ${curve.family.toUpperCase()}`, at(first), at(last), percent(furthest), percent(share), natural, ...clocked(curve), smooth(curve), linear(curve));
    }),
  ];
}

/** Milliseconds of attention's kernel and of all others at each point, by the GPU's clock; none where it did not tell at every point. */
function kernelsOf({ points }) {
  if (points.some(({ kernels = {} }) => Object.keys(kernels).length === 0)) return [];
  return points.map(({ x, kernels }) => {
    const { attention = 0, ...others } = kernels;
    return { x, attention, perToken: Object.values(others).reduce((sum, ms) => sum + ms, 0) / x };
  });
}

/** What attention's kernel has of the kernels' time at the last point, and whether the others' grows faster than the length. */
function clocked(curve) {
  const sums = kernelsOf(curve);
  if (sums.length === 0) return ["–", "–"];
  const [first, last] = [sums[0], sums.at(-1)];
  const at = ({ x, perToken }) => `${ms(perToken)} ms at ${x}`;
  return [percent(last.attention / (last.attention + last.perToken * last.x)), `${at(first)}, ${at(last)}`];
}

/** How far a point may lie from its curve, and by how much more than the first the other kernels may take for a token of the last. */
const NO_STEP = 0.15;
const NOT_QUADRATIC = 1.1;

const verdict = (met) => (met ? "**met**" : "**not met**");

/** Whether a curve has no step. */
const smooth = (curve) => verdict(fit(curve).furthest <= NO_STEP);

/** Whether no kernel but attention's grows faster than the length. Over the layers the curve is a straight line as it is. */
function linear(curve) {
  if (curve.of === "layers") return "not asked";
  const sums = kernelsOf(curve);
  return sums.length === 0 ? "not measured" : verdict(sums.at(-1).perToken <= NOT_QUADRATIC * sums[0].perToken);
}

/** What all figures have of `name`, a processor, a browser or a commit; where there are several, each with what was measured there. */
function wherever({ cells, cold, growth }, name) {
  const runs = (gpu) => cells.flatMap(({ shape, engines }) => Object.entries(engines).filter(([id]) => id.endsWith("webgpu") === gpu).map(([, figure]) => ({ shape, ...figure })));
  const parts = { WebGPU: runs(true), CPU: runs(false), "cold starts": cold, growth };
  const found = Object.values(parts).flatMap((figures) => figures.map((figure) => figure[name] ?? "unknown"));
  const all = [...new Set(found)];
  if (all.length === 1) return all[0];
  const own = (one) =>
    Object.entries(parts).flatMap(([part, figures]) => {
      const here = figures.filter((figure) => (figure[name] ?? "unknown") === one);
      if (here.length === 0) return [];
      const shapes = here.length === figures.length ? [] : [...new Set(here.map(({ shape }) => shape))];
      return [shapes.length ? `${part} of ${shapes.join(", ")}` : part];
    });
  return all.map((one) => `${one} (${own(one).join("; ")})`).join(", ");
}

const machineLine = ({ machine, versions, ...results }) =>
  `Measured on ${machine.cores} cores of ${wherever(results, "processor")}, Chromium ${wherever(results, "chromium")} (headless), WebGPU on ${machine.adapter ?? "no adapter"}, against onnxruntime-web ${versions["onnxruntime-web"]}.`;

/** What is still to be measured. */
const missing = (results) => (results.missing?.length ? ` Not measured yet: ${results.missing.join(", ")}.` : "");

/** Everything, for benches/results/peers.md. */
export function whole(results) {
  const { settings } = results;
  const misses = missed(results);
  return [
    "# Cloze beside onnxruntime-web",
    "",
    `${machineLine(results)} Made by \`${results.command}\`; how, and what the words mean, stands in [benches/peers](../peers/README.md). Of commit ${wherever(results, "commit")}.${missing(results)}`,
    "",
    "## Targets",
    "",
    ...targetTable(results),
    "",
    ...(misses.length ? ["Missed, with what was found:", "", ...misses, ""] : []),
    "## Warm runs",
    "",
    `Medians of ${settings.runs} after ${settings.warmUps} warm-ups, interleaved, or of up to ${settings.runs * OFTENER} of what takes less than ${SHORT_MS} ms; where n stands beside a figure it is the median of so many. Shapes are vocabulary/hidden/layers/heads.`,
    "",
    ...warm(results),
    "",
    "## Agreement",
    "",
    "The largest absolute difference from Hugging Face's implementation over everything that was asked for, or over the logits alone where that is said; above 0.01 it is called wrong.",
    "",
    ...agreement(results),
    "",
    "## Cold starts",
    "",
    `A fresh browser and an empty cache, localhost; 16 tokens, full trace; medians of ${settings.starts}, and the largest difference of all starts.`,
    "",
    ...coldTable(results),
    "",
    ...downloadTable(results),
    "",
    "## Growth",
    "",
    `Full trace, on a curve a + b·n + c·n² over the length n (the page's models), a + b·n over the number of layers (64 tokens). No step: no point lies further than ${percent(NO_STEP)} from its curve. Nothing quadratic but attention: by the GPU's clock, all kernels but attention's take no more than ${percent(NOT_QUADRATIC - 1)} longer for a token at the greatest length than at the least; where no clock tells kernels apart, as on the CPU, that is not measured, and over the layers, where the curve is a straight line, it is not asked.`,
    "",
    ...growthTable(results),
    "",
  ].join("\n");
}

/** What README.md shows. */
export function short(results) {
  const { cells, settings } = results;
  const shown = cells.filter(({ mode, tokens, task }) => mode === "trace" && (task === "decode" || tokens === 16));
  const ids = ["cloze-webgpu", "ort-webgpu", "cloze-cpu", "ort-wasm-1"];
  const all = targets(results);
  const met = all.filter((target) => target.met).length;
  const compared = [...cells, ...results.cold].map(({ engines }) => Object.values(engines)).filter((figures) => figures.some(({ differences }) => differences));
  const wrong = compared.filter((figures) => figures.some((figure) => figure.wrong)).length;
  return [
    "### Beside onnxruntime-web",
    "",
    `${machineLine(results)} Medians of ${settings.runs} or more, of fewer where n stands, in ms ([all of them](benches/results/peers.md), [how](benches/peers/README.md)).${missing(results)}`,
    "",
    ...head("ms; full trace: logits, attention, hidden states", ...ids.map((id) => ENGINES[id].label)),
    ...shown.map((cell) => row(cell.label.replace(", full trace", ""), ...ids.map((id) => time(cell, id, settings.runs)))),
    "",
    ...targetTable(results),
    "",
    `${met === all.length ? `All ${met} targets are met` : `${met} of ${all.length} targets are met`}. ${wrong === 0 ? "All engines' numbers agree with the reference." : `In ${wrong} of ${compared.length} comparisons an engine's numbers are wrong; the table says whose.`}`,
    "",
    "![Time of each engine for each model](benches/results/peers.svg)",
    ...(results.growth.length > 0 ? ["", "![How time grows with length and layers](benches/results/growth.svg)"] : []),
  ].join("\n");
}
