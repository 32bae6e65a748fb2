// What is aimed at, and whether the figures reach it. Everything here is computed from the results.

/**
 * Each target: `asked` is how many times as fast Cloze is to be as the peer, `in` gives the measurements it is about,
 * and `ms` what is compared in them.
 */
const TARGETS = [
  { name: "WebGPU, full trace", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 4, in: forward("trace") },
  { name: "WebGPU, logits", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 2, in: forward("logits") },
  { name: "WebGPU, tokens decoded a second", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: decoding },
  { name: "WebGPU, from navigation to the first result", cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: cold, ms: ({ totalMs }) => totalMs },
  {
    name: "WebGPU, first run, loading and pipelines included",
    cloze: "cloze-webgpu", peer: "ort-webgpu", asked: 8, in: cold, ms: ({ loadMs, firstRunMs }) => loadMs + firstRunMs,
  },
  { name: "CPU against WASM with 1 thread, full trace, decoding included", cloze: "cloze-cpu", peer: "ort-wasm-1", asked: 1, in: everyTrace },
];

/**
 * @returns {{name, asked, peer, ratios: {cell: string, ratio: number | null, met: boolean, peerWrong: boolean}[], met: boolean}[]}
 * `ratio` is null where either side has no figure; that is not met.
 */
export function targets(results) {
  return TARGETS.map(({ name, cloze, peer, asked, in: measurements, ms = ({ wallMs }) => wallMs }) => {
    const ratios = measurements(results).map(({ label, engines }) => {
      const [ours, theirs] = [engines[cloze], engines[peer]];
      const ratio = ours?.error || theirs?.error || !ours || !theirs || ours.wrong ? null : ms(theirs) / ms(ours);
      return { cell: label, ratio, met: ratio !== null && ratio >= asked, peerWrong: theirs?.wrong === true };
    });
    // What was not measured is not met.
    const whole = (results.missing ?? []).length === 0;
    return { name, cloze, peer, asked, ratios, met: whole && ratios.length > 0 && ratios.every(({ met }) => met) };
  });
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
