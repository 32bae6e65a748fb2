// A file server for the tests: the built page, the checkpoints of the goldens, and servers' misbehaviours.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Bytes that a slow line brings at once. */
const PIECE = 16 * 1024;

/** The repository's root. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".ts": "text/plain; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * What a server can get wrong. A checkpoint's address may begin with `/fault/<name>/`; each fault then spoils the
 * files that it is about and serves the others as they are.
 */
const FAULTS = {
  // Every file is missing.
  "not-found": (response) => answer(response, 404, "text/plain", "not here"),
  // As servers of single-page applications do: a page in the place of whatever is asked for.
  html: (response) => answer(response, 200, "text/html", "<!doctype html><title>Not what you asked for</title>"),
  // The weights end after three quarters, under a length that agrees.
  truncated: async (response, path) => {
    const bytes = await readFile(path);
    const cut = path.endsWith(".safetensors") ? bytes.subarray(0, (bytes.length * 3) >> 2) : bytes;
    answer(response, 200, type(path), cut);
  },
  // The connection breaks in the middle of the weights.
  cut: async (response, path) => {
    const bytes = await readFile(path);
    if (!path.endsWith(".safetensors")) return answer(response, 200, type(path), bytes);
    response.writeHead(200, { "content-type": type(path), "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  },
  // A slow line: the weights come in eight pieces, 50 ms apart.
  trickle: async (response, path) => {
    const bytes = await readFile(path);
    response.writeHead(200, { "content-type": type(path), "content-length": bytes.length });
    const piece = Math.ceil(bytes.length / 8);
    for (let from = 0; from < bytes.length; from += piece) {
      response.write(bytes.subarray(from, from + piece));
      await setTimeout(50);
    }
    response.end();
  },
  // Another architecture, which Cloze does not run.
  "wrong-kind": async (response, path) => {
    if (!path.endsWith("config.json")) return file(response, path);
    const config = { ...JSON.parse(await readFile(path, "utf8")), model_type: "llama" };
    config.architectures = ["LlamaForCausalLM"];
    answer(response, 200, type(path), JSON.stringify(config));
  },
};

/**
 * Serves, on a free port of this machine:
 * - `/` and below: the built page (`dist/`), and the same under `/some/sub/path/`
 * - `/golden/<path>`: `tests/golden/<path>`, where the reference checkpoints lie
 * - `/fault/<name>/<path>`: the same, spoiled (see `FAULTS`)
 * - `/blank`: an empty page; `/frame?<address>`: a page with an iframe of that address
 *
 * `cors` says which origins may read checkpoints (`*` by default; null sends no header). `patch` gives, by file name,
 * a function over the text of a file of the page; `made`, by path, the bytes of a file that lies nowhere; `folders`, by
 * the path that it is served under (`/ort/`), a folder of this machine. `headers` are sent with every answer. `rate` is the
 * speed of the line that weights come over, in bytes a second.
 *
 * @returns {Promise<{origin: string, port: number, requests: string[], close: () => Promise<void>}>} `requests` lists
 * the paths that were asked for, in order.
 */
export async function serve({ cors = "*", patch = {}, made = {}, folders = {}, headers = {}, rate = Infinity } = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    try {
      const { pathname, search } = new URL(request.url, "http://localhost");
      requests.push(pathname);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      await route(decodeURIComponent(pathname), search, response, { cors, patch, made, folders, rate });
    } catch (error) {
      if (!response.headersSent) answer(response, 500, "text/plain", String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A test that fails before it closes its server must not keep the others waiting.
  server.unref();
  const { port } = server.address();
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { origin: `http://localhost:${port}`, port, requests, close };
}

async function route(pathname, search, response, { cors, patch, made, folders, rate }) {
  if (made[pathname]) return answer(response, 200, type(pathname), made[pathname]);
  if (pathname === "/blank") return answer(response, 200, TYPES[".html"], '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Blank</title>');
  if (pathname === "/frame") {
    const address = decodeURIComponent(search.slice(1)).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const frame = `<iframe title="Cloze" width="800" height="450" style="border:0" src="${address}"></iframe>`;
    return answer(response, 200, TYPES[".html"], `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Slide</title>${frame}`);
  }
  const [, fault, rest] = /^\/(?:fault\/([\w-]+)|golden)\/(.+)$/.exec(pathname) ?? [];
  if (rest !== undefined) {
    if (cors !== null) response.setHeader("access-control-allow-origin", cors);
    const path = inside(join(ROOT, "tests/golden"), rest);
    return fault ? FAULTS[fault](response, path) : file(response, path);
  }
  const folder = Object.keys(folders).find((prefix) => pathname.startsWith(prefix));
  if (folder !== undefined) return file(response, inside(folders[folder], pathname.slice(folder.length)));
  const name = pathname.replace(/^\/some\/sub\/path\//, "/").slice(1) || "index.html";
  const path = inside(join(ROOT, "dist"), name);
  if (patch[name]) return answer(response, 200, type(path), patch[name](await readFile(path, "utf8")));
  return path.endsWith(".safetensors") && rate < Infinity ? slowly(response, path, rate) : file(response, path);
}

/** The path of `name` in `folder`. Throws if it leads out of it. */
function inside(folder, name) {
  const path = normalize(join(folder, name));
  if (!path.startsWith(folder + sep)) throw new Error(`${name} is outside of ${folder}`);
  return path;
}

function type(path) {
  return TYPES[extname(path)] ?? "application/octet-stream";
}

function answer(response, status, contentType, body) {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Sends a file over a line of so many bytes a second. */
async function slowly(response, path, rate) {
  const bytes = await readFile(path);
  response.writeHead(200, { "content-type": type(path), "content-length": bytes.length });
  const started = performance.now();
  for (let at = 0; at < bytes.length; at += PIECE) {
    response.write(bytes.subarray(at, at + PIECE));
    const due = started + (1000 * Math.min(at + PIECE, bytes.length)) / rate;
    await setTimeout(Math.max(0, due - performance.now()));
  }
  response.end();
}

async function file(response, path) {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) return answer(response, 404, "text/plain", "not found");
  response.writeHead(200, { "content-type": type(path), "content-length": found.size });
  createReadStream(path).pipe(response);
}
