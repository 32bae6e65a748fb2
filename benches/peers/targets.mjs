// What is aimed at, and whether the figures reach it. Everything here is computed from the results.

import { words } from "./engines.mjs";

/**
 * Each target: `asked` is how many times as fast Cloze is to be as the peer, `in` gives the measurements it is about, `ms` what is
 * compared in them, and `often` how many times the settings have it measured.
 */
const TARGETS = [
  { name: "WebGPU, full trace", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 4, in: forward("trace") },
  { name: "WebGPU, logits", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 2, in: forward("logits") },
  { name: "WebGPU, tokens decoded a second", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: decoding },
  { name: "WebGPU, from navigation to the first result", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: cold, often: ({ starts }) => starts, ms: ({ totalMs }) => totalMs },
  {
    name: "WebGPU, first run, loading and pipelines included",
    cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: cold, often: ({ starts }) => starts,
    ms: ({ loadMs, firstRunMs }) => loadMs + firstRunMs,
  },
  { name: "CPU against WASM with 1 thread, full trace, decoding included", cloze: "cloze-cpu", peer: "ort-wasm-1", asked: 1, in: everyTrace },
];

/**
 * @returns {{name, asked, peer, often: number, ratios: {cell: string, ratio: number | null, met: boolean, seldom: boolean, peerWrong: boolean}[], met: boolean}[]}
 * `ratio` is null where either side has no figure, or Cloze's numbers are wrong; that is not met. `seldom` is what either side did
 * fewer than `often` times.
 */
export function targets(results) {
  return TARGETS.map(({ name, cloze, peer, asked, in: measurements, ms = ({ wallMs }) => wallMs, often: asOften = ({ runs }) => runs }) => {
    const often = asOften(results.settings);
    const ratios = measurements(results).map(({ label, engines }) => {
      const [ours, theirs] = [engines[cloze], engines[peer]];
      const ratio = ours?.error || theirs?.error || !ours || !theirs || ours.wrong ? null : ms(theirs) / ms(ours);
      const seldom = ours?.n < often || theirs?.n < often;
      return { cell: label, ratio, met: ratio !== null && ratio >= asked, seldom, peerWrong: theirs?.wrong === true };
    });
    // What was not measured is not met.
    const whole = (results.missing ?? []).length === 0;
    return { name, cloze, peer, asked, often, ratios, met: whole && ratios.length > 0 && ratios.every(({ met }) => met) };
  });
}

/** What of shapes.json has no figure yet of an engine that a target is about: shapes, or cells and cold starts of them, and growth. */
export function missing({ cells, cold, growth }, { shapes, lengths, decode }) {
  const engines = [...new Set(TARGETS.flatMap(({ cloze, peer }) => [cloze, peer]))];
  const measured = (one) => one !== undefined && engines.every((id) => one.engines[id]);
  const ofShape = ({ name, family }) => {
    const runs = [...lengths.map((tokens) => ({ task: "forward", tokens })), ...(family === "gpt" ? [{ task: "decode", tokens: decode.tokens }] : [])];
    const asked = runs.flatMap((run) => ["logits", "trace"].map((mode) => ({ ...run, mode })));
    const is = ({ task, mode, tokens }) => (cell) => cell.shape === name && cell.task === task && cell.mode === mode && cell.tokens === tokens;
    const wanted = [
      { what: "cold starts", found: cold.find(({ shape }) => shape === name) },
      ...asked.map((one) => ({ what: words(one), found: cells.find(is(one)) })),
    ];
    const lacking = wanted.filter(({ found }) => !measured(found)).map(({ what }) => what);
    if (lacking.length === 0) return [];
    return [lacking.length === wanted.length ? name : `${name} (${lacking.join("; ")})`];
  };
  return [...shapes.flatMap(ofShape), ...(growth.length > 0 ? [] : ["growth"])];
}

function forward(mode) {
  return ({ cells }) => cells.filter((cell) => cell.task === "forward" && cell.mode === mode);
}

function decoding({ cells }) {
  return cells.filter((cell) => cell.task === "decode");
}

function everyTrace({ cells }) {
  return cells.filter((cell) => cell.mode === "trace");
}

function cold({ cold }) {
  return cold;
}
