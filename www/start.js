// Starts the page's program. A file of its own, since the Content-Security-Policy forbids inline scripts; the names
// of the program's files, which change with their content, stand in the preloads that Trunk writes.

const js = document.querySelector("link[data-program][rel=modulepreload]").href;
const wasm = document.querySelector("link[data-program][as=fetch]").href;

try {
  const { default: init } = await import(js);
  await init({ module_or_path: wasm });
} catch (error) {
  document.getElementById("start-failed").hidden = false;
  const message = `The page's program could not be started: ${error}`;
  window.cloze.connect?.(Promise.reject({ code: "page-stopped", message }));
}
