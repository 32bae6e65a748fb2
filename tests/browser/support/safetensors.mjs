// Reads f32 tensors of a safetensors file: 8 bytes with the header's length, the header as JSON, the values.
// `parseTensors` runs in pages too.

/** @returns {Promise<Map<string, {shape: number[], data: Float32Array}>>} */
export async function readTensors(path) {
  const { readFile } = await import("node:fs/promises");
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return parseTensors(buffer.slice(byteOffset, byteOffset + byteLength));
}

/**
 * @param {ArrayBuffer} file
 * @returns {Map<string, {shape: number[], data: Float32Array}>}
 */
export function parseTensors(file) {
  const start = 8 + Number(new DataView(file).getBigUint64(0, true));
  const { __metadata__, ...tensors } = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, start - 8)));
  return new Map(
    Object.entries(tensors).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      if (dtype !== "F32") throw new Error(`${name} is ${dtype}; the references are F32`);
      // A copy, since a Float32Array must begin at a multiple of four.
      return [name, { shape, data: new Float32Array(file.slice(start + from, start + to)) }];
    }),
  );
}
