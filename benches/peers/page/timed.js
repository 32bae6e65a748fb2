// One question to the engine of this page, timed, and what it answered compared with the reference.

import { parseTensors } from "/support/safetensors.mjs";

/**
 * Milliseconds from the question to the answer in the page (`wallMs`), by the engine's own clock (`ownMs`), and from navigation to
 * the answer (`sinceNavigationMs`).
 */
export async function time(engine, { task, mode, input }) {
  return (await asked(engine, task, mode, input)).times;
}

/**
 * The same, and how the answer differs from the reference: the largest absolute differences of the logits, the attention
 * probabilities and the hidden states, over everything that was asked for; `values` is how many numbers were delivered, and `agree`
 * how many of the drawn tokens are those of the reference; where one is another, `differences.drawn` is how far its score lies below
 * the best. Of all this nothing counts as time.
 */
export async function check(engine, { task, mode, input, reference }) {
  const { times, answer } = await asked(engine, task, mode, input);
  const response = await fetch(reference);
  if (!response.ok) throw new Error(`${reference}: ${response.status}`);
  const expected = parseTensors(await response.arrayBuffer());
  if (answer.ids && String(answer.ids) !== String(input.ids)) throw new Error("the text became other tokens");
  const values = answer.outputs.flatMap(Object.values).reduce((sum, { length }) => sum + length, 0);
  const found = task === "decode" ? decoded(expected, mode, input, answer) : { differences: computed(expected, mode, answer.outputs[0]) };
  if (Object.keys(found.differences).length === 0) throw new Error("nothing was compared");
  return { ...times, values, ...found };
}

/** The same question once more: how long each of the GPU's kernels took for it, by the GPU's clock; nothing where it has none. */
export async function kernels(engine, { task, mode, input }) {
  await asked(engine, task, mode, input);
  return { kernels: await engine.kernels() };
}

async function asked(engine, task, mode, input) {
  await engine.prepare(task);
  const start = performance.now();
  const answer = await engine[task](input, mode);
  const end = performance.now();
  // Who draws fewer tokens is not faster.
  if (task === "decode" && answer.drawn.length !== input.count) throw new Error(`${answer.drawn.length} of ${input.count} tokens were drawn`);
  return { times: { wallMs: end - start, ownMs: answer.ms, sinceNavigationMs: end }, answer };
}

/** Adds to the largest `differences`, by kind, those of one forward pass. What was asked for and did not come is an error. */
function computed(expected, mode, outputs, differences = {}) {
  const wanted = new Set(mode === "trace" ? expected.keys() : ["logits"]);
  const other = [...wanted.symmetricDifference(new Set(Object.keys(outputs)))];
  if (other.length > 0) throw new Error(`the answer and what was asked for differ in ${other.join(", ")}`);
  for (const name of wanted) {
    const kind = name.split(".")[0];
    differences[kind] = Math.max(differences[kind] ?? 0, difference(expected.get(name).data, outputs[name]));
  }
  return differences;
}

/** Step by step, as long as the same tokens were drawn: after another one, other numbers are right. */
function decoded(expected, mode, input, { drawn, outputs }) {
  const other = input.drawn.findIndex((id, step) => drawn[step] !== id);
  const agree = other < 0 ? input.drawn.length : other;
  const differences = {};
  for (let step = 0; step < Math.min(agree + 1, input.drawn.length); step++) computed(ofStep(expected, step), mode, outputs[step], differences);
  if (other >= 0) {
    // Another token is right only where its score is as good as the best: the steps after it are not compared.
    const { data } = expected.get(`${other}.logits`);
    differences.drawn = data[input.drawn[other]] - data[drawn[other]];
  }
  return { agree, differences };
}

/** What the reference of decoding has of one step. */
function ofStep(expected, step) {
  const before = `${step}.`;
  return new Map([...expected].flatMap(([name, tensor]) => (name.startsWith(before) ? [[name.slice(before.length), tensor]] : [])));
}

/** The largest absolute difference; infinite where a number is missing or none. */
function difference(expected, values) {
  if (expected.length !== values.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(expected[i] - values[i]);
    if (!(off <= largest)) largest = Number.isNaN(off) ? Infinity : off;
  }
  return largest;
}
