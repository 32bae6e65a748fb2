// Where should the browser keep models: in its private file system (OPFS) or in its cache of answers (Cache API)?
// `node benches/storage/measure.mjs` writes and reads a model's bytes both ways in headless Chromium, in a worker, taking
// turns, and prints medians: in a profile on disk, as a reader has it, and in a private window, which keeps it all in memory.
// ARCHITECTURE.md says what was chosen.

import { cpus } from "node:os";

import { launch, launchProfile, newPage } from "../../tests/browser/support/browser.mjs";
import { serve } from "../../tests/browser/support/server.mjs";

const MIB = 2 ** 20;
const SIZE = 128 * MIB;
const TURNS = 7;

/** Runs in the worker: each way writes pieces as they arrive and reads them again, and tells how long both took in ms. */
const worker = `
  const piece = new Uint8Array(${MIB}).map((_, i) => i * 31);
  const pieces = (size) => {
    let left = size / piece.length;
    return new ReadableStream({ pull: (control) => (left-- > 0 ? control.enqueue(piece.slice()) : control.close()) });
  };
  const read = async (stream) => {
    let bytes = 0;
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes;
      bytes += value.length;
    }
  };
  const ways = {
    async opfs(size) {
      const folder = await navigator.storage.getDirectory();
      const file = await folder.getFileHandle("model", { create: true });
      const start = performance.now();
      const access = await file.createSyncAccessHandle();
      access.truncate(0);
      let at = 0;
      for (const reader = pieces(size).getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        at += access.write(value, { at });
      }
      access.close();
      const written = performance.now();
      const bytes = await read((await file.getFile()).stream());
      const end = performance.now();
      await folder.removeEntry("model");
      return { bytes, write: written - start, read: end - written };
    },
    async cache(size) {
      const cache = await caches.open("models");
      const start = performance.now();
      await cache.put("/model", new Response(pieces(size)));
      const written = performance.now();
      const bytes = await read((await cache.match("/model")).body);
      const end = performance.now();
      await caches.delete("models");
      return { bytes, write: written - start, read: end - written };
    },
  };
  onmessage = async ({ data: [way, size] }) => postMessage(await ways[way](size));
`;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const server = await serve({ made: { "/storage.js": Buffer.from(worker) } });
console.log(`${SIZE / MIB} MiB in pieces of 1 MiB, median of ${TURNS}, ${cpus().length} cores of ${cpus()[0].model}`);
try {
  await measure("profile on disk", await launchProfile());
  await measure("private window", await launch());
} finally {
  await server.close();
}

async function measure(where, browser) {
  const { page } = await newPage(browser);
  await page.goto(`${server.origin}/blank`);
  const turn = (way) =>
    page.evaluate(
      ([way, size]) =>
        new Promise((resolve, reject) => {
          globalThis.storage ??= new Worker("/storage.js");
          storage.onmessage = ({ data }) => resolve(data);
          storage.onerror = reject;
          storage.postMessage([way, size]);
        }),
      [way, SIZE],
    );
  const times = { opfs: [], cache: [] };
  for (let index = 0; index <= TURNS; index++) {
    for (const way of Object.keys(times)) {
      const { bytes, ...taken } = await turn(way);
      if (bytes !== SIZE) throw new Error(`${way} gave back ${bytes} of ${SIZE} bytes`);
      // The first turn warms up.
      if (index > 0) times[way].push(taken);
    }
  }
  for (const [way, taken] of Object.entries(times)) {
    const rate = (part) => Math.round((1000 * SIZE) / MIB / median(taken.map((time) => time[part])));
    console.log(`${where}, ${way.padEnd(5)} write ${rate("write")} MiB/s, read ${rate("read")} MiB/s (${browser.version()})`);
  }
  await browser.close();
}
