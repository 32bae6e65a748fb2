// What the benchmarks share: medians, the sizes of what is downloaded, and the README's tables.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { ROOT } from "./server.mjs";

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The bytes of files: as they are, by gzip -9 and by brotli at its best. */
export function compressed(files) {
  const sum = { raw: 0, gzip: 0, brotli: 0 };
  for (const bytes of files) {
    sum.raw += bytes.length;
    sum.gzip += gzipSync(bytes, { level: 9 }).length;
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    sum.brotli += brotliCompressSync(bytes, { params }).length;
  }
  return sum;
}

/** Puts `text` into README.md, between the marks `<!-- name: begin -->` and `<!-- name: end -->`. */
export async function writeReadme(name, text) {
  const path = join(ROOT, "README.md");
  const readme = await readFile(path, "utf8");
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
  await writeFile(path, `${readme.slice(0, from + begin.length)}\n${text}\n${readme.slice(to)}`);
}
