// Cloze as the benchmark asks it, by its own API: see engines.mjs for what every engine answers.

/** The loaded model's sizes. */
let model;

/** Loads the model in `folder`; or, where the page's address names it (`opens`), waits until it can be asked. */
export async function load({ folder, engine, opens }) {
  await until(() => window.cloze !== undefined);
  const { cloze } = window;
  let startedMs = performance.now();
  if (opens) {
    await until(() => cloze.status().engine !== null);
  } else {
    // The page loads a model of its own when it opens, which must not come after the one that is asked for.
    await cloze.ready;
    startedMs = performance.now();
    // A large file would be kept in eight bits otherwise.
    await cloze.load(`url:${folder}`, { engine, weights: "f32" });
  }
  const status = cloze.status();
  if (status.engine !== engine) throw new Error(`the model computes on ${status.engine}: ${status.reasonMessage}`);
  model = status.model;
  return { startedMs, adapter: engine === "webgpu" ? status.adapter : undefined };
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Whether a text was run. */
let ran = false;

/**
 * What was computed of the same text would be used again, and of keys and values also what an earlier one has in common: another
 * text comes in between. The other engines keep nothing.
 */
export async function prepare(task) {
  if (task === "decode") await window.cloze.generate({ text: "?", maxNewTokens: 1, temperature: 0 });
  else if (ran) await window.cloze.run({ text: "?" });
}

export async function forward({ text }, mode) {
  ran = true;
  const hooks = hooksOf(mode);
  const { ms, activations, tokens } = await window.cloze.run({ text, want: Object.values(hooks) });
  return { ms, ids: tokens.map(({ id }) => id), outputs: [named(hooks, activations)] };
}

export async function decode({ text, count }, mode) {
  const hooks = hooksOf(mode);
  const want = Object.values(hooks);
  const steps = await window.cloze.generate({ text, maxNewTokens: count, temperature: 0, want });
  return {
    ms: steps.reduce((sum, step) => sum + step.ms, 0),
    drawn: steps.map(({ token }) => token.id),
    outputs: steps.map(({ activations }) => named(hooks, activations)),
  };
}

/** Milliseconds of each kernel in the last run. */
export async function kernels() {
  const { dispatches } = await window.cloze.kernels();
  const sums = {};
  for (const { kernel, ms } of dispatches) if (ms !== null) sums[kernel] = (sums[kernel] ?? 0) + ms;
  return sums;
}

/** Cloze's name of each output, by the name that it has in the exports. */
function hooksOf(mode) {
  const hooks = { logits: "logits" };
  if (mode === "logits") return hooks;
  const { layers, family } = model;
  for (let layer = 0; layer < layers; layer++) {
    hooks[`attentions.${layer}`] = `blocks.${layer}.attn.hook_pattern`;
    hooks[`hidden.${layer}`] = `blocks.${layer}.hook_resid_pre`;
  }
  // The last hidden state of GPT-2 is the normalised one.
  hooks[`hidden.${layers}`] = family === "bert" ? `blocks.${layers - 1}.hook_resid_post` : "ln_final.hook_normalized";
  return hooks;
}

function named(hooks, activations) {
  return Object.fromEntries(Object.entries(hooks).map(([name, hook]) => [name, activations[hook].data]));
}
