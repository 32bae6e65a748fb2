// A GPT-2 of any size, made on the fly.

/**
 * The bytes of `config.json`, of the beginning of `model.safetensors` up to its values, how many bytes these would take, and how
 * many the largest tensor.
 */
export function gptShape({ vocabulary, hidden, layers, heads, positions }, { dtype = "F32", size = 4 } = {}) {
  const tensors = [
    ["wte.weight", [vocabulary, hidden]],
    ["wpe.weight", [positions, hidden]],
    ["ln_f.weight", [hidden]],
    ["ln_f.bias", [hidden]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const norm of ["ln_1", "ln_2"]) {
      tensors.push([`h.${layer}.${norm}.weight`, [hidden]], [`h.${layer}.${norm}.bias`, [hidden]]);
    }
    for (const [map, inputs, outputs] of [
      ["attn.c_attn", hidden, 3 * hidden],
      ["attn.c_proj", hidden, hidden],
      ["mlp.c_fc", hidden, 4 * hidden],
      ["mlp.c_proj", 4 * hidden, hidden],
    ]) {
      tensors.push([`h.${layer}.${map}.weight`, [inputs, outputs]], [`h.${layer}.${map}.bias`, [outputs]]);
    }
  }
  const header = {};
  let length = 0;
  let largest = 0;
  for (const [name, shape] of tensors) {
    const bytes = shape.reduce((product, count) => product * count, size);
    header[name] = { dtype, shape, data_offsets: [length, length + bytes] };
    length += bytes;
    largest = Math.max(largest, bytes);
  }
  // The values begin at a multiple of four, so that they can be written as numbers.
  let json = JSON.stringify(header);
  json += " ".repeat((4 - (json.length % 4)) % 4);
  const beginning = Buffer.alloc(8 + json.length);
  beginning.writeBigUInt64LE(BigInt(json.length));
  beginning.write(json, 8);
  const config = JSON.stringify({
    model_type: "gpt2",
    vocab_size: vocabulary,
    n_embd: hidden,
    n_layer: layers,
    n_head: heads,
    n_positions: positions,
  });
  return { config, beginning, length, largest };
}

/** The bytes of `config.json` and of `model.safetensors` with random weights in single precision; the length of the largest tensor. */
export function randomGpt(shape) {
  const { config, beginning, length, largest } = gptShape(shape);
  const weights = Buffer.alloc(beginning.length + length);
  beginning.copy(weights);
  const values = new Float32Array(weights.buffer, weights.byteOffset + beginning.length, length / 4);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * 0.05;
  }
  return { config, weights, largest };
}
