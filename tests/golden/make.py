#!/usr/bin/env python3
"""Make the reference values that the tests compare Cloze with.

    python3 make.py small               the checkpoints with random weights, and their references
    python3 make.py embedded [MODELS]   the references of the page's own models (assets/models unless given)
    python3 make.py tokenizers          300 lines of text as the Python tokenizers split them

Needs torch, transformers, tokenizers, safetensors and numpy; the versions that were used stand in each golden.json. The
same versions write the same bytes again on the same processor: every seed is fixed, and one thread adds in one order.

`small` writes checkpoints/<name>/ with config.json, tokenizer.json and model.safetensors as a Hugging Face folder has
them, of shapes and spellings as unlike as files in the wild. `embedded` writes embedded/{bert,gpt}/ here, and
selfcheck.json beside each model: what the page compares itself with when it loads.

Beside each checkpoint lie golden.json (the texts and their tokens) and golden.safetensors (`<case>/<hook>`: each
activation of src/trace/hook.rs). The numbers come from Hugging Face transformers in f32 (those of the page's own models in
f64, since its GPT has numbers of 300, which f32 tells apart by 3e-5 only), read off its own modules by forward hooks;
scores and masks, which it keeps to itself, are computed from its queries and keys.
"""
import argparse
import json
import math
import os
import pathlib
import struct
import sys
from collections import Counter

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertForPreTraining, BertModel, DistilBertConfig, DistilBertForMaskedLM, DistilBertModel,
                          GPT2Config, GPT2LMHeadModel, GPTNeoConfig, GPTNeoForCausalLM, RobertaConfig, RobertaForMaskedLM,
                          RobertaModel)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "assets" / "models" / "training"))
import quantise

SEED = 20261124
VERSIONS = {m.__name__: m.__version__.split("+")[0] for m in (torch, transformers, tokenizers, safetensors, np)}
SPECIAL = {"bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "gpt": ["<|endoftext|>"],
           "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]}

SENTENCES = """The cat sat on the mat and looked at the rain outside.
A dog barked at the cat, and the cat ran up the tree.
The baker's bread was warm; the children waited for it at the door.
Once upon a time there was a king who had three daughters.
She drank a cup of coffee at the café near the river.
Water is made of hydrogen and oxygen, isn't it?
The old man walked slowly across the bridge in the morning.
Nobody knew where the train was going, but everybody was on it.
It rained all night, and in the morning the river was high.
The king said to his daughter: "Take the bread and go home."
Two birds sang in the tree while the children played below.
He opened the door, looked outside, and closed it again.
我们 在 河 边 喝 咖啡. Ein Mädchen läuft über die Brücke. Voilà, ça va."""


# ---- tokens ----------------------------------------------------------------------------------------------------------
def wordpiece(size):
    """Single characters and the commonest longer pieces. (The library's own training breaks ties at random.)"""
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = [word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(SENTENCES))]
    characters = sorted(set("".join(words)))
    alphabet = characters + ["##" + c for c in sorted({c for word in words for c in word[1:]})]
    counts = Counter()
    for word in words:
        for start in range(len(word)):
            for end in range(start + 2, len(word) + 1):
                counts[("##" if start else "") + word[start:end]] += end - start
    common = sorted(counts, key=lambda piece: (-counts[piece], piece))
    pieces = (SPECIAL["bert"] + alphabet + common)[:size]
    tok = Tokenizer(models.WordPiece({piece: id for id, piece in enumerate(pieces)}, unk_token="[UNK]",
                                     max_input_chars_per_word=100))
    tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizer, pre_tokenizer, decoders.WordPiece()
    tok.add_special_tokens(SPECIAL["bert"])
    return tok


def byte_level(size, special=SPECIAL["gpt"]):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(SENTENCES.split("\n"), trainer)
    return tok


def marked(size):
    """RoBERTa's: the mask takes the space before it."""
    tok = byte_level(size, SPECIAL["roberta"])
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    # For the spans: without the spaces before words.
    tok.post_processor = processors.RobertaProcessing(("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")),
                                                      trim_offsets=True, add_prefix_space=False)
    return tok


def tokens_of(tok, family, text, text_b=None):
    """The tokens as src/trace/run.rs describes them; spans in bytes."""
    if family == "bert" and tok.token_to_id("[CLS]") is None:
        family, text = "roberta", text.replace("[MASK]", "<mask>")
    special_ids = {tok.token_to_id(piece) for piece in SPECIAL[family] if piece != "[UNK]"}
    tokens, words = [], 0

    def added(piece, at, segment):
        tokens.append({"id": tok.token_to_id(piece), "piece": piece, "start": at, "end": at, "word": None,
                       "special": True, "segment": segment})

    def place(text, segment):
        nonlocal words
        encoding = tok.encode(text, add_special_tokens=False)
        last = None
        for id, (start, end), word in zip(encoding.ids, encoding.offsets, encoding.word_ids):
            piece = tok.id_to_token(id)
            special = id in special_ids
            if family != "bert" and not special:
                piece = tok.decoder.decode([piece])
            if family == "bert":
                begins = last is None or word != last[0]
            else:
                begins = last is None or special or last[1] or piece[:1].isspace()
            words += begins
            last = (word, special)
            start += special and len(text[start:end]) - len(text[start:end].lstrip())
            tokens.append({"id": id, "piece": piece, "start": len(text[:start].encode()), "end": len(text[:end].encode()),
                           "word": words - 1, "special": special, "segment": segment})
        return len(text.encode())

    if family == "gpt":
        place(text, 0)
        return tokens
    cls, sep = ("[CLS]", "[SEP]") if family == "bert" else ("<s>", "</s>")
    added(cls, 0, 0)
    added(sep, place(text, 0), 0)
    if text_b is not None:
        if family == "roberta":
            added(sep, 0, 1)
        added(sep, place(text_b, 1), 1)
    return tokens


# ---- activations -----------------------------------------------------------------------------------------------------
class Tap:
    """Keeps what goes into and comes out of modules while a model runs."""

    def __init__(self):
        self.seen, self.handles = {}, []

    def on(self, name, module, what="output"):
        def keep(_module, args, output):
            value = args[0] if what == "input" else output
            if isinstance(value, tuple):
                value = value[1 if what == "weights" else 0]
            self.seen[name] = value.detach()[0].clone()
        self.handles.append(module.register_forward_hook(keep))

    def close(self):
        for handle in self.handles:
            handle.remove()


def attention(seen, layer, q, k, v, heads, scaling, causal, window=None):
    """Names an attention's parts, each `[position, head, head size]` or `[head, query, key]`."""
    at = f"blocks.{layer}.attn."
    split = lambda x: x.reshape(len(x), heads, -1)
    q, k, v = split(q), split(k), split(v)
    scores = torch.einsum("qhd,khd->hqk", q, k) * scaling
    mask = torch.ones(len(q), len(q))
    mask = mask.tril() if causal else mask
    mask = mask - mask.tril(-window) if window else mask
    # What transformers computed from them must be what they imply, or the hooks sit in the wrong places.
    implied = scores.masked_fill(mask == 0, -math.inf).softmax(-1)
    assert torch.allclose(implied, seen[at + "hook_pattern"], atol=1e-5)
    seen |= {at + "hook_q": q, at + "hook_k": k, at + "hook_v": v, at + "hook_attn_scores": scores, at + "hook_mask": mask,
             at + "hook_z": split(seen[at + "hook_z"])}


@torch.no_grad()
def bert_activations(model, tokens):
    """Of a BERT or a RoBERTa, which are built alike."""
    headless = isinstance(model, (BertModel, RobertaModel))
    bert = model if headless else model.roberta if isinstance(model, RobertaForMaskedLM) else model.bert
    tap = Tap()
    e = bert.embeddings
    tap.on("hook_embed", e.word_embeddings)
    tap.on("hook_pos_embed", e.position_embeddings)
    tap.on("hook_token_type_embed", e.token_type_embeddings)
    tap.on("hook_embed_sum", e.LayerNorm, "input")
    for l, block in enumerate(bert.encoder.layer):
        at, self_attention = f"blocks.{l}.", block.attention.self
        tap.on(at + "hook_resid_pre", block, "input")
        tap.on(at + "q", self_attention.query)
        tap.on(at + "k", self_attention.key)
        tap.on(at + "v", self_attention.value)
        tap.on(at + "attn.hook_pattern", self_attention, "weights")
        tap.on(at + "attn.hook_z", block.attention.output.dense, "input")
        tap.on(at + "hook_attn_out", block.attention.output.dense)
        tap.on(at + "hook_resid_mid", block.attention.output)
        tap.on(at + "hook_mlp_out", block.output.dense)
        tap.on(at + "hook_resid_post", block)
    out = model(input_ids=torch.tensor([[t["id"] for t in tokens]]),
                token_type_ids=torch.tensor([[t["segment"] for t in tokens]]),
                attention_mask=torch.ones(1, len(tokens), dtype=torch.long))
    tap.close()
    seen = tap.seen
    heads, causal = bert.config.num_attention_heads, False
    for l, block in enumerate(bert.encoder.layer):
        q, k, v = (seen.pop(f"blocks.{l}.{part}") for part in "qkv")
        attention(seen, l, q, k, v, heads, block.attention.self.scaling, causal)
    seen["ln_final.hook_normalized"] = seen[f"blocks.{len(bert.encoder.layer) - 1}.hook_resid_post"].clone()
    if headless:
        seen["pooler.hook_pooler_out"] = out.pooler_output[0]
    elif isinstance(model, RobertaForMaskedLM):
        seen["logits"] = out.logits[0]
    else:
        seen["logits"] = out.prediction_logits[0]
        seen["pooler.hook_pooler_out"] = bert.pooler(seen["ln_final.hook_normalized"][None])[0]
        seen["nsp_head.hook_nsp_out"] = out.seq_relationship_logits[0]
    return seen


@torch.no_grad()
def distilbert_activations(model, tokens):
    distilbert = model if isinstance(model, DistilBertModel) else model.distilbert
    tap = Tap()
    e = distilbert.embeddings
    tap.on("hook_embed", e.word_embeddings)
    tap.on("hook_pos_embed", e.position_embeddings)
    tap.on("hook_embed_sum", e.LayerNorm, "input")
    for l, block in enumerate(distilbert.transformer.layer):
        at = f"blocks.{l}."
        tap.on(at + "hook_resid_pre", block, "input")
        tap.on(at + "q", block.attention.q_lin)
        tap.on(at + "k", block.attention.k_lin)
        tap.on(at + "v", block.attention.v_lin)
        tap.on(at + "attn.hook_pattern", block.attention, "weights")
        tap.on(at + "attn.hook_z", block.attention.out_lin, "input")
        tap.on(at + "hook_attn_out", block.attention.out_lin)
        tap.on(at + "hook_resid_mid", block.sa_layer_norm)
        tap.on(at + "hook_mlp_out", block.ffn)
        tap.on(at + "hook_resid_post", block)
    out = model(input_ids=torch.tensor([[t["id"] for t in tokens]]), attention_mask=torch.ones(1, len(tokens), dtype=torch.long))
    tap.close()
    seen = tap.seen
    for l, block in enumerate(distilbert.transformer.layer):
        q, k, v = (seen.pop(f"blocks.{l}.{part}") for part in "qkv")
        attention(seen, l, q, k, v, block.attention.n_heads, block.attention.scaling, causal=False)
    seen["ln_final.hook_normalized"] = seen[f"blocks.{len(distilbert.transformer.layer) - 1}.hook_resid_post"].clone()
    if model is not distilbert:
        seen["logits"] = out.logits[0]
    return seen


@torch.no_grad()
def gpt_activations(model, tokens):
    neo = isinstance(model, GPTNeoForCausalLM)
    tap = Tap()
    tap.on("hook_embed", model.transformer.wte)
    tap.on("hook_pos_embed", model.transformer.wpe)
    for l, block in enumerate(model.transformer.h):
        at = f"blocks.{l}."
        tap.on(at + "hook_resid_pre", block, "input")
        if neo:
            tap.on(at + "q", block.attn.attention.q_proj)
            tap.on(at + "k", block.attn.attention.k_proj)
            tap.on(at + "v", block.attn.attention.v_proj)
        else:
            tap.on(at + "qkv", block.attn.c_attn)
        tap.on(at + "attn.hook_pattern", block.attn, "weights")
        tap.on(at + "attn.hook_z", block.attn.attention.out_proj if neo else block.attn.c_proj, "input")
        tap.on(at + "hook_attn_out", block.attn)
        tap.on(at + "hook_resid_mid", block.ln_2, "input")
        tap.on(at + "hook_mlp_out", block.mlp)
        tap.on(at + "hook_resid_post", block)
    tap.on("ln_final.hook_normalized", model.transformer.ln_f)
    out = model(input_ids=torch.tensor([[t["id"] for t in tokens]]), use_cache=False)
    tap.close()
    seen = tap.seen
    # wpe is looked up for one row of positions, so that its hook saw exactly that row.
    seen["hook_pos_embed"] = seen["hook_pos_embed"].reshape(len(tokens), -1)
    seen["hook_embed_sum"] = seen["blocks.0.hook_resid_pre"].clone()
    for l, block in enumerate(model.transformer.h):
        if neo:
            q, k, v = (seen.pop(f"blocks.{l}.{part}") for part in "qkv")
            window = model.config.window_size if block.attn.attention_type == "local" else None
            attention(seen, l, q, k, v, model.config.num_heads, 1.0, causal=True, window=window)
        else:
            q, k, v = seen.pop(f"blocks.{l}.qkv").split(model.config.n_embd, dim=-1)
            attention(seen, l, q, k, v, model.config.n_head, block.attn.scaling, causal=True)
    seen["logits"] = out.logits[0]
    return seen


def save(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # the library makes it private


def write_golden(folder, family, model, tok, cases):
    """`cases`: lists of id, text and perhaps a second text."""
    model.eval()
    distilled = isinstance(model, (DistilBertModel, DistilBertForMaskedLM))
    run = distilbert_activations if distilled else bert_activations if family == "bert" else gpt_activations
    described, values = [], {}
    for id, text, *rest in cases:
        tokens = tokens_of(tok, family, text, *rest)
        assert len(tokens) <= 12, (text, len(tokens))
        seen = run(model, tokens)
        assert all(v.isfinite().all() for v in seen.values())
        case = {"id": id, "text": text, "tokens": tokens, "hooks": list(seen)}
        if rest:
            case["textB"] = rest[0]
        described.append(case)
        values |= {f"{id}/{hook}": value.float().contiguous() for hook, value in seen.items()}
    folder.mkdir(parents=True, exist_ok=True)
    golden = {"family": family, "madeWith": VERSIONS, "cases": described}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    save(values, folder / "golden.safetensors")
    return values


# ---- checkpoints with random weights ---------------------------------------------------------------------------------
def randomize(model, dtype):
    """Weights large enough for attention to be uneven, rounded to what the file will hold."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            norm = "LayerNorm" in name or "layer_norm" in name or ".ln_" in name
            scale = 0.2 if norm or name.endswith("bias") else 0.27
            p.copy_((torch.randn(p.shape) * scale + (norm and name.endswith("weight"))).to(dtype).float())


def old_names(key):
    return key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


BERT_CASES = [
    ("mask", "The cat [MASK] on the Mat"),
    ("pair", "The Café 河", "a cat 😀!"),
]
LONE_CASES = [BERT_CASES[0], ("accents", "Voilà, C\u0327a 😀")]
GPT_CASES = [
    ("plain", "The cat sat on the"),
    ("bytes", "The café 😀"),
]


def bert(name, dtype, vocab, hidden, layers, heads, inner, positions, segments=2, room=0, headless=False, tie=True,
         rename=lambda key: key, extra=lambda model: {}, literal_specials=True, **settings):
    tok = wordpiece(vocab)
    config = BertConfig(vocab_size=tok.get_vocab_size() + room, hidden_size=hidden, num_hidden_layers=layers,
                        num_attention_heads=heads, intermediate_size=inner, max_position_embeddings=positions,
                        type_vocab_size=segments, tie_word_embeddings=tie, attn_implementation="eager", **settings)
    model = (BertModel if headless else BertForPreTraining)(config)
    finish(name, "bert", model, tok, dtype, BERT_CASES if segments > 1 else LONE_CASES, rename, extra, literal_specials)


def gpt(name, dtype, vocab, hidden, layers, heads, inner, positions, room=0, tie=True, rename=lambda key: key,
        extra=lambda model: {}, **settings):
    tok = byte_level(vocab)
    config = GPT2Config(vocab_size=tok.get_vocab_size() + room, n_embd=hidden, n_layer=layers, n_head=heads, n_inner=inner,
                        n_positions=positions, tie_word_embeddings=tie, bos_token_id=0, eos_token_id=0,
                        attn_implementation="eager", **settings)
    finish(name, "gpt", GPT2LMHeadModel(config), tok, dtype, GPT_CASES, rename, extra, True)


def distilbert(name, dtype, vocab, hidden, layers, heads, inner, positions, headless=False, tie=True, rename=lambda key: key,
               **settings):
    tok = wordpiece(vocab)
    config = DistilBertConfig(vocab_size=tok.get_vocab_size(), dim=hidden, n_layers=layers, n_heads=heads, hidden_dim=inner,
                              max_position_embeddings=positions, tie_word_embeddings=tie, attn_implementation="eager",
                              **settings)
    model = (DistilBertModel if headless else DistilBertForMaskedLM)(config)
    finish(name, "bert", model, tok, dtype, BERT_CASES, rename, lambda model: {}, True)


def roberta(name, dtype, vocab, hidden, layers, heads, inner, positions, padding=1, headless=False, tie=True,
            **settings):
    """`positions` as its config.json counts them: with the rows up to that of the padding token."""
    tok = marked(vocab)
    config = RobertaConfig(vocab_size=tok.get_vocab_size(), hidden_size=hidden, num_hidden_layers=layers,
                           num_attention_heads=heads, intermediate_size=inner, max_position_embeddings=positions,
                           type_vocab_size=1, layer_norm_eps=1e-5, tie_word_embeddings=tie, pad_token_id=padding,
                           attn_implementation="eager", **settings)
    model = (RobertaModel if headless else RobertaForMaskedLM)(config)
    cases = [("mask", "The cat [MASK] on the Mat"), ("bytes", "[MASK] é 😀")]
    finish(name, "bert", model, tok, dtype, cases, lambda key: key, lambda model: {}, True)


def gpt_neo(name, dtype, vocab, hidden, layers, heads, positions, kinds, window, **settings):
    tok = byte_level(vocab)
    config = GPTNeoConfig(vocab_size=tok.get_vocab_size(), hidden_size=hidden, num_layers=layers, num_heads=heads,
                          max_position_embeddings=positions, attention_types=kinds, window_size=window, bos_token_id=0,
                          eos_token_id=0, attn_implementation="eager", **settings)
    model = GPTNeoForCausalLM(config)
    finish(name, "gpt", model, tok, dtype, GPT_CASES, lambda key: key, lambda model: {}, True)


def once(model):
    """Its weights, one name for each storage: what is tied is saved once, as transformers does."""
    kept, seen = {}, set()
    for key, value in model.state_dict().items():
        if value.data_ptr() not in seen and value.dtype == torch.float32:
            seen.add(value.data_ptr())
            kept[key] = value
    return kept


def save_scales_last(stored, path):
    """As `save`, but every matrix of whole numbers lies before its scale: the format leaves the order open."""
    tensors = sorted(stored.items(), key=lambda item: item[0].endswith("_scale"))
    header, at = {}, 0
    for key, value in tensors:
        dtype = {"float16": "F16", "float32": "F32", "int8": "I8"}[value.dtype.name]
        header[key] = {"dtype": dtype, "shape": value.shape, "data_offsets": [at, at := at + value.nbytes]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(value.tobytes() for _, value in tensors))


def finish(name, family, model, tok, dtype, cases, rename, extra, literal_specials):
    folder = HERE / "checkpoints" / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    if dtype == torch.int8:
        randomize(model, torch.float32)
        stored = quantise.quantised({key: value.numpy() for key, value in once(model).items()})
        quantise.fill(model, quantise.values(stored))
        write_golden(folder, family, model, tok, cases)
        if family == "gpt":
            save_scales_last(stored, folder / "model.safetensors")
        else:
            save({key: torch.from_numpy(value) for key, value in stored.items()}, folder / "model.safetensors")
    else:
        randomize(model, dtype)
        write_golden(folder, family, model, tok, cases)
        kept = {rename(key): value.to(dtype).clone() for key, value in once(model).items()}
        save(kept | extra(model), folder / "model.safetensors")
    config = model.config.to_dict() | {"architectures": [type(model).__name__]}
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    described = json.loads(tok.to_str())
    if not literal_specials:
        described["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False) + "\n")


def small():
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    bert("bert-1-layer", f32, 151, 32, 1, 2, 128, 32)
    bert("bert-3-heads", f16, 167, 36, 2, 3, 50, 20, room=13, literal_specials=False)
    # As the first checkpoints that were converted from TensorFlow: old norm names, the tied matrix twice, a buffer.
    bert("bert-old-names", f32, 160, 24, 2, 4, 96, 20, segments=1, rename=old_names, extra=lambda m: {
        "cls.predictions.decoder.weight": m.bert.embeddings.word_embeddings.weight.detach().clone(),
        "bert.embeddings.position_ids": torch.arange(20)[None]})
    bert("bert-no-heads", bf16, 173, 40, 2, 5, 72, 40, headless=True, hidden_act="relu", layer_norm_eps=1e-5)
    bert("bert-untied", f16, 151, 48, 3, 6, 64, 33, tie=False, hidden_act="gelu_new", rename=lambda key: key.replace(
        "cls.predictions.bias", "cls.predictions.decoder.bias"))
    gpt("gpt-1-layer", f32, 283, 36, 1, 3, 50, 20)
    gpt("gpt-no-prefix", f16, 271, 32, 2, 2, None, 24, room=7, rename=lambda key: key.removeprefix("transformer."),
        extra=lambda m: {f"h.{l}.attn.{name}": value for l in range(2) for name, value in [
            ("bias", torch.ones(24, 24, dtype=torch.uint8).tril()[None, None]), ("masked_bias", torch.tensor(-1e4))]})
    gpt("gpt-untied", bf16, 277, 40, 2, 5, 60, 20, tie=False, activation_function="relu")
    gpt("gpt-scaled-by-layer", f16, 289, 24, 3, 4, None, 48, scale_attn_by_inverse_layer_idx=True,
        layer_norm_epsilon=1e-6, activation_function="gelu")
    bert("bert-int8", torch.int8, 151, 36, 2, 3, 50, 20)
    gpt("gpt-int8", torch.int8, 283, 32, 2, 2, 50, 24)
    distilbert("distilbert", f32, 157, 36, 2, 3, 50, 20)
    # A model without its head, saved on its own: no name begins with "distilbert.".
    distilbert("distilbert-no-head", f16, 163, 32, 3, 2, 64, 24, headless=True, activation="relu")
    distilbert("distilbert-untied", bf16, 151, 24, 1, 4, 48, 20, tie=False)
    roberta("roberta", f32, 289, 36, 2, 3, 50, 22)
    # Another padding token, whose row the first position follows; a head that is no table of words.
    roberta("roberta-untied", f16, 297, 32, 1, 2, 64, 30, padding=3, tie=False, hidden_act="relu")
    roberta("roberta-no-head", bf16, 291, 24, 2, 4, 48, 20, headless=True)
    gpt_neo("gpt-neo", f32, 281, 32, 2, 2, 20, [[["global", "local"], 1]], 3)
    gpt_neo("gpt-neo-local", f16, 275, 24, 3, 3, 24, [[["local"], 2], [["global"], 1]], 2, intermediate_size=50,
            activation_function="gelu")


# ---- the page's own models -------------------------------------------------------------------------------------------
EMBEDDED = {
    "bert": (BertForPreTraining, ["mask", "The cat [MASK] on the mat."]),
    "gpt": (GPT2LMHeadModel, ["plain", "Once upon a time there was a"]),
}


def self_check(folder, text, tokens, logits):
    """64 logits at the mask, or at the last position: the largest eight, the rest spread over the vocabulary."""
    masks = [i for i, token in enumerate(tokens) if token["piece"] == "[MASK]"]
    position = masks[0] if masks else len(tokens) - 1
    row = logits[position]
    ids = row.topk(8).indices.tolist()
    spread = np.linspace(0, len(row) - 1, 64).round().astype(int).tolist()
    ids += [id for id in spread if id not in ids][:64 - len(ids)]
    values = [row[id].item() for id in ids]
    check = {"text": text, "logits": {"position": position, "ids": ids, "values": values}}
    (folder / "selfcheck.json").write_text(json.dumps(check) + "\n")


def embedded(source, target):
    for family, (cls, case) in EMBEDDED.items():
        folder = source / family
        model = cls(cls.config_class.from_pretrained(folder, attn_implementation="eager"))
        quantise.fill(model, quantise.opened(folder))
        model.double()
        tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        values = write_golden(target / family, family, model, tok, [case])
        text = case[1]
        self_check(folder, text, tokens_of(tok, family, text), values[case[0] + "/logits"])


# ---- tokenizers ------------------------------------------------------------------------------------------------------
def lines():
    """300 lines: English, other languages and scripts, code, odd spaces, and characters at random."""
    probe = (ROOT / "assets" / "models" / "training" / "probe.tsv").read_text().splitlines()[1:]
    found = [line.split("\t")[1].replace("[MASK]", line.split("\t")[2]) for line in probe[::2]]
    found += SENTENCES.split("\n") + [line.upper() for line in SENTENCES.split("\n")]
    found += ["", " ", "  The   cat  ", "\tif (a[i] != b) { return -1; }  // nothing", "isn't it? \"Yes\", he said; (no!)",
              "C\u0327a e\u0301te\u0301", "\u0130stanbul'da I\u011fd\u0131r", "\u1e9etra\u00dfe GRO\u1e9e", "\u6211\u4eec drank \u5496\u5561 by the \u6cb3",
              "\u0627\u0644\u0642\u0637\u0629 \u062c\u0644\u0633\u062a \u0639\u0644\u0649 \u0627\u0644\u0633\u062c\u0627\u062f\u0629", "\u05d4\u05d7\u05ea\u05d5\u05dc \u05d9\u05e9\u05d1 \u05e2\u05dc \u05d4\u05de\u05d7\u05e6\u05dc\u05ea",
              "\u092c\u093f\u0932\u094d\u0932\u0940 \u091a\u091f\u093e\u0908 \u092a\u0930 \u092c\u0948\u0920\u0940", "\uace0\uc591\uc774\uac00 \ub9e4\ud2b8 \uc704\uc5d0 \uc549\uc558\ub2e4", "\U0001f600\U0001f600 \U0001f44d\U0001f3fd a\U0001f468\u200d\U0001f469\u200d\U0001f467b",
              "a\u0000b\ufffdc\u200bd\ufeffe\u00adf", "\ufb01ne \ufb02ow \u2460\u2461 \u00bd", "snake_case camelCase https://example.org/a?b=c#d 3.14 1,000",
              "word" * 30, "\u00e9" * 120, "don't can't we'll I'd they've you're he's 'quoted'", "1234567890" * 3, "...!!!???---___"]
    dice = np.random.default_rng(SEED)
    blocks = [(0x20, 0x7f), (0xa0, 0x180), (0x300, 0x330), (0x370, 0x400), (0x400, 0x480), (0x590, 0x600), (0x900, 0x980),
              (0x2000, 0x2070), (0x3040, 0x30ff), (0x4e00, 0x4f00), (0xac00, 0xad00), (0x1f300, 0x1f600)]
    words = sorted(set(SENTENCES.split()))
    while len(found) < 300:
        line = ""
        for _ in range(dice.integers(1, 9)):
            begin, end = blocks[dice.integers(len(blocks))]
            line += "".join(chr(dice.integers(begin, end)) for _ in range(dice.integers(1, 6)))
            line += words[dice.integers(len(words))] + " " * dice.integers(0, 3)
        found.append(line)
    return found


def split_lines():
    """As the Python library splits the lines, from files of each kind; only what is in `vocabulary` differs."""
    folder = HERE / "tokenizers"
    folder.mkdir(exist_ok=True)
    texts = lines()
    own = {family: ROOT / "assets" / "models" / family / "tokenizer.json" for family in ("bert", "gpt")}
    pieces = json.loads(own["bert"].read_text())["model"]["vocab"]

    def bert(**settings):
        tok = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]", max_input_chars_per_word=100))
        tok.normalizer = normalizers.BertNormalizer(**settings)
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tok

    kinds = {
        "wordpiece": Tokenizer.from_file(str(own["bert"])),
        "wordpiece-cased": bert(lowercase=False),
        "wordpiece-accents": bert(lowercase=True, strip_accents=False, handle_chinese_chars=False),
        "byte-level": Tokenizer.from_file(str(own["gpt"])),
        "byte-level-marked": marked(600),
    }
    marked(600).save(str(folder / "byte-level-marked.tokenizer.json"), pretty=False)
    split = {}
    for kind, tok in kinds.items():
        split[kind] = []
        for text in texts:
            encoding = tok.encode(text, add_special_tokens=False)
            at = [[len(text[:offset].encode()) for offset in span] for span in encoding.offsets]
            split[kind].append({"ids": encoding.ids, "spans": [offset for span in at for offset in span]})
    (folder / "lines.json").write_text(json.dumps({"madeWith": VERSIONS, "lines": texts, "split": split}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["small", "embedded", "tokenizers"])
    parser.add_argument("models", nargs="?", type=pathlib.Path, default=ROOT / "assets" / "models")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "embedded", help="where embedded's references go")
    arguments = parser.parse_args()
    print("made with", VERSIONS)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    if arguments.what == "small":
        small()
    elif arguments.what == "tokenizers":
        split_lines()
    else:
        embedded(arguments.models, arguments.out)
