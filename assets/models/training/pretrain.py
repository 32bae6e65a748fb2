#!/usr/bin/env python3
"""Pretrain the small BERT and GPT that ship with the page, from nothing, in some minutes of one GPU.

    python3 pretrain.py bert --text bert.txt.xz --out OUT --minutes 9
    python3 pretrain.py gpt  --text gpt.txt.xz  --out OUT --minutes 9

Writes a plain Hugging Face checkpoint (config.json, tokenizer.json, model.safetensors in f32) and eval.json: what was
trained, on how much, and how good it is on documents that it never saw. Runs on a CPU too, for hours rather than
minutes (`--minutes` are of processor time there), and goes on where it was stopped (`--state FOLDER`). `--prepare` only
leaves the tokens in that folder, so that a machine whose minutes count can begin with them. `--begin FOLDER` begins with the
weights of a checkpoint, in 8 bits too, rather than from nothing; what is recorded of their training is recorded again. With
`--mean` what is kept is the mean of the weights before and after (Izmailov et al. 2018, "Averaging weights").

BERT as in Devlin et al. 2018: masked-language-model loss (80 % [MASK], 10 % random, 10 % kept) plus next-sentence loss on
pairs. GPT as in Radford et al. 2019: next-token loss under a causal mask. Where this differs from them:

- The matrices of the blocks are trained by Muon (Jordan et al. 2024), all else by AdamW.
- The learning rate rises, stays, and falls to nothing over the last minutes (`--fall`). BERT hides more than 15 % until
  then (`--mask`; Wettig et al. 2023, "Should you mask 15 % in masked language modeling?").
- BERT's position table begins as sines and cosines (Vaswani et al. 2017), which a small budget finds its neighbours by.
- Many of BERT's sequences are short, since people type one sentence or two.
Text format: BERT's has a sentence a line, GPT's a paragraph a line; a blank line ends a document.
"""
import argparse, io, json, lzma, math, os, random, time
import numpy as np, torch, torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, decoders, trainers, processors
from transformers import BertConfig, BertForPreTraining, GPT2Config, GPT2LMHeadModel
from documents import CLS, SEP, Documents
from quantise import fill, opened as weights_of

SIZES = {  # hidden, layers, heads
    "tiny": (128, 2, 2), "micro": (192, 4, 6), "mini": (256, 6, 8), "small": (384, 8, 8)}
MAXPOS = 256
WARM_UP = 300  # steps

ap = argparse.ArgumentParser()
ap.add_argument("task", choices=["bert", "gpt"])
ap.add_argument("--text")
ap.add_argument("--out")
ap.add_argument("--minutes", type=float, default=9, help="of training; preparing the text comes on top")
ap.add_argument("--size", choices=SIZES, default="mini")
ap.add_argument("--vocab", type=int, default=8192)
ap.add_argument("--tokenizer", help="a tokenizer.json to use rather than make one")
ap.add_argument("--mask", type=float, default=.25, help="BERT: share of the pieces hidden, until the rate falls")
ap.add_argument("--tokens-per-step", type=int, default=65536)
ap.add_argument("--muon", type=float, default=4e-3, help="learning rate of the blocks' matrices")
ap.add_argument("--adam", type=float, default=2e-3, help="learning rate of all else")
ap.add_argument("--fall", type=float, default=.35, help="share of the minutes over which the learning rate falls")
ap.add_argument("--compile", action="store_true", help="with torch.compile: faster after a minute")
ap.add_argument("--state", help="a folder that keeps the tokens and the state; what it holds is gone on with")
ap.add_argument("--prepare", action="store_true", help="only leave the tokens in the state's folder")
ap.add_argument("--begin", help="a checkpoint of the same shape and tokenizer, whose weights are gone on from")
ap.add_argument("--mean", action="store_true", help="with --begin: keep the mean of the weights before and after")
ap.add_argument("--seed", type=int, default=0)
a = ap.parse_args()
if a.mean and not a.begin: ap.error("--mean needs --begin")
random.seed(a.seed); torch.manual_seed(a.seed)
cuda = torch.cuda.is_available(); dev = "cuda" if cuda else "cpu"
torch.set_float32_matmul_precision("high")
H, L, A = SIZES[a.size]
bert = a.task == "bert"
T0 = time.time()
say = lambda *x: print(f"{time.time() - T0:7.1f}s", *x, flush=True)
kept = lambda name: os.path.join(a.state, name) if a.state and os.path.exists(os.path.join(a.state, name)) else None
opened = lambda path: lzma.open(path) if path.endswith(".xz") else open(path, "rb")

def before(folder):
    """What `folder` records of its training."""
    with open(os.path.join(folder, "eval.json"), encoding="utf-8") as file:
        return {key: value for key, value in json.load(file).items() if key not in ("samples", "evaluations")}


# ---- text -> documents -> ids ----------------------------------------------------------------------------------------
def make_tokenizer(docs):
    if a.tokenizer:
        return Tokenizer.from_file(a.tokenizer)
    sample = random.sample(docs, min(len(docs), 60000))
    if bert:
        tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
        tok.normalizer = normalizers.BertNormalizer(lowercase=True)
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer(); tok.decoder = decoders.WordPiece()
        tok.train_from_iterator((" ".join(d) for d in sample), trainers.WordPieceTrainer(
            vocab_size=a.vocab, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False))
        tok.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)])
    else:
        tok = Tokenizer(models.BPE()); tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tok.decoder = decoders.ByteLevel(); tok.post_processor = processors.ByteLevel(trim_offsets=False)
        tok.train_from_iterator(("\n".join(d) for d in sample), trainers.BpeTrainer(
            vocab_size=a.vocab, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tok

def prepare():
    """The tokenizer, all tokens, how many a unit has (a sentence; for GPT a document), and how many units a document has."""
    docs = [d.split("\n") for d in opened(a.text).read().decode().split("\n\n") if d.strip()]
    say(f"{len(docs)} documents")
    tok = make_tokenizer(docs)
    units = [s for d in docs for s in d] if bert else ["\n".join(d) + "<|endoftext|>" for d in docs]
    per_doc = [len(d) if bert else 1 for d in docs]
    ids = []
    for i in range(0, len(units), 20000):
        ids += [np.asarray(e.ids, np.uint16) for e in tok.encode_batch_fast(units[i:i + 20000], add_special_tokens=False)]
    return {"tokenizer": tok.to_str(), "tokens": np.concatenate(ids),
            "per_unit": np.asarray([len(x) for x in ids], np.uint32), "per_doc": np.asarray(per_doc, np.uint32)}

if name := kept("tokens.npz.xz") or kept("tokens.npz"):
    prepared = np.load(io.BytesIO(opened(name).read()))
    prepared = {key: prepared[key] for key in prepared.files}
else:
    prepared = prepare()
    if a.state:
        os.makedirs(a.state, exist_ok=True)
        np.savez(os.path.join(a.state, "tokens.npz"), **prepared)
tok = Tokenizer.from_str(str(prepared["tokenizer"])); V = tok.get_vocab_size()
documents = Documents(prepared["tokens"], prepared["per_unit"], prepared["per_doc"], dev)
flat, held = documents.flat, max(1, documents.count // 100)                                     # the last 1 % is held out
first_held = int(documents.doc_end[documents.count - held - 1])
split = int(documents.off[first_held])
say(f"{len(flat) / 1e6:.1f} M tokens, vocabulary {V}")
if a.prepare:
    raise SystemExit


# ---- batches, made on the device -------------------------------------------------------------------------------------
starts = {False: documents.starts[documents.starts < first_held], True: documents.starts[documents.starts >= first_held]}

def bert_batch(B, T, rate, heldout=False, short=0.):
    return documents.bert_batch(starts[heldout], B, T, V, rate, short)[:-1]

def gpt_batch(B, T, heldout=False):
    lo, hi = (split, len(flat) - T - 1) if heldout else (0, split - T - 1)
    x = flat[documents.randint(lo, max(lo + 1, hi), B)[:, None] + torch.arange(T + 1, device=dev)[None]].long()
    return x[:, :-1], x[:, 1:]


# ---- model, loss -----------------------------------------------------------------------------------------------------
if bert:
    m = BertForPreTraining(BertConfig(vocab_size=V, hidden_size=H, num_hidden_layers=L, num_attention_heads=A, intermediate_size=4 * H,
                                      max_position_embeddings=MAXPOS, hidden_dropout_prob=0., attention_probs_dropout_prob=0.))
    with torch.no_grad():
        turn = torch.arange(MAXPOS)[:, None] * 10000 ** -(torch.arange(0, H, 2) / H)
        m.bert.embeddings.position_embeddings.weight[:] = .02 * 2 ** .5 * torch.stack([turn.sin(), turn.cos()], -1).flatten(1)
else:
    m = GPT2LMHeadModel(GPT2Config(vocab_size=V, n_positions=MAXPOS, n_embd=H, n_layer=L, n_head=A, resid_pdrop=0., embd_pdrop=0.,
                                   attn_pdrop=0., bos_token_id=0, eos_token_id=0))
if a.begin: fill(m, weights_of(a.begin))
begun = {name: p.detach().to(dev, copy=True) for name, p in m.named_parameters()} if a.mean else {}
m.to(dev); params = sum(p.numel() for p in m.parameters())
say(f"{a.task} {a.size}: {params / 1e6:.2f} M parameters on {torch.cuda.get_device_name() if cuda else 'the CPU'}")

def encoded(x, attended, seg):
    B, T = x.shape
    return m.bert(input_ids=x, attention_mask=attended[:, None, None].expand(B, 1, T, T), token_type_ids=seg, return_dict=False)

def at(h, pos): return h.gather(1, pos[..., None].expand(-1, -1, H))

def piece_loss(h, y):
    z = m.cls.predictions(h) if bert else m.lm_head(h)
    return F.cross_entropy(z.float().reshape(-1, V), y.reshape(-1), ignore_index=-100)

def losses(batch):
    """Of masked pieces and of next sentences, or of next tokens, in nats."""
    if not bert:
        x, y = batch
        return (piece_loss(m.transformer(x, use_cache=False)[0], y),)
    x, attended, seg, is_other, pos, y = batch
    h, pooled = encoded(x, attended, seg)
    return piece_loss(at(h, pos), y), F.cross_entropy(m.cls.seq_relationship(pooled).float(), is_other, ignore_index=-100)

if a.compile:
    # By layer: all layers are one program, so that it is compiled once and not six times.
    for layer in m.bert.encoder.layer if bert else m.transformer.h: layer.compile(dynamic=False)
    piece_loss = torch.compile(piece_loss, dynamic=False)


# ---- training --------------------------------------------------------------------------------------------------------
def parts(w):
    """The matrices in a tensor: queries, keys and values of GPT-2 lie side by side in one."""
    return w.chunk(3, 1) if not bert and w.shape == (H, 3 * H) else (w,)

class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal (Jordan et al. 2024), in steps as long as AdamW's (Liu et al. 2025, "Muon is scalable").

    As torch.optim.Muon, but matrices of one shape are taken together, and a CPU computes in f32: in bf16 it takes minutes."""

    def step(self):
        for group in self.param_groups:
            matrices = [w for p in group["params"] for w in parts(p)]
            gradients = [g for p in group["params"] for g in parts(p.grad)]
            for shape in sorted({tuple(w.shape) for w in matrices}):
                own = [w for w in matrices if w.shape == shape]
                g = torch.stack([g for g in gradients if g.shape == shape])
                momentum = self.state.setdefault(shape, {"momentum": torch.zeros_like(g)})["momentum"]
                momentum.lerp_(g, .05)
                way = orthogonal(g.lerp(momentum, .95)) * (.2 * max(shape) ** .5)
                torch._foreach_mul_(own, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(own, list(way.unbind()), alpha=-group["lr"])

def orthogonal(g):
    """The nearest orthogonal matrices to `g` `[matrix, row, column]`, roughly, by five Newton-Schulz iterations."""
    x = g.bfloat16() if cuda else g
    if g.shape[-2] > g.shape[-1]: x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
    return (x.mT if g.shape[-2] > g.shape[-1] else x).to(g.dtype)

named = dict(m.named_parameters())
inside = [p for name, p in named.items() if p.dim() == 2 and ("layer." in name or ".h." in name)]
of_inside = {id(p) for p in inside}
outside = [p for p in named.values() if id(p) not in of_inside]
optimizers = [
    Muon(inside, {"lr": a.muon, "weight_decay": .05}),
    torch.optim.AdamW([{"params": [p for p in outside if p.dim() > 1], "weight_decay": .01},
                       {"params": [p for p in outside if p.dim() < 2], "weight_decay": 0.}], lr=a.adam, betas=(.9, .98), eps=1e-8)]
step, seen, spent = 0, 0, 0.
if kept("state.pt"):
    state = torch.load(kept("state.pt"), map_location=dev); step, seen, spent = (state[k] for k in ("step", "seen", "spent"))
    m.load_state_dict(state["model"]); [o.load_state_dict(s) for o, s in zip(optimizers, state["optimizers"])]
    torch.manual_seed(a.seed + step); say(f"goes on after step {step}")
def keep():
    if a.state:
        state = {"model": m.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step, "seen": seen, "spent": spent}
        torch.save(state, os.path.join(a.state, "new")); os.replace(os.path.join(a.state, "new"), os.path.join(a.state, "state.pt"))

LENGTHS = {False: [64, 128, 128, 64, 128], True: [64, 128, 256, 64, 128, 256]}                  # of BERT, before the fall and in it
clock = time.time if cuda else time.process_time
started, t_said, t_kept = clock() - spent, 0., time.time()
while (done := (spent := clock() - started) / (60 * a.minutes)) < 1:
    falls = done > 1 - a.fall
    T = LENGTHS[falls][step % len(LENGTHS[falls])] if bert else MAXPOS
    B = max(1, a.tokens_per_step // T)
    rate = min(1, (step + 1) / WARM_UP, (1 - done) / a.fall)
    for o, lr in zip(optimizers, (a.muon, a.adam)):
        for g in o.param_groups: g["lr"] = lr * rate
    batch = bert_batch(B, T, .15 if falls else a.mask, short=.5) if bert else gpt_batch(B, T)
    with torch.autocast(dev, torch.bfloat16, enabled=cuda): now = losses(batch)
    m.zero_grad(set_to_none=True); sum(now).backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.)
    with torch.no_grad():
        for o in optimizers: o.step()
    step += 1; seen += B * T
    if time.time() - t_said > 10:
        t_said = time.time(); say(f"step {step} {seen / 1e6:.1f} M tokens {100 * done:.1f} %", [round(float(v.detach()), 3) for v in now])
    if time.time() - t_kept > 240: keep(); t_kept = time.time()
keep()
if a.mean:
    with torch.no_grad():
        for name, p in m.named_parameters(): p.lerp_(begun[name], .5)


# ---- held-out figures, samples, checkpoint -----------------------------------------------------------------------------
@torch.no_grad()
def evaluate():
    """On the held-out documents, in sequences of 128 (BERT; 15 % hidden) or 256 (GPT)."""
    torch.manual_seed(1)
    rounds, B = (40, 128) if cuda else (8, 32)
    if not bert:
        loss = sum(float(losses(gpt_batch(B, MAXPOS, True))[0]) for _ in range(rounds)) / rounds
        return {"lm": loss, "perplexity": math.exp(loss)}
    right = {"mlm_top1": [0, 0], "mlm_top5": [0, 0], "nsp_acc": [0, 0]}; nats = 0.
    for _ in range(rounds):
        x, attended, seg, is_other, pos, y = bert_batch(B, 128, .15, True)
        h, pooled = encoded(x, attended, seg); z, q = m.cls.predictions(at(h, pos)), m.cls.seq_relationship(pooled); top = z.topk(5, -1).indices == y[..., None]
        nats += float(F.cross_entropy(z.reshape(-1, V), y.reshape(-1), ignore_index=-100)) / rounds
        for name, hit, of in (("mlm_top1", top[..., 0], y >= 0), ("mlm_top5", top.any(-1), y >= 0), ("nsp_acc", q.argmax(-1) == is_other, is_other >= 0)):
            right[name][0] += int((hit & of).sum()); right[name][1] += int(of.sum())
    return {"mlm": nats, **{name: hits / of for name, (hits, of) in right.items()}}

if a.compile: torch.compiler.set_stance("force_eager")                                        # every sample has another length
m.eval(); figures = {k: round(v, 4) for k, v in evaluate().items()}
say("held out", figures)
m.float().cpu(); shown = []
with torch.no_grad():
    if bert:
        for s in ["The capital of France is [MASK].", "The [MASK] barked at the cat.", "She drank a cup of [MASK].", "He is a [MASK] player.",
                  "Paris is the capital of [MASK].", "Water is made of hydrogen and [MASK].", "The children [MASK] in the garden."]:
            e = tok.encode(s); p = m(torch.tensor([e.ids])).prediction_logits[0, e.tokens.index("[MASK]")].softmax(-1).topk(5)
            shown.append([s, [[tok.id_to_token(int(i)), round(float(v), 3)] for v, i in zip(*p)]])
    else:
        for s in ["Once upon a time", "The king said to his daughter,", "Water is", "In the morning the children"]:
            o = m.generate(torch.tensor([tok.encode(s).ids]), max_new_tokens=48, do_sample=True, top_k=40, temperature=.8, pad_token_id=0)
            shown.append([s, tok.decode(o[0].tolist())])
for s in shown: say(s)
os.makedirs(a.out, exist_ok=True)
m.save_pretrained(a.out); tok.save(os.path.join(a.out, "tokenizer.json"))
with open(os.path.join(a.out, "eval.json"), "w") as file:
    json.dump({"task": a.task, "size": a.size, "parameters": params, "device": torch.cuda.get_device_name() if cuda else "cpu",
               "minutes": a.minutes, "mask": a.mask, "muon": a.muon, "adam": a.adam, "fall": a.fall, "steps": step, "tokens_seen": seen,
               "corpus_tokens": len(flat), "begin": before(a.begin) if a.begin else None, "mean": a.mean, "seed": a.seed, "held_out": figures, "samples": shown}, file, indent=1)
