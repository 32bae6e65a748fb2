// Starts the engine's worker beside the page's program, which takes it over as soon as it is there (src/ui/link.rs). What the
// worker says until then is kept. A slide's frame has none yet: it waits until somebody looks at it.

if (!location.hash.includes("embed=")) {
  // Its name is the type of weights that kernels are compiled for from its first moment on: that of the page's own models, or
  // what the address asks for. For any other model it is known when that is asked for.
  const asked = new URLSearchParams(location.hash.slice(1));
  const name = asked.get("weights") ?? (asked.has("m") ? "" : "int8");
  const worker = new Worker("./engine_loader.js", { name });
  const early = [];
  worker.onmessage = (event) => early.push(event);
  worker.onerror = (event) => {
    event.preventDefault();
    early.push(event);
  };
  window.startedWorker = { worker, early };
}
