// Starts the engine's worker beside the page's program, which takes it over as soon as it is there (src/ui/link.rs). What the
// worker says until then is kept. A slide's frame has none yet: it waits until somebody looks at it.

if (!location.hash.includes("embed=")) {
  const worker = new Worker("./engine_loader.js");
  const early = [];
  worker.onmessage = (event) => early.push(event);
  worker.onerror = (event) => {
    event.preventDefault();
    early.push(event);
  };
  window.startedWorker = { worker, early };
}
