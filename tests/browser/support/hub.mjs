// A stand-in for the Hugging Face hub: listings, redirects, ranges, tags and hashes, and everything that can go wrong.
// https://huggingface.co/docs/hub/api

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";

/** Bytes that are written at once. */
const PIECE = 64 * 1024;

const hash = (algorithm, bytes) => createHash(algorithm).update(bytes).digest("hex");

/**
 * Starts a hub on a free port.
 *
 * - `put(name, files)` puts a repository there, or its next commit; `files` gives bytes by name
 * - `requests` lists what was asked for: `{method, file, from, sent}`, by the file's name (`"api"` for a listing), the
 *   first byte that was asked for, and how many were sent
 * - `faults` is a list of functions over `{file, from, bytes, request, response, send}`. The first that does not answer
 *   `undefined` has answered the request itself, and is taken off the list unless it answers `"again"`
 * - `plain` leaves the listings out, as a server does that has the files and no more
 */
export async function startHub({ plain = false } = {}) {
  const repositories = new Map();
  const requests = [];
  const hub = { requests, faults: [], cors: true, open: 0, most: 0, ...{ put, sent, close } };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  });

  function put(name, files) {
    const commit = hash("sha1", Buffer.concat([Buffer.from(name), ...Object.values(files).map((bytes) => Buffer.from(bytes))]));
    repositories.set(name, { commit, files: new Map(Object.entries(files).map(([file, bytes]) => [file, Buffer.from(bytes)])) });
    return commit;
  }

  /** Bytes of a file that were sent since `requests` was emptied. */
  function sent(file) {
    return requests.filter((request) => request.file === file).reduce((sum, request) => sum + request.sent, 0);
  }

  function close() {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  }

  async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    if (hub.cors) {
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("access-control-expose-headers", "ETag, Content-Range, Retry-After");
    }
    const [, listed, revision] = /^\/api\/models\/(.+?)\/revision\/(.+)$/.exec(path) ?? [];
    if (listed) {
      const entry = { method: request.method, file: "api", from: 0, sent: 0 };
      requests.push(entry);
      const repository = repositories.get(listed);
      if (plain || !repository) return response.writeHead(plain ? 404 : 401).end("no listing");
      if (await spoiled({ file: "api", from: 0, request, response })) return;
      if (![repository.commit, "main"].includes(revision)) return response.writeHead(404).end("no such revision");
      const siblings = [...repository.files].map(([rfilename, bytes]) => ({
        rfilename,
        size: bytes.length,
        ...(bytes.length > 4096 && { lfs: { sha256: hash("sha256", bytes), size: bytes.length } }),
      }));
      const text = JSON.stringify({ id: listed, sha: repository.commit, siblings });
      return response.writeHead(200, { "content-type": "application/json" }).end(text);
    }
    // As the hub does: the files are elsewhere.
    const [, name, , file] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (name) return response.writeHead(302, { location: `/store/${name}/${file}` }).end();
    const stored = /^\/store\/(.+)\/([^/]+)$/.exec(path) ?? [];
    const bytes = repositories.get(stored[1])?.files.get(stored[2]);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const entry = { method: request.method, file: stored[2], from, sent: 0, range: request.headers.range };
    requests.push(entry);
    const send = sender(entry, request, response);
    if (await spoiled({ file: stored[2], from, bytes, request, response, send })) return;
    if (!bytes) return response.writeHead(404, { "content-type": "text/plain" }).end("Entry not found");
    await send(bytes);
  }

  async function spoiled(asked) {
    for (const fault of hub.faults) {
      const outcome = await fault(asked);
      if (outcome === undefined) continue;
      if (outcome !== "again") hub.faults.splice(hub.faults.indexOf(fault), 1);
      return true;
    }
    return false;
  }

  /**
   * Sends a file as a good server does: from the byte that was asked for, with a tag. `upTo` breaks the line there;
   * `rest` is the time between two pieces in ms; `ranges: false` sends all of it, `headers` come on top.
   */
  const sender =
    (entry, request, response) =>
    async (bytes, { upTo = bytes.length, rest = 0, ranges = true, headers = {} } = {}) => {
      const from = ranges ? entry.from : 0;
      const tag = { etag: `"${hash("sha1", bytes)}"` };
      const kind = { "content-type": entry.file.endsWith(".json") ? "application/json" : "application/octet-stream" };
      if (from >= bytes.length && from > 0) {
        return response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
      }
      const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
      const partial = ranges && entry.range !== undefined;
      response.writeHead(partial ? 206 : 200, {
        ...kind,
        ...tag,
        ...(partial && range),
        "content-length": bytes.length - from,
        ...headers,
      });
      if (request.method === "HEAD") return response.end();
      hub.open += entry.file.endsWith(".safetensors") ? 1 : 0;
      hub.most = Math.max(hub.most, hub.open);
      async function* pieces() {
        for (let at = from; at < Math.min(upTo, bytes.length); at += PIECE) {
          const piece = bytes.subarray(at, Math.min(at + PIECE, upTo));
          entry.sent += piece.length;
          yield piece;
          if (rest > 0) await setTimeout(rest);
        }
        // What was written must have left before the line breaks.
        if (upTo < bytes.length) await setTimeout(100);
      }
      try {
        await pipeline(Readable.from(pieces(), { highWaterMark: 1 }), response, { end: upTo >= bytes.length });
        if (upTo < bytes.length) response.destroy();
      } catch (error) {
        // Whoever asked may have gone.
        if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
      } finally {
        hub.open -= entry.file.endsWith(".safetensors") ? 1 : 0;
      }
    };

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A test that fails before it closes its hub must not keep the others waiting.
  server.unref();
  hub.origin = `http://localhost:${server.address().port}`;
  return hub;
}
