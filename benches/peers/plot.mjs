// The results as SVG. Drawn on paper of their own, so that they are read on light and dark pages alike.

import { ENGINES } from "./engines.mjs";
import { fit } from "./growth.mjs";
import { ms, perUnit } from "./table.mjs";

const INK = "#26302c";
const FAINT = "#d9d6cb";
const GPU = "#1f5fa8";
const CPU = "#b3540c";

/** Cloze is filled, the peer is hollow; colour says where it computes, and shape says it again. */
const MARKS = {
  "cloze-webgpu": { colour: GPU, filled: true, path: circle },
  "cloze-cpu": { colour: CPU, filled: true, path: diamond },
  "ort-webgpu": { colour: GPU, filled: false, path: circle },
  "ort-wasm-1": { colour: CPU, filled: false, path: diamond },
  "ort-wasm-2": { colour: CPU, filled: false, path: triangle },
};

function circle(x, y) {
  return `M${x - 5},${y}a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z`;
}

function diamond(x, y) {
  return `M${x},${y - 6}l6,6l-6,6l-6,-6z`;
}

function triangle(x, y) {
  return `M${x},${y - 6}l6,10.5h-12z`;
}

const text = (x, y, words, more = "") => `<text x="${x}" y="${y}" ${more}>${String(words).replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
const line = (x1, y1, x2, y2, colour = FAINT, more = "") =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" ${more}/>`;

function mark(id, x, y) {
  const { colour, filled, path } = MARKS[id];
  return `<path d="${path(round(x), round(y))}" fill="${filled ? colour : "#fbfaf5"}" stroke="${colour}" stroke-width="2"/>`;
}

const round = (value) => Math.round(value * 10) / 10;

function document(width, height, title, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="${INK}" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="#fbfaf5"/>`,
    ...parts.flat(Infinity),
    "</svg>",
    "",
  ].join("\n");
}

/** Every cell's times as marks on one logarithmic axis. */
export function comparison({ cells }) {
  const [left, right, top, step] = [390, 34, 76, 24];
  const width = 960;
  const all = cells.flatMap((cell) => Object.values(cell.engines).flatMap(({ wallMs }) => (wallMs ? [perUnit(cell, wallMs)] : [])));
  const [low, high] = [Math.floor(Math.log10(Math.min(...all))), Math.ceil(Math.log10(Math.max(...all)))];
  const x = (time) => left + ((Math.log10(time) - low) / Math.max(high - low, 1)) * (width - left - right);
  const bottom = top + cells.length * step;
  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const axis = decades.map((time) => [
    line(x(time), top - 8, x(time), bottom),
    text(x(time), bottom + 18, time >= 1000 ? `${time / 1000} s` : `${time} ms`, 'text-anchor="middle"'),
  ]);
  const rows = cells.map((cell, i) => {
    const y = top + i * step + step / 2;
    const figures = Object.entries(cell.engines).filter(([, { wallMs }]) => wallMs);
    const at = Object.fromEntries(figures.map(([id, { wallMs }]) => [id, x(perUnit(cell, wallMs))]));
    const span = "cloze-webgpu" in at && "ort-webgpu" in at ? line(at["cloze-webgpu"], y, at["ort-webgpu"], y, GPU, 'stroke-opacity="0.35" stroke-width="2"') : "";
    const wrong = figures.filter(([, figure]) => figure.wrong).map(([id]) => text(at[id] + 9, y + 4, "wrong", 'font-size="11"'));
    const names = text(left - 14, y + 4, `${cell.label}${cell.task === "decode" ? ", a token" : ""}`, 'text-anchor="end"');
    return [i > 0 && cells[i - 1].shape !== cell.shape ? line(20, y - step / 2, width - right, y - step / 2) : "", names, span, figures.map(([id]) => mark(id, at[id], y)), wrong];
  });
  return document(width, bottom + 34, "Time of each engine for each model, in milliseconds", [
    text(20, 28, "Time of a warm run; less is better, each line to the left is a tenth", 'font-weight="600" font-size="15"'),
    legend(Object.keys(ENGINES).map((id) => [mark(id, 0, 0), ENGINES[id].label]), 50),
    axis,
    rows,
  ]);
}

/** Marks with their words, side by side. */
function legend(entries, y) {
  let x = 28;
  return entries.map(([sign, words]) => {
    const entry = `<g transform="translate(${x},${y})">${sign}${text(11, 4.5, words)}</g>`;
    x += 42 + words.length * 6.9;
    return entry;
  });
}

/** Time against length and against layers, on each engine: points, and the curve that fits them. */
export function curves({ growth }) {
  const [width, height, cell, inner] = [960, 690, { width: 460, height: 310 }, { left: 62, right: 22, top: 44, bottom: 44 }];
  const panels = ["cloze-cpu", "cloze-webgpu"].flatMap((engine, row) =>
    ["tokens", "layers"].map((of, column) => {
      const shown = growth.filter((curve) => curve.engine === engine && curve.of === of);
      const origin = { x: 10 + column * (cell.width + 20), y: 62 + row * cell.height };
      return shown.length ? panel(shown, `${ENGINES[engine].label}: time against ${of}`, origin, cell, inner) : [];
    }),
  );
  return document(width, height, "How the time of a run grows", [
    text(20, 28, "How the time of a warm run with full trace grows", 'font-weight="600" font-size="15"'),
    legend(Object.keys(FAMILIES).map((family) => [point(family, 0, 0), family.toUpperCase()]), 48),
    text(200, 52.5, "lines: a + b·n + c·n² over tokens, a + b·n over layers"),
    panels,
  ]);
}

const FAMILIES = { bert: { colour: "#7a3e9d", path: circle }, gpt: { colour: "#0f7b5f", path: diamond } };

function point(family, x, y) {
  const { colour, path } = FAMILIES[family];
  return `<path d="${path(round(x), round(y))}" fill="${colour}"/>`;
}

function panel(shown, title, origin, { width, height }, { left, right, top, bottom }) {
  const all = shown.flatMap(({ points }) => points);
  const [most, slowest] = [Math.max(...all.map((one) => one.x)), Math.max(...all.map((one) => one.ms))];
  const unit = niceStep(slowest / 4);
  const ceiling = Math.ceil(slowest / unit) * unit;
  const x = (value) => round(origin.x + left + (value / most) * (width - left - right));
  const y = (value) => round(origin.y + height - bottom - (value / ceiling) * (height - top - bottom));
  const ticks = Array.from({ length: Math.round(ceiling / unit) + 1 }, (_, i) => i * unit);
  const places = [...new Set(shown.flatMap(({ points }) => points.map((one) => one.x)))].sort((a, b) => a - b);
  const lines = shown.map((curve) => {
    const { coefficients } = fit(curve);
    const at = (value) => coefficients.reduce((sum, coefficient, power) => sum + coefficient * value ** power, 0);
    const from = curve.points[0].x;
    const path = Array.from({ length: 41 }, (_, i) => from + ((most - from) * i) / 40).map((value) => `${x(value)},${y(at(value))}`);
    const { colour } = FAMILIES[curve.family];
    return [`<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`, curve.points.map((one) => point(curve.family, x(one.x), y(one.ms)))];
  });
  return [
    text(origin.x + left, origin.y + 26, title, 'font-weight="600"'),
    ticks.map((tick) => [line(x(0), y(tick), x(most), y(tick)), text(x(0) - 8, y(tick) + 4, `${tick === 0 ? 0 : ms(tick).replace(/\.0+$/, "")} ms`, 'text-anchor="end" font-size="11"')]),
    places.filter((place, i) => i === 0 || x(place) - x(places[i - 1]) > 16).map((place) => text(x(place), y(0) + 18, place, 'text-anchor="middle" font-size="11"')),
    lines,
  ];
}

/** The smallest of 1, 2, 5, 10, 20, … that is not below `value`. */
function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value);
}
