// One question to the engine of this page, timed, and what it answered compared with the reference.

import { parseTensors } from "/support/safetensors.mjs";

/** Milliseconds from the question to the answer in the page (`wallMs`), and by the engine's own clock (`ownMs`). */
export async function time(engine, { task, mode, input }) {
  return (await asked(engine, task, mode, input)).times;
}

/**
 * The same, and how the answer differs from the reference: the largest absolute difference over the logits, the
 * attention probabilities and the hidden states; `values` is how many numbers were delivered, and `agree` how many
 * of the drawn tokens are those of the reference.
 */
export async function check(engine, { task, mode, input, reference }) {
  const { times, answer } = await asked(engine, task, mode, input);
  const response = await fetch(reference);
  if (!response.ok) throw new Error(`${reference}: ${response.status}`);
  const expected = parseTensors(await response.arrayBuffer());
  if (answer.ids && String(answer.ids) !== String(input.ids)) throw new Error("the text became other tokens");
  const values = answer.outputs.flatMap(Object.values).reduce((sum, { length }) => sum + length, 0);
  const found = task === "decode" ? decoded(expected, input, answer) : { differences: computed(expected, answer.outputs[0]) };
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
  return { times: { wallMs: performance.now() - start, ownMs: answer.ms }, answer };
}

function computed(expected, outputs) {
  const differences = {};
  for (const [name, values] of Object.entries(outputs)) {
    const kind = name.split(".")[0];
    differences[kind] = Math.max(differences[kind] ?? 0, difference(expected.get(name).data, values));
  }
  return differences;
}

/** Step by step, as long as the same tokens were drawn: after another one, other logits are right. */
function decoded(expected, input, { drawn, outputs }) {
  const other = input.drawn.findIndex((id, step) => drawn[step] !== id);
  const agree = other < 0 ? input.drawn.length : other;
  const { shape: [, vocabulary], data } = expected.get("logits");
  const steps = outputs.slice(0, Math.min(agree + 1, outputs.length)).map(({ logits }, step) =>
    difference(data.subarray(step * vocabulary, (step + 1) * vocabulary), logits));
  return { agree, differences: { logits: Math.max(...steps) } };
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
