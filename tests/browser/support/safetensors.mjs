// Reads f32 tensors of a safetensors file: 8 bytes with the header's length, the header as JSON, the values.

import { readFile } from "node:fs/promises";

/** @returns {Promise<Map<string, {shape: number[], data: Float32Array}>>} */
export async function readTensors(path) {
  const file = await readFile(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(file.subarray(8, start).toString("utf8"));
  return new Map(
    Object.entries(tensors).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      if (dtype !== "F32") throw new Error(`${name} is ${dtype}; the references are F32`);
      // A copy, since a Float32Array must begin at a multiple of four.
      const bytes = new Uint8Array(file.subarray(start + from, start + to));
      return [name, { shape, data: new Float32Array(bytes.buffer) }];
    }),
  );
}
