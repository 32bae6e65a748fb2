/**
 * The JavaScript API of Cloze: `window.cloze` on the page.
 *
 * Layers, heads, tokens and positions count from 0 here and in the names of activations; on the screen and in
 * addresses layers and heads count from 1. Every promise that is refused is rejected with a {@link ClozeError}.
 */

declare global {
  interface Window {
    cloze: Cloze;
  }
  const cloze: Cloze;
}

export interface Cloze {
  /**
   * Kept when the engine that computes the page's first model is chosen for good: WebGPU after its self-check, or
   * the CPU where WebGPU is missing or wrong. `run` answers before that, while the self-check is still under way.
   */
  readonly ready: Promise<Status>;

  /** What computes now, and why. */
  status(): Status;

  /**
   * Loads a checkpoint in the place of its family's model; `run` goes to it from then on.
   *
   * @param source `"bert"` or `"gpt"` for the page's own models; `"hf:<owner>/<name>"`, with `"@<revision>"` if another
   * than the newest is meant, for one of the Hugging Face hub; `"url:<base>/"` for a folder with `config.json`,
   * `tokenizer.json` and `model.safetensors` (or `model.safetensors.index.json` and the files that it names), on any
   * server that lets this origin read it (CORS); or the files themselves, or a zip archive of them. All but the page's own are kept by the browser for the next time, and are
   * there without a connection; files stay where they are.
   * @param options.engine insists on an engine: refused if that one cannot be had. Without it, WebGPU where it is
   * there and computes right, else the CPU.
   * @param options.weights how to keep the weights on the GPU. Without it, in half precision, but in 8 bits where the file
   * has them so, or has more than 1 GiB. The CPU always takes single precision.
   * @param options.hub the address of a hub or of a mirror of it; `https://huggingface.co/` if none is given.
   * @returns its sizes; refused with `"superseded"` where a model of its family that was loaded later is there before it.
   */
  load(source: Source | Iterable<File>, options?: { engine?: Engine; weights?: Weights; hub?: string }): Promise<Model>;

  /**
   * Measures what the weights of the model that was loaded last lose by the type that they are kept in: the model is loaded
   * once more, as its file has it, and both read a fixed text. Null where nothing is lost. Where the files are here already
   * and the GPU is no small one, that is done unasked, once the page asks for nothing.
   */
  measure(): Promise<Effect | null>;

  /** Lets the download of a source wait. */
  pause(source: Source): Promise<void>;

  /** Lets it go on. */
  resume(source: Source): Promise<void>;

  /**
   * Gives it up: `load` is refused with `"cancelled"`. What has arrived is kept, and is not fetched again when the source
   * is loaded once more.
   */
  cancel(source: Source): Promise<void>;

  /** The models that the browser keeps for this page, those used last first. */
  stored(): Promise<StoredModel[]>;

  /** Removes what is kept of a source; everything, if none is given. */
  forget(source?: Source): Promise<void>;

  /** Runs the model that was loaded last, once. */
  run(request: RunRequest): Promise<Run>;

  /** Continues a text with GPT, one step a token. Ends sooner at the end-of-text token or when the model is full. */
  generate(request: GenerateRequest): Promise<Step[]>;

  /**
   * What the GPU did for the last run of the model that was loaded last. The run is done once more for that, and timed.
   * Refused with `"no-kernels"` where the CPU computes, and before the first run.
   */
  kernels(): Promise<Kernels>;

  /** Everything on the screen: the pairs of the address's fragment. */
  state(): Record<string, string>;

  /**
   * Shows a state, as opening its address would: what is left out takes its default.
   *
   * @returns the keys whose values could not be read; those too took their defaults.
   */
  set(state: Record<string, string | number>): Promise<string[]>;
}

/** How the scores of a model with rounded weights compare with those of the same model in full. */
export interface Effect {
  /** How many positions of the text were compared. */
  positions: number;
  /** At how many of them the most probable piece is the same. */
  sameBest: number;
  /** The largest absolute difference between two scores. */
  maxAbsDiff: number;
}

/** What can be loaded; `"files:<name>"` are files that were loaded before. */
export type Source = "bert" | "gpt" | `hf:${string}` | `url:${string}` | `files:${string}`;

/** A model that the browser keeps. */
export interface StoredModel {
  /** What to load it by. */
  source: Source;
  /** The address of the hub that it came from; null if it came from a folder. */
  hub: string | null;
  /** The commit there; null where the server tells of none. */
  commit: string | null;
  /** Bytes that are kept. */
  bytes: number;
  /** Whether that is all of it; otherwise the next `load` fetches the rest. */
  complete: boolean;
}

/** Where a model computes. */
export type Engine = "webgpu" | "cpu";

/** 32 bits a weight, 16 bits, or 8 bits with a scale for each output. */
export type Weights = "f32" | "f16" | "int8";

export interface Status {
  /** Where the model that was loaded last computes; null before any is loaded. */
  engine: Engine | null;
  /** The GPU as the browser names it; null on the CPU, and where the browser names nothing. */
  adapter: string | null;
  /**
   * Why WebGPU does not compute: `"no-webgpu"`, `"insecure-context"`, `"no-adapter"`, `"gpu-limits"`, `"gpu-memory"`,
   * `"gpu-lost"`, `"gpu-failed"`, `"self-check-failed"`; null where it does, and where the CPU was asked for.
   */
  reason: string | null;
  /** The same as a sentence. */
  reasonMessage: string | null;
  /** The model that was loaded last. */
  model: Model | null;
  /** A fixed input, compared with stored reference values; null for checkpoints that have none. */
  selfCheck: { maxAbsDiff: number; ok: boolean } | null;
  /** Whether the engine is chosen for good. Before that the self-check runs, and may yet say no. */
  settled: boolean;
  /** How the weights are kept; null before any are loaded. */
  weights: Weights | null;
  /** What the weights lose by the type that they are kept in, once that is measured: see {@link Cloze.measure}. */
  effect: Effect | null;
  /** The address of the model's card, and its licence as the card names it; null for a folder at a URL. */
  origin: { page: string; licence: string | null } | null;
  /**
   * Why the browser does not keep the model for the next time: `"storage-full"`, `"storage-forbidden"`, `"storage-busy"`
   * (another page is storing it); null where it does, and for the page's own models.
   */
  notKept: string | null;
}

/** A loaded checkpoint's sizes, all from its `config.json`. */
export interface Model {
  /** As it was asked for. */
  source: Source;
  family: "bert" | "gpt";
  /** `model_type` in its `config.json`. */
  architecture: "bert" | "distilbert" | "roberta" | "gpt2" | "gpt_neo";
  layers: number;
  heads: number;
  /** Width of the hidden state. */
  hidden: number;
  /** Pieces in the vocabulary. */
  vocabulary: number;
  /** The longest input, in tokens, special tokens included: the model's own, or what this GPU has room for. */
  positions: number;
  /** Number of weights. */
  parameters: number;
  /** How many segments it tells apart; 0 where it has no such embedding. */
  segments: number;
  /** Whether the checkpoint has a next-sentence head. */
  nextSentence: boolean;
}

export interface RunRequest {
  /** The sentence. `[MASK]` in it is BERT's mask token. */
  text: string;
  /** A second sentence, for BERT. */
  textB?: string;
  /**
   * Names of activations to record, as TransformerLens has them: `"blocks.0.attn.hook_pattern"`, `"logits"` and so
   * on. README.md lists them with their shapes.
   */
  want?: string[];
  /** How many candidates each prediction lists; 8 by default. */
  topK?: number;
  /** What to leave out or change in this run, to see what it was good for. */
  ablate?: Ablation;
}

/** What the GPU did for a run. */
export interface Kernels {
  /** Its dispatches, in their order. */
  dispatches: Dispatch[];
  /** The WGSL of each kernel, by its name. */
  sources: Record<string, string>;
}

/** One start of a kernel. */
export interface Dispatch {
  /** The kernel's name. */
  kernel: string;
  /** What it computes: `"blocks.0.attn.qkv"`. */
  computes: string;
  /** Workgroups along each axis. */
  grid: [number, number];
  /** Bytes of weights and activations that the operation reads, each counted once. */
  reads: number;
  /** Bytes that it writes. */
  writes: number;
  /** Its time on the GPU in ms, where the GPU can be asked for it: of the same run once more, a pass for each dispatch. Browsers round it. */
  ms: number | null;
}

/** Changes to the computation of one run. */
export interface Ablation {
  /** Heads that are switched off, `[layer, head]`: their output is zero. */
  heads?: [number, number][];
  /**
   * Cells of the attention mask that are flipped in every head, `[query, key]`: what the query saw it does not see, and
   * the other way round. A query that sees nothing at all gets a pattern of zeros.
   */
  mask?: [number, number][];
  /** Embeddings that are left out of the sum; GPT has none of the segment. */
  embeddings?: ("token" | "position" | "segment")[];
  /** Hidden states that are taken from other runs of the same model (activation patching). */
  patch?: Patch[];
}

/** A hidden state that is taken from another run. */
export interface Patch {
  /**
   * Where: `hook_embed_sum`, `blocks.{l}.hook_resid_pre`, `hook_resid_mid` or `hook_resid_post`, or
   * `ln_final.hook_normalized`. Names of the same state are changed together.
   */
  hook: string;
  /** The position whose state is replaced. */
  position: number;
  /** The text of the other run. */
  text: string;
  /** Its second sentence, for BERT. */
  textB?: string;
  /** The position in the other run; the same if it is left out. */
  of?: number;
}

export interface Run {
  model: Model;
  /** The text as it was asked for, whole. */
  text: string;
  textB?: string;
  /** What the model read. */
  tokens: Token[];
  /** For BERT one for each mask; for GPT one, at the last position. */
  predictions: Prediction[];
  /** Where the checkpoint has a next-sentence head: the probability that the second sentence follows the first. */
  nsp?: { isNext: number };
  /** What was asked for, by name. */
  activations: Record<string, Activation>;
  /** How many tokens were left out since the text is longer than what the model reads. */
  truncated: number;
  /** Wall time of the run in the engine, in milliseconds. */
  ms: number;
}

export interface Token {
  /** Its row in the vocabulary. */
  id: number;
  /** The piece as a person reads it: `"##ker"` for a continuation, `" the"` with its leading space. */
  piece: string;
  /** `text.slice(start, end)` is what the token stands for (of `textB` where `segment` is 1); empty if it was added. */
  start: number;
  end: number;
  /** The word it belongs to, over the whole input; null for special tokens that were added. */
  word: number | null;
  special: boolean;
  segment: 0 | 1;
}

export interface Candidate {
  id: number;
  piece: string;
  /** Its probability, 0 to 1, over the whole vocabulary. */
  p: number;
}

export interface Prediction {
  /** The position in `tokens`. */
  position: number;
  /** The most probable pieces, in falling order. */
  top: Candidate[];
}

export interface Activation {
  /** The length of each axis. */
  shape: number[];
  /** The values, last axis fastest: a view of one array that all activations of an answer share. */
  data: Float32Array;
}

export interface GenerateRequest {
  /** The prompt. */
  text: string;
  /** How many tokens to draw at most. */
  maxNewTokens: number;
  /** Divides the logits; 0 always takes the most probable token. 1 by default. */
  temperature?: number;
  /** Keeps only this many candidates; 0, the default, keeps all. */
  topK?: number;
  /** Keeps the fewest candidates that reach this probability together; 1, the default, keeps all. */
  topP?: number;
  /** The same seed draws the same tokens; 0 by default. */
  seed?: number;
  /** Names of activations to record at every step. */
  want?: string[];
}

/** One drawn token. */
export interface Step {
  token: { id: number; piece: string; special: boolean };
  /** What the model considered, before temperature and cuts. */
  top: Candidate[];
  /** Wall time of the step, in milliseconds. */
  ms: number;
  /** What was asked for; after the first step its query and position axes have length 1. */
  activations: Record<string, Activation>;
}

/**
 * Why something was refused. Codes are stable: `"bad-request"` (an option that does not exist or has the wrong type),
 * `"page-stopped"` and `"engine-stopped"` (load the page again), and those of loading and running.
 */
export interface ClozeError extends Error {
  code: string;
  /** A sentence that says what to do. */
  message: string;
}

export {};
