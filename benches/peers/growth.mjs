// How Cloze's time grows with the length of the text and with the number of layers, on both of its engines.

import { cell, open } from "./engines.mjs";
import { median } from "../../tests/browser/support/results.mjs";

/** How often the GPU's clock is asked, of each length in turn; the shortest time of a kernel counts. */
const CLOCKED = 5;

/**
 * Times full-trace runs; what is on one curve is interleaved, repetition by repetition.
 * @returns {Promise<{engine, family, of: "tokens" | "layers", points: {x: number, ms: number, kernels?: Record<string, number>}[]}[]>}
 * `kernels`, of WebGPU and over the length: each kernel's milliseconds by the GPU's own clock
 */
export async function growth(browser, origin, { shapes, checkpoints, settings, runs, warmUps }) {
  const curves = [];
  for (const engine of ["cloze-cpu", "cloze-webgpu"]) {
    for (const family of ["bert", "gpt"]) {
      const own = shapes.find((shape) => shape.family === family);
      const lengths = settings.lengths.map((x) => ({ x, shape: own, asked: cell(own, "forward", "trace", x) }));
      const depths = checkpoints
        .filter((checkpoint) => checkpoint.family === family)
        .map((shape) => ({ x: shape.sizes.layers, shape, asked: cell(shape, "forward", "trace", settings.tokens) }));
      for (const [of, asked] of Object.entries({ tokens: lengths, layers: depths })) {
        curves.push({ engine, family, of, points: await times(browser, origin, engine, asked, { runs, warmUps }) });
      }
    }
  }
  return curves;
}

async function times(browser, origin, engine, asked, { runs, warmUps }) {
  const pages = new Map();
  for (const { shape } of asked) {
    if (!pages.has(shape)) pages.set(shape, await open(browser, origin, engine, { ...shape, task: "forward", mode: "trace" }));
  }
  const taken = asked.map(() => []);
  for (let run = -warmUps; run < runs; run++) {
    for (const [i, { shape, asked: question }] of asked.entries()) {
      const { wallMs } = await pages.get(shape).time(question);
      if (run >= 0) taken[i].push(wallMs);
    }
  }
  const points = asked.map(({ x }, i) => ({ x, ms: median(taken[i]) }));
  if (engine === "cloze-webgpu" && pages.size === 1) {
    for (let run = 0; run < CLOCKED; run++) {
      for (const [i, { shape, asked: question }] of asked.entries()) {
        const { kernels } = await pages.get(shape).kernels(question);
        points[i].kernels = shorter(points[i].kernels, kernels);
      }
    }
  }
  for (const page of pages.values()) await page.close();
  return points;
}

/** Of each kernel the shorter of two times, where it was clocked twice. */
const shorter = (known = {}, now) => Object.fromEntries(Object.entries(now).map(([kernel, ms]) => [kernel, Math.min(known[kernel] ?? Infinity, ms)]));

/**
 * The curve that fits best: a + b·x + c·x² over the length, where c ≥ 0 is attention's; a + b·x over the layers.
 * @returns {{coefficients: number[], furthest: number, share: number}} `furthest` is how far the points lie from it at
 * most, `share` how much of it the last term is at the last point, both as parts of the time
 */
export function fit({ of, points }) {
  const degree = of === "tokens" ? 2 : 1;
  let coefficients = leastSquares(points, degree);
  if (degree === 2 && coefficients[2] < 0) coefficients = [...leastSquares(points, 1), 0];
  const at = (x) => coefficients.reduce((sum, coefficient, power) => sum + coefficient * x ** power, 0);
  const last = points.at(-1).x;
  return {
    coefficients,
    furthest: Math.max(...points.map(({ x, ms }) => Math.abs(ms - at(x)) / at(x))),
    share: (coefficients.at(-1) * last ** degree) / at(last),
  };
}

/** Polynomial coefficients, lowest first: each point weighs by what it deviates relative to its time. */
function leastSquares(points, degree) {
  const size = Math.min(degree, points.length - 1) + 1;
  const rows = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (_, j) => points.reduce((sum, { x, ms }) => sum + x ** (i + j) / ms ** 2, 0)),
    points.reduce((sum, { x, ms }) => sum + x ** i / ms, 0),
  ]);
  // Gauss–Jordan; the matrix is positive definite, so no pivot is zero.
  for (let i = 0; i < size; i++) {
    rows[i] = rows[i].map((value) => value / rows[i][i]);
    for (let j = 0; j < size; j++) if (j !== i) rows[j] = rows[j].map((value, k) => value - rows[j][i] * rows[i][k]);
  }
  return Array.from({ length: degree + 1 }, (_, i) => rows[i]?.[size] ?? 0);
}

/** How much of a forward pass's multiplications attention's two products are: what is quadratic in it by nature. */
export function attentionShare({ vocabulary, hidden, layers }, tokens) {
  const attention = layers * 4 * tokens ** 2 * hidden;
  return attention / (attention + layers * 24 * tokens * hidden ** 2 + 2 * tokens * hidden * vocabulary);
}
