// A GPT-2 of any size with random weights, made on the fly.

/** The bytes of `config.json` and `model.safetensors`, in single precision, and the length of the largest tensor. */
export function randomGpt({ vocabulary, hidden, layers, heads, positions }) {
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
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [length, length + bytes] };
    length += bytes;
    largest = Math.max(largest, bytes);
  }
  // The values begin at a multiple of four, so that they can be written as numbers.
  let json = JSON.stringify(header);
  json += " ".repeat((4 - (json.length % 4)) % 4);
  const weights = Buffer.alloc(8 + json.length + length);
  weights.writeBigUInt64LE(BigInt(json.length));
  weights.write(json, 8);
  const values = new Float32Array(weights.buffer, weights.byteOffset + 8 + json.length, length / 4);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * 0.05;
  }
  const config = JSON.stringify({
    model_type: "gpt2",
    vocab_size: vocabulary,
    n_embd: hidden,
    n_layer: layers,
    n_head: heads,
    n_positions: positions,
  });
  return { config, weights, largest };
}
