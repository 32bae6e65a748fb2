// Reads safetensors files: 8 bytes with the header's length, the header as JSON, the values. It runs in pages too.

/** @returns {Promise<Map<string, {shape: number[], data: Float32Array}>>} the tensors of a file of f32 */
export async function readTensors(path) {
  const { readFile } = await import("node:fs/promises");
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return parseTensors(buffer.slice(byteOffset, byteOffset + byteLength));
}

/**
 * @param {ArrayBuffer} file of f32
 * @returns {Map<string, {shape: number[], data: Float32Array}>}
 */
export function parseTensors(file) {
  const { tensors } = parse(file);
  return new Map(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      if (dtype !== "F32") throw new Error(`${name} is ${dtype}; the references are F32`);
      return [name, { shape, data: new Float32Array(bytes) }];
    }),
  );
}

/**
 * @param {ArrayBuffer} file
 * @returns {{metadata: Record<string, string>, tensors: Record<string, {dtype: string, shape: number[], bytes: ArrayBuffer}>}}
 */
export function parse(file) {
  const start = 8 + Number(new DataView(file).getBigUint64(0, true));
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, start - 8)));
  const tensors = Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => [
    name,
    // A copy, since an array of numbers must begin at a multiple of four.
    { dtype, shape, bytes: file.slice(start + from, start + to) },
  ]);
  return { metadata: __metadata__ ?? {}, tensors: Object.fromEntries(tensors) };
}
