// `window.cloze`: the page's JavaScript API, for slides, notebooks and tests. Its types and their meaning stand in
// cloze.d.ts. This file checks what is asked and gives the answers their shape; the page's program does the work.

(() => {
  "use strict";

  /** What every refused promise is rejected with. */
  class ClozeError extends Error {
    constructor(code, message) {
      super(message);
      this.name = "ClozeError";
      this.code = code;
    }

    toJSON() {
      return { code: this.code, message: this.message };
    }
  }

  const bad = (message) => new ClozeError("bad-request", message);
  const problem = (error) => new ClozeError(error?.code ?? "page-stopped", error?.message ?? String(error));

  const count = (from) => ({
    is: (value) => Number.isInteger(value) && value >= from && value < 2 ** 32,
    form: `a whole number from ${from}`,
  });
  const oneOf = (...values) => ({
    is: (value) => values.includes(value),
    form: values.map((value) => `"${value}"`).join(" or "),
  });
  const text = { is: (value) => typeof value === "string", form: "a string" };
  const names = {
    is: (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
    form: "a list of names",
  };
  const cells = (value) =>
    Array.isArray(value) && value.every((cell) => Array.isArray(cell) && cell.length === 2 && cell.every(count(0).is));
  const ABLATIONS = {
    heads: cells,
    mask: cells,
    embeddings: (value) => Array.isArray(value) && value.every((name) => ["token", "position", "segment"].includes(name)),
    patch: (value) => Array.isArray(value) && value.every((patch) => patch !== null && typeof patch === "object"),
  };
  const ablation = {
    is: (value) =>
      value !== null &&
      typeof value === "object" &&
      !Array.isArray(value) &&
      Object.entries(value).every(([name, changes]) => Object.hasOwn(ABLATIONS, name) && ABLATIONS[name](changes)),
    form:
      'an object of heads [[layer, head], …], mask [[query, key], …], embeddings ["token", "position", "segment"] and ' +
      "patch [{hook, position, text}, …]",
  };
  const OPTIONS = {
    load: { engine: oneOf("webgpu", "cpu"), weights: oneOf("f32", "f16", "int8"), hub: text },
    run: { text, textB: text, want: names, topK: count(1), ablate: ablation },
    generate: {
      text,
      maxNewTokens: count(1),
      temperature: { is: (value) => Number.isFinite(value) && value >= 0, form: "a number from 0" },
      topK: count(0),
      topP: { is: (value) => value > 0 && value <= 1, form: "a number above 0, up to 1" },
      seed: count(0),
      want: names,
    },
  };

  /** The options that are given, checked. Throws what says which is wrong. */
  function checked(verb, options, required = []) {
    const known = OPTIONS[verb];
    if (options === null || typeof options !== "object" || Array.isArray(options)) {
      throw bad(`${verb} takes an object with ${Object.keys(known).join(", ")}.`);
    }
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [name, value] of given) {
      if (!Object.hasOwn(known, name)) {
        throw bad(`${verb} has no option "${name}". It has ${Object.keys(known).join(", ")}.`);
      }
      if (!known[name].is(value)) throw bad(`${verb}: ${name} must be ${known[name].form}.`);
    }
    for (const name of required) {
      if (options[name] === undefined) throw bad(`${verb} needs ${name}: ${known[name].form}.`);
    }
    return Object.fromEntries(given);
  }

  /** For each offset into the UTF-8 bytes of `string`, the offset into its UTF-16 units. */
  function unitsOfBytes(string) {
    const units = [];
    let unit = 0;
    for (const character of string) {
      const code = character.codePointAt(0);
      const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      for (let byte = 0; byte < bytes; byte++) units.push(unit);
      unit += character.length;
    }
    units.push(unit);
    return units;
  }

  /** Cuts the values that came as one array into one for each activation: views of it, since a run can have millions. */
  function cutter(floats) {
    let from = 0;
    return (activations) =>
      Object.fromEntries(
        activations.map(({ hook, shape }) => {
          const to = from + shape.reduce((product, length) => product * length, 1);
          const data = floats.subarray(from, to);
          from = to;
          return [hook, { shape, data }];
        }),
      );
  }

  function ran({ ran: { run } }, floats) {
    const units = [unitsOfBytes(run.text), unitsOfBytes(run.textB ?? "")];
    const result = {
      model: run.model,
      text: run.text,
      tokens: run.tokens.map((token) => ({
        ...token,
        start: units[token.segment][token.start],
        end: units[token.segment][token.end],
      })),
      predictions: run.predictions,
      activations: cutter(floats)(run.activations),
      truncated: run.truncated,
      ms: run.ms,
    };
    if (run.textB !== null) result.textB = run.textB;
    if (run.nsp !== null) result.nsp = run.nsp;
    return result;
  }

  function generated({ generated: { steps } }, floats) {
    const cut = cutter(floats);
    return steps.map(({ token: { id, piece, special }, top, ms, activations }) => ({
      token: { id, piece, special },
      top,
      ms,
      activations: cut(activations),
    }));
  }

  /**
   * What loads files of the reader's: each under an address that a worker can fetch, by its name. Of two with the same name
   * the one that lies less deep counts.
   */
  function ofFiles(files) {
    const path = (file) => file.webkitRelativePath || file.name;
    const depth = (file) => path(file).split("/").length;
    const list = typeof files?.[Symbol.iterator] === "function" ? [...files] : [];
    if (list.length === 0 || !list.every((file) => file instanceof File)) {
      throw bad('load takes "bert", "gpt", "hf:<owner>/<name>", "url:<base>/" or a list of files.');
    }
    const all = list.sort((a, b) => depth(b) - depth(a));
    const folder = path(all.at(-1)).split("/").slice(0, -1).at(-1);
    return {
      source: `files:${folder ?? all.at(-1).name}`,
      files: Object.fromEntries(all.map((file) => [file.name, URL.createObjectURL(file)])),
    };
  }

  const NOTHING_YET = {
    engine: null,
    adapter: null,
    reason: null,
    model: null,
    selfCheck: null,
    settled: false,
    weights: null,
    effect: null,
    origin: null,
    notKept: null,
  };

  let connected = null;
  let connect;
  const bridge = new Promise((resolve) => (connect = resolve)).then((program) => (connected = program));

  /** The page's program, when it can be asked. */
  const started = () => bridge.catch((error) => Promise.reject(problem(error)));

  /** Asks the model of `family`, or of the one that was loaded last, what `ask` makes of the family. */
  async function request(ask, shape, family) {
    const program = await started();
    family ??= status().model?.family ?? "bert";
    const [answer, floats] = await program
      .request(JSON.stringify(ask(family)), family)
      .catch((error) => Promise.reject(problem(error)));
    return shape(answer, floats);
  }

  /** Asks something about loading. */
  async function manage(ask) {
    const program = await started();
    const [answer] = await program.request(JSON.stringify(ask)).catch((error) => Promise.reject(problem(error)));
    return answer;
  }

  /** Does something with the download of `source`. */
  async function download(source, act) {
    if (typeof source !== "string") throw bad(`${act} takes what was given to load.`);
    await manage({ download: { source, act } });
  }

  function status() {
    const { reason, notKept, ...status } = connected ? JSON.parse(connected.status()) : NOTHING_YET;
    return {
      ...status,
      reason: reason?.code ?? null,
      reasonMessage: reason?.detail ?? null,
      notKept: notKept?.code ?? null,
    };
  }

  const cloze = {
    ready: bridge.then(({ settled }) => settled).then(status, (error) => Promise.reject(problem(error))),

    status,

    async load(source, options = {}) {
      const given = typeof source === "string" ? { source } : ofFiles(source);
      const load = JSON.stringify({ ...checked("load", options), ...given });
      const program = await started();
      return JSON.parse(await program.load(load).catch((error) => Promise.reject(problem(error))));
    },

    async measure() {
      return request((family) => ({ measure: { family } }), ({ measured: { effect } }) => effect);
    },

    async pause(source) {
      await download(source, "pause");
    },

    async resume(source) {
      await download(source, "resume");
    },

    async cancel(source) {
      await download(source, "cancel");
    },

    async stored() {
      return (await manage("stored")).stored.models;
    },

    async forget(source = null) {
      if (source !== null && typeof source !== "string") throw bad("forget takes what was given to load.");
      await manage({ forget: { source } });
    },

    async run(options) {
      const run = checked("run", options, ["text"]);
      return request((family) => ({ run: { family, run } }), ran);
    },

    async generate(options) {
      const { text, maxNewTokens, want, ...sampling } = checked("generate", options, ["text", "maxNewTokens"]);
      return request(() => ({ generate: { generate: { text, maxNewTokens, want, sampling } } }), generated, "gpt");
    },

    async kernels() {
      return request((family) => ({ kernels: { family } }), ({ kernels: { kernels } }) => kernels);
    },

    state() {
      return Object.fromEntries(new URLSearchParams(connected ? connected.state() : location.hash.slice(1)));
    },

    async set(state) {
      if (state === null || typeof state !== "object" || Array.isArray(state)) {
        throw bad("set takes an object of the kind that state() gives.");
      }
      const program = await started();
      return program.setState(new URLSearchParams(Object.entries(state)).toString());
    },

    /**
     * The page's program calls this once, when it can be asked; then it is gone.
     *
     * - `load(json)`: loads what a `Load` of src/engine/protocol.rs says; resolves to JSON of the model's sizes; rejects
     *   with `{code, message}`
     * - `request(json, family)`: sends an `Ask` of the same file, to the model of a family if one is named; resolves to
     *   `[answer, floats]`, the `Answer` and the values of its activations, one after the other as it lists them;
     *   rejects with `{code, message}`
     * - `status()`: JSON of `{engine, adapter, reason: {code, detail} | null, model, selfCheck, settled, weights,
     *   effect, origin, notKept}`
     * - `state()`: the address's fragment, without `#`
     * - `setState(fragment)`: takes it over; gives the keys that it could not read
     * - `settled`: a promise that is kept when the engine of the first models is chosen for good
     */
    connect(program) {
      delete cloze.connect;
      connect(program);
    },
  };

  // Whoever asks for `ready` learns why it failed; if nobody does, that is no error of the page.
  cloze.ready.catch(() => {});
  window.cloze = cloze;
})();
