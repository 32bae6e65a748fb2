#!/usr/bin/env python3
"""Evaluate checkpoints of one family side by side, on the documents that their training held out.

    python3 evaluate.py FOLDER... --text bert.txt.xz
    python3 evaluate.py FOLDER... --text gpt.txt.xz

In f32 arithmetic, with transformers' own classes, on the CPU or CUDA, from a fixed seed, so that all checkpoints (say, one in
f16 and the same in int8) see the same batches. `--state FOLDER` takes the tokens that pretrain.py left there, and does not
read the text. Prints a table, and writes all of it to the last FOLDER's eval.json: under "evaluations", by the weights' type.

BERT: masked pieces, 15 % of sequences of 128 made as pretrain.py makes them: the right one among the first 1 and 5, and the
loss; next sentence; and the cloze questions of probe.tsv, where the rank of the answer is among the whole vocabulary.
GPT: loss in stretches of 256 tokens, which no token is in twice, and continuations of fixed prompts, shown as they come.

± is half of a 95 % confidence interval. Words of one document are not independent of each other, so the documents are what
varies in it (linearised ratio estimate), except for the probe, where the questions are.
"""
import argparse, json, lzma, math, pathlib, platform, shlex, sys
import numpy as np, safetensors, tokenizers, torch, torch.nn.functional as F, transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, BertForPreTraining, GenerationConfig, GPT2LMHeadModel
from documents import MASK, Documents
from quantise import fill, opened

SEED = 1
SEQUENCES, T_BERT = 2560, 128  # about 40,000 masked pieces and 2,176 pairs
WINDOWS, T_GPT = 512, 256      # 131,072 tokens
BATCH = 32
Z95 = 1.96
PROBE = pathlib.Path(__file__).parent / "probe.tsv"
PROMPTS = [
    "The old fisherman looked at the sky and", "When the bell rang, the pupils", "There was once a poor woodcutter who",
    "The largest planet in the solar system is", "She opened the letter and read:", "The war began in", "On the way home, Tom",
    "Bread is made of", "“Where have you been?” asked", "The city lies on the river", "A little mouse lived in",
    "In the middle of the night", "The scientist was born in", "My grandmother always said that", "The ship sailed",
    "If it rains tomorrow,", "The elephant is", "Then the queen turned to the boy and", "Many people believe that",
    "It was a cold winter, and the wolves"]
SAMPLING = {"do_sample": True, "temperature": .8, "top_k": 40, "top_p": 1., "max_new_tokens": 40, "bos_token_id": 0,
            "eos_token_id": 0, "pad_token_id": 0}


# ---- the held-out documents ------------------------------------------------------------------------------------------
def held_out(a, tok, bert):
    """The tokens of the last 1 % of the documents, how many each unit has, and how many units each document has.

    As pretrain.py's `prepare`: a unit is a sentence for BERT, a document for GPT."""
    if a.state:
        kept = np.load(pathlib.Path(a.state) / "tokens.npz")
        if json.loads(str(kept["tokenizer"])) != json.loads(tok.to_str()):
            sys.exit(f"{a.state} has tokens of another tokenizer")
        per_doc = kept["per_doc"]; per_doc = per_doc[-max(1, len(per_doc) // 100):]
        per_unit = kept["per_unit"][-int(per_doc.sum()):]
        return kept["tokens"][-int(per_unit.sum()):], per_unit, per_doc
    with (lzma.open if a.text.endswith(".xz") else open)(a.text, "rb") as file:
        docs = [d.split("\n") for d in file.read().decode().split("\n\n") if d.strip()]
    docs = docs[-max(1, len(docs) // 100):]
    units = [s for d in docs for s in d] if bert else ["\n".join(d) + "<|endoftext|>" for d in docs]
    ids = [np.asarray(e.ids, np.uint16) for e in tok.encode_batch_fast(units, add_special_tokens=False)]
    return np.concatenate(ids), np.asarray([len(x) for x in ids]), np.asarray([len(d) if bert else 1 for d in docs])


def gpt_batches(documents):
    """Stretches of tokens, the tokens that follow each, and the documents of those."""
    flat, dev = documents.flat.long(), documents.dev
    begin = torch.randperm((len(flat) - 1) // T_GPT, device=dev)[:WINDOWS, None] * T_GPT + torch.arange(T_GPT, device=dev)
    doc = torch.repeat_interleave(torch.arange(documents.count, device=dev), torch.diff(documents.off))
    return [(flat[at], flat[at + 1], doc[at + 1]) for at in begin.split(BATCH)]


class Share:
    """A mean of many values, with half of its 95 % interval, where the values come in documents."""

    def __init__(self, documents):
        self.sums = torch.zeros(documents, 2, dtype=torch.float64)

    def add(self, values, weights, documents):
        """Sums of values, the weight that each of them stands for, and the document that it is from."""
        both = torch.stack([values.double(), weights.double()], -1).reshape(-1, 2)
        self.sums.index_add_(0, documents.reshape(-1).cpu(), both.cpu())

    def figures(self):
        sums = self.sums[(self.sums != 0).any(1)]
        total, weight = sums.sum(0).tolist()
        mean, n = total / weight, len(sums)
        residue = (sums[:, 0] - mean * sums[:, 1]).pow(2).sum().item() * n / max(1, n - 1)
        return {"value": round(mean, 5), "half_width": round(Z95 * math.sqrt(residue) / weight, 5), "of": round(weight), "documents": n}


# ---- a checkpoint ----------------------------------------------------------------------------------------------------
def model(folder, dev):
    config = AutoConfig.from_pretrained(folder)
    m = {"bert": BertForPreTraining, "gpt2": GPT2LMHeadModel}[config.model_type](config).float()
    return fill(m, opened(folder)).to(dev)


def weights_type(folder):
    with safetensors.safe_open(pathlib.Path(folder) / "model.safetensors", "np") as file:
        types = {file.get_slice(key).get_dtype() for key in file.keys()}
    return "int8" if "I8" in types else "/".join(sorted(types)).lower()


@torch.no_grad()
def bert_figures(m, tok, documents):
    V = tok.get_vocab_size(); torch.manual_seed(SEED)
    names = ("mlm_top1", "mlm_top5", "mlm_loss", "nsp_accuracy")
    shares = {name: Share(documents.count) for name in names}
    for _ in range(SEQUENCES // BATCH):
        x, attended, seg, is_other, pos, y, doc = documents.bert_batch(documents.starts, BATCH, T_BERT, V, .15)
        h, pooled = m.bert(input_ids=x, attention_mask=attended.long(), token_type_ids=seg, return_dict=False)
        z = m.cls.predictions(h.gather(1, pos[..., None].expand(-1, -1, h.shape[-1])))
        nats = F.cross_entropy(z.reshape(-1, V), y.reshape(-1), ignore_index=-100, reduction="none").view_as(y)
        right = z.topk(5, -1).indices == y[..., None]
        of_piece = doc[:, None].expand_as(y)
        for name, values in zip(names, (right[..., 0], right.any(-1), nats)):
            shares[name].add(values * (y >= 0), y >= 0, of_piece)
        is_pair = is_other >= 0
        shares["nsp_accuracy"].add((m.cls.seq_relationship(pooled).argmax(-1) == is_other) * is_pair, is_pair, doc)
    return {"held_out": {name: share.figures() for name, share in shares.items()}, "probe": probe(m, tok, documents.dev)}


def probe(m, tok, dev):
    answers = []
    for row in PROBE.read_text(encoding="utf-8").splitlines()[1:]:
        kind, sentence, answer = row.split("\t")
        right, e = tok.token_to_id(answer), tok.encode(sentence)
        if right is None: sys.exit(f"probe: {answer} is no piece of this vocabulary")
        z = m(torch.tensor([e.ids], device=dev)).prediction_logits[0, e.ids.index(MASK)]
        answers.append({"kind": kind, "sentence": sentence, "answer": answer, "rank": 1 + int((z > z[right]).sum()),
                        "probability": round(float(z.softmax(-1)[right]), 4), "first": tok.id_to_token(int(z.argmax()))})
    shares = {}
    for kind in [*dict.fromkeys(x["kind"] for x in answers), "all"]:
        ranks = [x["rank"] for x in answers if kind in (x["kind"], "all")]
        shares[kind] = {"questions": len(ranks), "median_rank": float(np.median(ranks))}
        for name, limit in (("top1", 1), ("top5", 5)):
            p = sum(rank <= limit for rank in ranks) / len(ranks)
            shares[kind][name] = {"value": round(p, 4), "half_width": round(Z95 * math.sqrt(p * (1 - p) / len(ranks)), 4)}
    return {"shares": shares, "answers": answers}


@torch.no_grad()
def gpt_figures(m, tok, documents):
    # GPT-2's alphabet has a character for each byte, so that a token's name is as long as its bytes. The token that ends a
    # document stands for no bytes of the text, but its loss counts.
    V, special = tok.get_vocab_size(), tok.token_to_id("<|endoftext|>")
    length = torch.tensor([0 if i == special else len(tok.id_to_token(i)) for i in range(V)], device=documents.dev)
    torch.manual_seed(SEED)
    per_token, per_byte = Share(documents.count), Share(documents.count)
    for x, y, doc in gpt_batches(documents):
        nats = F.cross_entropy(m(x).logits.reshape(-1, V), y.reshape(-1), reduction="none").view_as(y)
        per_token.add(nats, torch.ones_like(y), doc)
        per_byte.add(nats / math.log(2), length[y], doc)
    loss, bits = per_token.figures(), per_byte.figures()
    samples = []
    for i, prompt in enumerate(PROMPTS):
        torch.manual_seed(SEED + i)  # the same for each checkpoint, another for each prompt, or all draw alike
        x = torch.tensor([tok.encode(prompt).ids], device=documents.dev)
        o = m.generate(x, attention_mask=torch.ones_like(x), generation_config=GenerationConfig(**SAMPLING))
        samples.append({"prompt": prompt, "continuation": tok.decode(o[0, x.shape[1]:].tolist(), skip_special_tokens=False)})
    return {"held_out": {"loss": loss, "perplexity": round(math.exp(loss["value"]), 3), "bits_per_byte": bits,
                         "perplexity_per_byte": round(2 ** bits["value"], 4)}, "sampling": SAMPLING, "samples": samples}


# ---- all of them, side by side ---------------------------------------------------------------------------------------
def table(heads, rows):
    rows = [["", *heads], *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))


def shown(figure, percent):
    if not isinstance(figure, dict): return f"{figure:.4g}"
    return "{:.1f} ± {:.1f} %".format(100 * figure["value"], 100 * figure["half_width"]) if percent else "{:.4f} ± {:.4f}".format(figure["value"], figure["half_width"])


def report(folders, results):
    heads = [f"{pathlib.Path(folder).name} {r['weights']}" for folder, r in zip(folders, results)]
    row = lambda name, find, percent: [name, *(shown(find(r), percent) for r in results)]
    first = results[0]
    rows = [row(name, lambda r: r["held_out"][name], name.endswith(("1", "5", "accuracy"))) for name in first["held_out"]]
    for kind in first.get("probe", {}).get("shares", {}):
        for name in ("top1", "top5"):
            rows.append(row(f"probe, {kind}, {name}", lambda r: r["probe"]["shares"][kind][name], True))
    table(heads, rows)
    counts = ", ".join(f"{name} {x['of']} in {x['documents']} documents" for name, x in first["held_out"].items() if isinstance(x, dict))
    print(f"of: {counts}")
    for i, sample in enumerate(first.get("samples", [])):
        print(f"\n{sample['prompt']}")
        for head, r in zip(heads, results):
            print(f"  {head}: …{r['samples'][i]['continuation']!r}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folders", nargs="+", metavar="FOLDER")
    ap.add_argument("--text", help="the text that the models were trained on")
    ap.add_argument("--state", help="the folder of pretrain.py's --state: its tokens.npz is read in the text's place")
    a = ap.parse_args()
    if not (a.text or a.state): ap.error("give --text or --state")
    toks = [Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json")) for folder in a.folders]
    families = {AutoConfig.from_pretrained(folder).model_type for folder in a.folders}
    if len(families) > 1 or len({tok.to_str() for tok in toks}) > 1:
        ap.error("the checkpoints have to be of one family, with one tokenizer")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    dev, bert, tok = "cuda" if torch.cuda.is_available() else "cpu", families == {"bert"}, toks[0]
    documents = Documents(*held_out(a, tok, bert), dev)
    about = {"command": shlex.join(["python3", pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]), "seed": SEED,
             "device": torch.cuda.get_device_name() if dev == "cuda" else "cpu", "arithmetic": "f32",
             "versions": {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
                          "tokenizers": tokenizers.__version__, "numpy": np.__version__}}
    results = []
    for folder in a.folders:
        figures = (bert_figures if bert else gpt_figures)(model(folder, dev), tok, documents)
        results.append({"weights": weights_type(folder), **about, **figures})
    path = pathlib.Path(a.folders[-1]) / "eval.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    after = {**before, "evaluations": {result["weights"]: result for result in results}}
    path.write_text(json.dumps(after, indent=1, ensure_ascii=False), encoding="utf-8")
    report(a.folders, results)


if __name__ == "__main__":
    main()
