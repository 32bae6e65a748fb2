#!/usr/bin/env python3
"""Pretrain the small BERT and GPT that ship with the page, from nothing, in a few minutes of one GPU.

    python3 pretrain.py bert --text ../corpus/bert.txt.xz --out OUT --minutes 9
    python3 pretrain.py gpt  --text ../corpus/gpt.txt.xz  --out OUT --minutes 9

Writes a plain Hugging Face checkpoint (config.json, tokenizer.json, model.safetensors in f16) and eval.json: what was
trained, on how much, and how good it is on documents that it never saw. Runs on a CPU too, for hours rather than
minutes, and goes on where it was stopped (--state):

    python3 pretrain.py bert --text bert.txt.xz --out OUT --size micro --vocab 8192 --length 64 --tokens-per-step 2048 \
        --lr 1e-3 --causal .3 --mask .25 --minutes 150 --state STATE

BERT as in Devlin et al. 2018: masked-language-model loss (15 % of the pieces: 80 % [MASK], 10 % random, 10 % kept) plus
next-sentence loss on sentence pairs. GPT as in Radford et al. 2019: next-token loss under a causal mask.

Small budgets never leave BERT's first plateau (the frequencies of words): one masked piece in seven teaches too little.
`--causal` lets it predict the next token of everything first, through the same head under a causal mask (as in
Charpentier and Samuel 2024, "GPT or BERT: why not both?"), and `--mask` hides more than 15 % until the last fifth.
Even then the first block must learn for each position anew where its neighbours are: `look_around` gives BERT's position
table the values of sines and cosines to start from (Vaswani et al. 2017), and four heads of the first block the offsets
-1, 1, -2 and 2. All of it is trained further.
The learning rate rises, stays, and falls over the last fifth of the minutes. Minutes are of processor time on a CPU.
Text format: BERT's has a sentence a line, GPT's a paragraph a line; a blank line ends a document.
"""
import argparse, json, lzma, math, time, os, random
import numpy as np, torch, torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, decoders, trainers, processors
from transformers import BertConfig, BertForPreTraining, GPT2Config, GPT2LMHeadModel

SIZES = {  # hidden, layers, heads
    "tiny": (128, 2, 2), "micro": (192, 4, 6), "mini": (256, 6, 8), "small": (384, 8, 8)}
PAD, UNK, CLS, SEP, MASK = range(5)

ap = argparse.ArgumentParser()
ap.add_argument("task", choices=["bert", "gpt"]); ap.add_argument("--text", required=True); ap.add_argument("--out", required=True)
ap.add_argument("--minutes", type=float, default=9, help="of training; preparing the text comes on top")
ap.add_argument("--length", type=int, default=128, help="tokens in a sequence, but for the last fifth")
ap.add_argument("--causal", type=float, default=0, help="BERT: share of the minutes that predict the next token first")
ap.add_argument("--mask", type=float, default=.15, help="BERT: share of the pieces hidden, but for the last fifth")
ap.add_argument("--tokenizer", help="a tokenizer.json to use rather than make one")
ap.add_argument("--state", help="a folder that keeps the tokens and the state; what it holds is gone on with")
ap.add_argument("--size", choices=SIZES, default="mini"); ap.add_argument("--vocab", type=int, default=0)
ap.add_argument("--tokens-per-step", type=int, default=65536); ap.add_argument("--lr", type=float, default=1.5e-3)
ap.add_argument("--limit-mb", type=float, default=0, help="read only so much of the text (a trial run)")
ap.add_argument("--seed", type=int, default=0)
a = ap.parse_args()
random.seed(a.seed); torch.manual_seed(a.seed)
dev = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_float32_matmul_precision("high")
H, L, A = SIZES[a.size]
V = a.vocab or (16384 if a.task == "bert" else 8192)
MAXPOS = 256
say = lambda *x: print(f"{time.time() - T0:7.1f}s", *x, flush=True)
T0 = time.time()
clock = time.time if dev == "cuda" else time.process_time
if a.state: os.makedirs(a.state, exist_ok=True)
kept = lambda name: os.path.join(a.state, name) if a.state and os.path.exists(os.path.join(a.state, name)) else None

# ---- text -> documents -> ids ----------------------------------------------------------------------------------------
def prepare():
    """The tokenizer, all tokens, where each unit (a sentence; for GPT a document) begins, and the units of a document."""
    raw = (lzma.open(a.text, "rt", encoding="utf8") if a.text.endswith(".xz") else open(a.text, encoding="utf8")).read(
        int(a.limit_mb * 1e6) if a.limit_mb else -1)
    docs = [d.split("\n") for d in raw.split("\n\n") if d.strip()]
    del raw
    say(f"{len(docs)} documents")
    sample = random.sample(docs, min(len(docs), 60000))
    if a.tokenizer:
        tok = Tokenizer.from_file(a.tokenizer)
    elif a.task == "bert":
        tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
        tok.normalizer = normalizers.BertNormalizer(lowercase=True)
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer(); tok.decoder = decoders.WordPiece()
        tok.train_from_iterator((" ".join(d) for d in sample), trainers.WordPieceTrainer(
            vocab_size=V, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False))
        tok.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                                           special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)])
    else:
        tok = Tokenizer(models.BPE()); tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tok.decoder = decoders.ByteLevel(); tok.post_processor = processors.ByteLevel(trim_offsets=False)
        tok.train_from_iterator(("\n".join(d) for d in sample), trainers.BpeTrainer(
            vocab_size=V, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if a.task == "bert":
        units = [s for d in docs for s in d]; per_doc = [len(d) for d in docs]
    else:
        units = ["\n".join(d) + "<|endoftext|>" for d in docs]; per_doc = [1] * len(docs)
    del docs, sample
    ids, off = [], [0]
    for i in range(0, len(units), 20000):
        for e in tok.encode_batch_fast(units[i:i + 20000], add_special_tokens=False):
            ids.append(np.asarray(e.ids, np.int32)); off.append(off[-1] + len(e.ids))
    return tok.to_str(), torch.from_numpy(np.concatenate(ids)), off, per_doc

if kept("tokens.pt"):
    prepared = torch.load(kept("tokens.pt"))
else:
    prepared = prepare()
    if a.state: torch.save(prepared, os.path.join(a.state, "tokens.pt"))
tok = Tokenizer.from_str(prepared[0]); flat = prepared[1].to(dev); per_doc = prepared[3]
off = torch.tensor(prepared[2], device=dev); doc_end = torch.tensor(np.cumsum(per_doc), device=dev)   # in units
del prepared
doc_of = torch.repeat_interleave(torch.arange(len(per_doc), device=dev), torch.tensor(per_doc, device=dev))
n_docs = len(per_doc); held = max(1, n_docs // 100)                                             # the last 1 % is held out
say(f"{flat.numel() / 1e6:.1f} M tokens, vocabulary {tok.get_vocab_size()}")
V = tok.get_vocab_size()

# ---- batches, made on the device -------------------------------------------------------------------------------------
r = torch.rand
def randint(lo, hi, n): return torch.randint(lo, hi, (n,), device=dev)
first_held_unit = int(doc_end[n_docs - held - 1]); n_units = int(doc_end[-1])
unit_ids = torch.arange(n_units, device=dev)
has_next = unit_ids + 1 < doc_end[doc_of]
starts = {False: unit_ids[has_next & (unit_ids < first_held_unit)], True: unit_ids[has_next & (unit_ids >= first_held_unit)]}

def bert_batch(B, T, rate, heldout=False):
    pool = starts[heldout]; i = pool[randint(0, len(pool), B)]; end_u = doc_end[doc_of[i]]
    k = 1 + (r(B, device=dev) * torch.clamp(end_u - i - 1, max=4)).long()                      # sentences in A: 1..4
    k = torch.minimum(k, end_u - i - 1).clamp(min=1); j = i + k
    single = r(B, device=dev) < .15; rand = (r(B, device=dev) < .5) & ~single
    j = torch.where(rand, pool[randint(0, len(pool), B)], j)
    la = torch.minimum(off[i + k] - off[i], torch.full_like(i, T - 12))
    la = torch.where(single, la, torch.minimum(la, torch.full_like(la, 2 * T // 3)))
    lb = torch.where(single, torch.zeros_like(la), torch.minimum(off[doc_end[doc_of[j]]] - off[j], T - 3 - la))
    t = torch.arange(T, device=dev)[None]
    la, lb = la[:, None], lb[:, None]
    in_a = (t >= 1) & (t <= la); in_b = (t >= la + 2) & (t < la + 2 + lb)
    src = torch.where(in_a, off[i][:, None] + t - 1, torch.where(in_b, off[j][:, None] + t - la - 2, 0))
    x = torch.where(in_a | in_b, flat[src.clamp(0, flat.numel() - 1)].long(), torch.zeros_like(src))
    x = torch.where(t == 0, CLS, torch.where((t == la + 1) | ((lb > 0) & (t == la + 2 + lb)), SEP, x))
    length = torch.where(lb > 0, la + lb + 3, la + 2); att = (t < length).long(); seg = ((t >= la + 2) & (t < length)).long()
    M = max(1, int(rate * T)); score = r(B, T, device=dev) + (~(in_a | in_b)).float() * 2          # lowest: masked
    pos = score.topk(M, dim=1, largest=False).indices
    ok = score.gather(1, pos) < 1
    ok &= torch.arange(M, device=dev)[None] < (rate * length).round().clamp(min=1)
    y = x.gather(1, pos); u = r(B, M, device=dev)
    new = torch.where(u < .8, torch.full_like(y, MASK), torch.where(u < .9, torch.randint(5, V, y.shape, device=dev), y))
    x = x.scatter(1, pos, torch.where(ok, new, y))
    return x, att, seg, torch.where(single, -100, rand.long()), pos, torch.where(ok, y, -100)

split = int(off[n_docs - held] if a.task == "gpt" else off[first_held_unit])
def text_batch(B, T, heldout=False):
    """Running text, one token longer than T."""
    lo, hi = (split, flat.numel() - T - 1) if heldout else (0, split - T - 1)
    i = randint(lo, max(lo + 1, hi), B)
    return flat[i[:, None] + torch.arange(T + 1, device=dev)[None]].long()

# ---- model, loss -----------------------------------------------------------------------------------------------------
if a.task == "bert":
    m = BertForPreTraining(BertConfig(vocab_size=V, hidden_size=H, num_hidden_layers=L, num_attention_heads=A, intermediate_size=4 * H,
                                      max_position_embeddings=MAXPOS, hidden_dropout_prob=0., attention_probs_dropout_prob=0.))
else:
    m = GPT2LMHeadModel(GPT2Config(vocab_size=V, n_positions=MAXPOS, n_embd=H, n_layer=L, n_head=A, resid_pdrop=0., embd_pdrop=0.,
                                   attn_pdrop=0., bos_token_id=0, eos_token_id=0))
m.to(dev); params = sum(p.numel() for p in m.parameters())

def losses(T, B, rate=.15, causal=False, heldout=False):
    if a.task == "gpt" or causal:
        x = text_batch(B, T, heldout)
        if a.task == "gpt":
            z = m(x[:, :-1], use_cache=False).logits.float()
        else:
            below = torch.zeros(1, 1, T, T, device=dev).masked_fill(torch.ones(T, T, device=dev).triu(1) > 0, float("-inf"))
            z = m.cls.predictions(m.bert(input_ids=x[:, :-1], attention_mask=below.expand(B, 1, T, T), return_dict=False)[0]).float()
        return {"lm": F.cross_entropy(z.reshape(-1, V), x[:, 1:].reshape(-1))}, {}
    x, att, seg, nsp, pos, y = bert_batch(B, T, rate, heldout)
    h, pooled = m.bert(input_ids=x, attention_mask=att, token_type_ids=seg, return_dict=False)
    z = m.cls.predictions(h.gather(1, pos[..., None].expand(-1, -1, H))).float(); q = m.cls.seq_relationship(pooled).float()
    good = y >= 0; pair = nsp >= 0
    acc = {"mlm_top1": ((z.argmax(-1) == y) & good).sum() / good.sum(), "nsp_acc": ((q.argmax(-1) == nsp) & pair).sum() / pair.sum(),
           "mlm_top5": ((z.topk(5, -1).indices == y[..., None]).any(-1) & good).sum() / good.sum()}
    return {"mlm": F.cross_entropy(z.reshape(-1, V), y.reshape(-1), ignore_index=-100), "nsp": F.cross_entropy(q, nsp, ignore_index=-100)}, acc

opt = torch.optim.AdamW([{"params": [p for p in m.parameters() if p.dim() > 1], "weight_decay": .05},
                         {"params": [p for p in m.parameters() if p.dim() < 2], "weight_decay": 0.}], lr=a.lr, betas=(.9, .98), eps=1e-6)
say(f"{a.task} {a.size}: {params / 1e6:.2f} M parameters on {dev}")
@torch.no_grad()
def look_around():
    """Lets four heads of the first block begin with a look at the tokens beside: a turn by d positions is one rotation."""
    e, at = m.bert.embeddings, m.bert.encoder.layer[0].attention.self
    w = 2.8 * (.0123 / 2.8) ** (torch.arange(H // 2, device=dev) / (H // 2 - 1))        # radians a position, fast to slow
    turn = torch.arange(MAXPOS, device=dev)[:, None] * w
    e.position_embeddings.weight[:] = torch.stack([turn.sin(), turn.cos()], -1).flatten(1) * (2 * e.word_embeddings.weight.pow(2).mean()).sqrt()
    for head, d in enumerate([1, -1, 2, -2][:A]):
        own = slice(head * H // A, (head + 1) * H // A)
        for x in (at.query.weight, at.key.weight, at.query.bias, at.key.bias): x[own] = 0
        for i in range(H // A // 2):                                                  # every second pair of sine and cosine
            k, row, c, s = 4 * i, own.start + 2 * i, (w[2 * i] * d).cos(), (w[2 * i] * d).sin()
            if k + 1 >= H: break
            at.key.weight[row, k] = at.key.weight[row + 1, k + 1] = 2 ** .5
            at.query.weight[row, k] = at.query.weight[row + 1, k + 1] = 2 ** .5 * c
            at.query.weight[row, k + 1], at.query.weight[row + 1, k] = -2 ** .5 * s, 2 ** .5 * s

looks, step, seen, spent = a.task == "gpt", 0, 0, 0.
if kept("state.pt"):
    state = torch.load(kept("state.pt"), map_location=dev); looks, step, seen, spent = (state[k] for k in ("looks", "step", "seen", "spent"))
    m.load_state_dict(state["model"]); opt.load_state_dict(state["optimizer"])
    torch.manual_seed(a.seed + step); say(f"goes on after step {step}")
def keep(name="state.pt"):
    if a.state:
        state = {"model": m.state_dict(), "optimizer": opt.state_dict(), "looks": looks, "step": step, "seen": seen, "spent": spent}
        torch.save(state, os.path.join(a.state, "new")); os.replace(os.path.join(a.state, "new"), os.path.join(a.state, name))

started, t_said, t_kept, FALL = clock() - spent, 0., time.time(), .8
while (frac := (spent := clock() - started) / (60 * a.minutes)) < 1:
    last = frac >= FALL; T = MAXPOS if last else a.length; B = max(1, a.tokens_per_step // T); causal = a.task == "bert" and frac < a.causal
    if not looks and not causal: look_around(); looks = True
    for g in opt.param_groups: g["lr"] = a.lr * min(1, (step + 1) / 300) * min(1, .02 + (1 - frac) / (1 - FALL))
    with torch.autocast(dev, torch.bfloat16, enabled=dev == "cuda"): ls, _ = losses(T, B, .15 if last else a.mask, causal)
    loss = sum(ls.values()); opt.zero_grad(set_to_none=True); loss.backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.); opt.step(); step += 1; seen += B * T
    if time.time() - t_said > 15:
        t_said = time.time(); say(f"step {step} {seen / 1e6:.1f} M tokens {100 * frac:.1f} %", {k: round(float(v.detach()), 3) for k, v in ls.items()})
    if time.time() - t_kept > 240: keep(); t_kept = time.time()
keep()

# ---- held-out figures, samples, checkpoint -----------------------------------------------------------------------------
m.eval(); tot = {}
with torch.no_grad():
    n = 40 if dev == "cuda" else max(4, 400_000 // a.tokens_per_step)
    for _ in range(n):
        ls, acc = losses(128, max(1, a.tokens_per_step // 4 // 128), heldout=True)
        for k, v in {**ls, **acc}.items(): tot[k] = tot.get(k, 0) + float(v) / n
if a.task == "gpt": tot["perplexity"] = math.exp(tot["lm"])
m.float().cpu(); shown = []
with torch.no_grad():
    if a.task == "bert":
        for s in ["The capital of France is [MASK].", "The [MASK] barked at the cat.", "She drank a cup of [MASK].", "He is a [MASK] player.",
                  "Paris is the capital of [MASK].", "Water is made of hydrogen and [MASK].", "The children [MASK] in the garden."]:
            e = tok.encode(s); p = m(torch.tensor([e.ids])).prediction_logits[0, e.tokens.index("[MASK]")].softmax(-1).topk(5)
            shown.append([s, [[tok.id_to_token(int(i)), round(float(v), 3)] for v, i in zip(*p)]])
    else:
        for s in ["Once upon a time", "The king said to his daughter,", "Water is", "In the morning the children"]:
            o = m.generate(torch.tensor([tok.encode(s).ids]), max_new_tokens=48, do_sample=True, top_k=40, temperature=.8, pad_token_id=0)
            shown.append([s, tok.decode(o[0].tolist())])
os.makedirs(a.out, exist_ok=True)
m.half().save_pretrained(a.out); tok.save(os.path.join(a.out, "tokenizer.json"))
json.dump({"task": a.task, "size": a.size, "parameters": params, "device": torch.cuda.get_device_name() if dev == "cuda" else "cpu",
           "minutes": a.minutes, "length": a.length, "causal": a.causal, "mask": a.mask, "steps": step, "tokens_seen": seen, "corpus_tokens": int(flat.numel()), "seed": a.seed,
           "held_out": {k: round(v, 4) for k, v in tot.items()}, "samples": shown}, open(os.path.join(a.out, "eval.json"), "w"), indent=1)
say("held out", {k: round(v, 3) for k, v in tot.items()})
for s in shown: say(s)
