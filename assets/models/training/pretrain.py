#!/usr/bin/env python3
"""Pretrain the small BERT and GPT that ship with the page, from nothing, in a few minutes of one GPU.

    python3 pretrain.py bert --text ../corpus/bert.txt.xz --out OUT --minutes 9
    python3 pretrain.py gpt  --text ../corpus/gpt.txt.xz  --out OUT --minutes 9

Writes a plain Hugging Face checkpoint (config.json, tokenizer.json, model.safetensors in f16) and eval.json: what was
trained, on how much, and how good it is on documents that it never saw. Runs on a CPU too, only slower (--size tiny).

BERT as in Devlin et al. 2018: masked-language-model loss (15 % of the pieces: 80 % [MASK], 10 % random, 10 % kept) plus
next-sentence loss on sentence pairs. GPT as in Radford et al. 2019: next-token loss under a causal mask.
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

# ---- text -> documents -> ids ----------------------------------------------------------------------------------------
raw = (lzma.open(a.text, "rt", encoding="utf8") if a.text.endswith(".xz") else open(a.text, encoding="utf8")).read(
    int(a.limit_mb * 1e6) if a.limit_mb else -1)
docs = [d.split("\n") for d in raw.split("\n\n") if d.strip()]
del raw
say(f"{len(docs)} documents")
sample = random.sample(docs, min(len(docs), 60000))
if a.task == "bert":
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer(); tok.decoder = decoders.WordPiece()
    tok.train_from_iterator((" ".join(d) for d in sample), trainers.WordPieceTrainer(
        vocab_size=V, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                                       special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)])
    units = [s for d in docs for s in d]; per_doc = [len(d) for d in docs]
else:
    tok = Tokenizer(models.BPE()); tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel(); tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.train_from_iterator(("\n".join(d) for d in sample), trainers.BpeTrainer(
        vocab_size=V, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    units = ["\n".join(d) + "<|endoftext|>" for d in docs]; per_doc = [1] * len(docs)
del docs, sample
ids, off = [], [0]
for i in range(0, len(units), 20000):
    for e in tok.encode_batch_fast(units[i:i + 20000], add_special_tokens=False):
        ids.append(np.asarray(e.ids, np.int32)); off.append(off[-1] + len(e.ids))
del units
flat = torch.from_numpy(np.concatenate(ids)).to(dev); del ids
off = torch.tensor(off, device=dev); doc_end = torch.tensor(np.cumsum(per_doc), device=dev)   # in units
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

def bert_batch(B, T, heldout=False):
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
    M = max(1, int(.15 * T)); score = r(B, T, device=dev) + (~(in_a | in_b)).float() * 2          # lowest: masked
    pos = score.topk(M, dim=1, largest=False).indices
    ok = score.gather(1, pos) < 1
    ok &= torch.arange(M, device=dev)[None] < (.15 * length).round().clamp(min=1)
    y = x.gather(1, pos); u = r(B, M, device=dev)
    new = torch.where(u < .8, torch.full_like(y, MASK), torch.where(u < .9, torch.randint(5, V, y.shape, device=dev), y))
    x = x.scatter(1, pos, torch.where(ok, new, y))
    return x, att, seg, torch.where(single, -100, rand.long()), pos, torch.where(ok, y, -100)

gpt_split = int(off[n_docs - held]) if a.task == "gpt" else 0
def gpt_batch(B, T, heldout=False):
    lo, hi = (gpt_split, flat.numel() - T - 1) if heldout else (0, gpt_split - T - 1)
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

def losses(T, B, heldout=False):
    if a.task == "gpt":
        x = gpt_batch(B, T, heldout); z = m(x[:, :-1], use_cache=False).logits.float()
        return {"lm": F.cross_entropy(z.reshape(-1, V), x[:, 1:].reshape(-1))}, {}
    x, att, seg, nsp, pos, y = bert_batch(B, T, heldout)
    h, pooled = m.bert(input_ids=x, attention_mask=att, token_type_ids=seg, return_dict=False)
    z = m.cls.predictions(h.gather(1, pos[..., None].expand(-1, -1, H))).float(); q = m.cls.seq_relationship(pooled).float()
    good = y >= 0; pair = nsp >= 0
    acc = {"mlm_top1": ((z.argmax(-1) == y) & good).sum() / good.sum(), "nsp_acc": ((q.argmax(-1) == nsp) & pair).sum() / pair.sum(),
           "mlm_top5": ((z.topk(5, -1).indices == y[..., None]).any(-1) & good).sum() / good.sum()}
    return {"mlm": F.cross_entropy(z.reshape(-1, V), y.reshape(-1), ignore_index=-100), "nsp": F.cross_entropy(q, nsp, ignore_index=-100)}, acc

opt = torch.optim.AdamW([{"params": [p for p in m.parameters() if p.dim() > 1], "weight_decay": .05},
                         {"params": [p for p in m.parameters() if p.dim() < 2], "weight_decay": 0.}], lr=a.lr, betas=(.9, .98), eps=1e-6)
say(f"{a.task} {a.size}: {params / 1e6:.2f} M parameters on {dev}")
start, step, seen, ema, t_last = time.time(), 0, 0, {}, 0.
while (frac := (time.time() - start) / (60 * a.minutes)) < 1:
    T = 128 if frac < .8 else MAXPOS; B = max(1, a.tokens_per_step // T)
    for g in opt.param_groups: g["lr"] = a.lr * min(1, (step + 1) / 300) * (.02 + .98 * .5 * (1 + math.cos(math.pi * frac)))
    with torch.autocast(dev, torch.bfloat16, enabled=dev == "cuda"): ls, _ = losses(T, B)
    loss = sum(ls.values()); opt.zero_grad(set_to_none=True); loss.backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.); opt.step(); step += 1; seen += B * T
    if time.time() - t_last > 15:
        t_last = time.time(); say(f"step {step} {seen / 1e6:.0f} M tokens", {k: round(float(v), 3) for k, v in ls.items()})

# ---- held-out figures, samples, checkpoint -----------------------------------------------------------------------------
m.eval(); tot = {}
with torch.no_grad():
    n = 40 if dev == "cuda" else 4
    for _ in range(n):
        ls, acc = losses(128, max(1, a.tokens_per_step // 4 // 128), True)
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
           "minutes": a.minutes, "steps": step, "tokens_seen": seen, "corpus_tokens": int(flat.numel()), "seed": a.seed,
           "held_out": {k: round(v, 4) for k, v in tot.items()}, "samples": shown}, open(os.path.join(a.out, "eval.json"), "w"), indent=1)
say("held out", {k: round(v, 3) for k, v in tot.items()})
for s in shown: say(s)
