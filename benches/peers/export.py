#!/usr/bin/env python3
"""Make what the peers are compared on: checkpoints, their ONNX exports, inputs, and reference values.

    python3 export.py [--only SHAPE]... OUTPUT

For each shape of shapes.json, OUTPUT/<shape>/ gets config.json, tokenizer.json and model.safetensors (f32) for Cloze, and
for onnxruntime-web, of the same weights,

    logits.onnx          logits, everything fused that onnxruntime's own optimizer fuses
    trace.onnx           logits, every attention probability, every hidden state
    logits.decode.onnx   (GPT) the same two for one step of decoding: keys and values of the past go in and
    trace.decode.onnx    come out, and only the last position's logits

With them lie inputs.json (the texts and their ids) and reference-*.safetensors (what Hugging Face's implementation
computes). OUTPUT/growth-<family>-<layers>/ get checkpoints alone. What is there already, made by the same versions
from the same shapes, is kept. Weights are random with a fixed seed, except for those of the page's own models.
"""
import argparse
import gc
import hashlib
import json
import logging
import math
import os
import pathlib
import shutil
import sys
import warnings

# It warns that it does not know the shapes of onnxruntime's own operators.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

import numpy as np
import onnx
import onnxruntime
import tokenizers
import torch
import transformers
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from safetensors.torch import save_file
from transformers import AttentionInterface, BertConfig, BertForMaskedLM, DynamicCache, GPT2Config, GPT2LMHeadModel
from transformers.cache_utils import DynamicLayer
from transformers.pytorch_utils import Conv1D

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "assets" / "models" / "training"))
import quantise

SHAPES = json.loads((HERE / "shapes.json").read_text())
VERSIONS = {m.__name__: m.__version__.split("+")[0] for m in (torch, transformers, onnx, onnxruntime, tokenizers, np)}
OPSET = 17

# Everyday words, so that most of them are one token.
PASSAGE = """The cat sat on the mat and the dog ran to the old house. It was cold and the rain came down all night.
In the morning the sun was out, and the boy went to the river with his father. They saw a big fish in the water.
The king had three sons and a small garden. He said that the one who found the best tree would have the house.
She took the book from the table and began to read. The train was late, and the people stood in the snow.""".split()


# ---- models -----------------------------------------------------------------------------------------------------------
def sizes(shape):
    """Vocabulary, hidden, layers, heads, positions of a shape, read from its model where it is one of the page's."""
    if "from" not in shape:
        return {key: shape[key] for key in ("vocabulary", "hidden", "layers", "heads", "positions")}
    config = json.loads((ROOT / shape["from"] / "config.json").read_text())
    keys = {
        "bert": ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"],
        "gpt": ["vocab_size", "n_embd", "n_layer", "n_head", "n_positions"],
    }[shape["family"]]
    return dict(zip(["vocabulary", "hidden", "layers", "heads", "positions"], (config[key] for key in keys)))


def model_of(shape):
    """The model in f32: the page's own, or one with random weights."""
    kind = {"bert": BertForMaskedLM, "gpt": GPT2LMHeadModel}[shape["family"]]
    if "from" in shape:
        model = kind(kind.config_class.from_pretrained(ROOT / shape["from"]))
        weights, known = quantise.opened(ROOT / shape["from"]), set(model.state_dict())
        return quantise.fill(model, {key: value for key, value in weights.items() if key in known})
    s = sizes(shape)
    if shape["family"] == "bert":
        config = BertConfig(
            vocab_size=s["vocabulary"], hidden_size=s["hidden"], num_hidden_layers=s["layers"],
            num_attention_heads=s["heads"], intermediate_size=4 * s["hidden"], max_position_embeddings=s["positions"])
    else:
        config = GPT2Config(
            vocab_size=s["vocabulary"], n_embd=s["hidden"], n_layer=s["layers"], n_head=s["heads"],
            n_positions=s["positions"], bos_token_id=0, eos_token_id=0)
    torch.manual_seed(SHAPES["seed"])
    model = kind(config).eval()
    # Biases begin as zeros and norms as ones, alike everywhere: a value that went to the wrong place would not be seen.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def tokenizer_of(shape):
    """The page's own tokenizer, with pieces that no text has up to the shape's vocabulary."""
    file = json.loads((ROOT / "assets/models" / shape["family"] / "tokenizer.json").read_text())
    pieces = file["model"]["vocab"]
    for id in range(len(pieces), sizes(shape)["vocabulary"]):
        pieces[f"[unused{id}]"] = id
    return json.dumps(file, ensure_ascii=False)


def save_checkpoint(shape, model, folder):
    """What Cloze loads."""
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_of(shape))


# ---- inputs and references --------------------------------------------------------------------------------------------
def input_of(tokenizer, family, count):
    """A text of exactly `count` tokens, BERT's [CLS] and [SEP] included, and their ids."""
    for first in range(len(PASSAGE)):
        words = []
        while True:
            words.append(PASSAGE[(first + len(words)) % len(PASSAGE)])
            ids = tokenizer.encode(" ".join(words), add_special_tokens=False).ids
            if family == "bert":
                ids = [tokenizer.token_to_id("[CLS]"), *ids, tokenizer.token_to_id("[SEP]")]
            if len(ids) == count:
                return {"text": " ".join(words), "ids": ids}
            if len(ids) > count:
                break
    raise ValueError(f"no beginning of the passage makes {count} tokens")


def traced(model, ids, **cached):
    """Logits, attention probabilities and hidden states as Hugging Face's implementation computes them."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_attentions=True, output_hidden_states=True, **cached)
    named = {"logits": out.logits[0]}
    named |= {f"attentions.{i}": attention[0] for i, attention in enumerate(out.attentions)}
    named |= {f"hidden.{i}": hidden[0] for i, hidden in enumerate(out.hidden_states)}
    return {name: value.contiguous().clone() for name, value in named.items()}


def decoded(model, ids):
    """The ids that greedy decoding draws, and what is computed at each step, named by it: of logits only the last position's."""
    drawn, computed, cache, fed = [], {}, DynamicCache(), ids
    for step in range(SHAPES["decode"]["tokens"]):
        named = traced(model, fed, past_key_values=cache, use_cache=True)
        named["logits"] = named["logits"][-1:].clone()
        computed |= {f"{step}.{name}": value for name, value in named.items()}
        drawn.append(int(named["logits"].argmax()))
        fed = drawn[-1:]
    if 0 in drawn:
        raise ValueError("the model ends its text, so there is less to decode than is to be measured")
    return drawn, computed


def save_inputs(shape, model, folder):
    family = shape["family"]
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    counts = {*SHAPES["lengths"], *(SHAPES["growth"]["lengths"] if "from" in shape else [])}
    inputs = {str(count): input_of(tokenizer, family, count) for count in sorted(counts)}
    for count in SHAPES["lengths"]:
        save_file(traced(model, inputs[str(count)]["ids"]), folder / f"reference-{count}.safetensors")
    if family == "gpt":
        prompt = inputs[str(SHAPES["decode"]["prompt"])]
        drawn, computed = decoded(model, prompt["ids"])
        inputs["decode"] = {**prompt, "drawn": drawn, "count": len(drawn)}
        save_file(computed, folder / "reference-decode.safetensors")
    (folder / "inputs.json").write_text(json.dumps(inputs))


# ---- ONNX -------------------------------------------------------------------------------------------------------------
# onnxruntime's optimizer knows networks by their graphs, so they are written as it knows them. The values are the same.
def divided_attention(module, query, key, value, attention_mask, **_):
    """Attention with its scores divided, not multiplied: the form that the optimizer fuses, and the plainest to trace."""
    scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
    if attention_mask is not None:
        scores = scores + attention_mask
    pattern = torch.softmax(scores, dim=-1)
    return torch.matmul(pattern, value).transpose(1, 2).contiguous(), pattern


AttentionInterface.register("divided", divided_attention)


class FusedAttention(torch.autograd.Function):
    """GPT's attention as onnxruntime's MultiHeadAttention, which takes and gives the cache where there is one. The
    optimizer's own rule for GPT-2 knows only what older versions of transformers wrote."""

    @staticmethod
    def forward(_, heads, query, key, value, mask, *past):
        query, *kept = (x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) for x in (query, key, value))
        if past:
            kept = [torch.cat(pair, dim=2) for pair in zip(past, kept)]
        mixed, _ = divided_attention(None, query, *kept, mask)
        mixed = mixed.flatten(2)
        return (mixed, *kept) if past else mixed

    @staticmethod
    def symbolic(g, heads, query, key, value, mask, *past):
        nothing = g.op("prim::Constant")
        nothing.setType(torch._C.OptionalType.ofTensor())
        inputs = (query, key, value, nothing, nothing, mask, *past)
        return g.op("com.microsoft::MultiHeadAttention", *inputs, num_heads_i=heads, outputs=3 if past else 1)


def plain_conv1d(self, x):
    """GPT-2's Conv1D without the reshaping around it, of which no fusion could see the bias."""
    return torch.matmul(x, self.weight) + self.bias


def fused_gpt_attention(self, hidden_states, past_key_values=None, attention_mask=None, **_):
    inputs = (self.num_heads, *self.c_attn(hidden_states).split(self.split_size, dim=2), attention_mask)
    if past_key_values is None:
        return self.c_proj(FusedAttention.apply(*inputs)), None
    past = past_key_values.layers[self.layer_idx]
    mixed, past.keys, past.values = FusedAttention.apply(*inputs, past.keys, past.values)
    return self.c_proj(mixed), None


def cache_of(tensors):
    """Keys and values as transformers keeps them. (Its own constructor would copy them, and the copy would be exported.)"""
    cache = DynamicCache()
    for keys, values in zip(tensors[::2], tensors[1::2]):
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


class ForExport(torch.nn.Module):
    """A model with named tensors in and out, as torch.onnx wants it."""

    def __init__(self, model, family, trace, decode):
        super().__init__()
        self.model, self.family, self.trace, self.decode = model, family, trace, decode

    def forward(self, input_ids, second, mask=None, *past):
        wanted = {"output_attentions": self.trace, "output_hidden_states": self.trace}
        if self.family == "bert":
            out = self.model(input_ids=input_ids, token_type_ids=second, **wanted)
        else:
            cache = cache_of(past) if self.decode else None
            out = self.model(input_ids=input_ids, position_ids=second, attention_mask=mask, past_key_values=cache,
                             use_cache=self.decode, logits_to_keep=1 if self.decode else 0, **wanted)
        results = [out.logits]
        if self.trace:
            results += [*out.attentions, *out.hidden_states]
        if self.decode:
            results += [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
        return tuple(results)


def export(shape, model, path, trace, decode=False):
    """Writes one ONNX file, fused as far as its outputs allow, and compares it with Hugging Face's numbers."""
    family, s = shape["family"], sizes(shape)
    layers, head = s["layers"], s["hidden"] // s["heads"]
    tokens, before = 5, 3 if decode else 0
    arguments = {"input_ids": torch.arange(tokens)[None]}
    axes = {"input_ids": {1: "tokens"}}
    if family == "bert":
        arguments["token_type_ids"] = torch.zeros(1, tokens, dtype=torch.int64)
        axes["token_type_ids"] = {1: "tokens"}
    else:
        arguments["position_ids"] = torch.arange(before, before + tokens)[None]
        arguments["mask"] = torch.zeros(1, 1, tokens, before + tokens)
        axes |= {"position_ids": {1: "tokens"}, "mask": {2: "tokens", 3: "total" if decode else "tokens"}}
    outputs = ["logits"]
    axes["logits"] = {1: "tokens"} if not decode else {}
    if trace:
        outputs += [f"attentions.{i}" for i in range(layers)] + [f"hidden.{i}" for i in range(layers + 1)]
        axes |= {f"attentions.{i}": {2: "tokens", 3: "total" if decode else "tokens"} for i in range(layers)}
        axes |= {f"hidden.{i}": {1: "tokens"} for i in range(layers + 1)}
    if decode:
        cache = [f"{i}.{part}" for i in range(layers) for part in ("key", "value")]
        arguments |= {f"past.{name}": torch.randn(1, s["heads"], before, head) for name in cache}
        axes |= {f"past.{name}": {2: "past"} for name in cache} | {f"present.{name}": {2: "total"} for name in cache}
        outputs += [f"present.{name}" for name in cache]

    model.set_attn_implementation("divided")
    attention = transformers.models.gpt2.modeling_gpt2.GPT2Attention
    kept = Conv1D.forward, attention.forward
    try:
        Conv1D.forward = plain_conv1d
        if not trace:
            attention.forward = fused_gpt_attention
        torch.onnx.export(
            ForExport(model, family, trace, decode).eval(), tuple(arguments.values()), str(path), dynamo=False,
            opset_version=OPSET, input_names=list(arguments), output_names=outputs, dynamic_axes=axes)
    finally:
        Conv1D.forward, attention.forward = kept
    kind = {"bert": "bert", "gpt": "gpt2"}[family]
    options = FusionOptions(kind)
    # A fused attention keeps its probabilities to itself.
    options.enable_attention = not trace
    optimised = optimizer.optimize_model(
        str(path), model_type=kind, num_heads=s["heads"], hidden_size=s["hidden"], opt_level=0,
        optimization_options=options)
    optimised.save_model_to_file(str(path))
    return {node.op_type for node in optimised.model.graph.node if node.domain == "com.microsoft"}


def largest_difference(shape, model, path, trace, inputs):
    """How far onnxruntime on this file is from Hugging Face, over all outputs, at the first length."""
    ids = inputs[str(SHAPES["lengths"][0])]["ids"]
    count, s = len(ids), sizes(shape)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {
        "input_ids": np.array([ids]), "token_type_ids": np.zeros((1, count), np.int64),
        "position_ids": np.arange(count)[None],
        "mask": np.triu(np.full((1, 1, count, count), np.finfo(np.float32).min, np.float32), 1),
    }
    names = [i.name for i in session.get_inputs()]
    empty = np.zeros((1, s["heads"], 0, s["hidden"] // s["heads"]), np.float32)
    results = session.run(None, {name: given.get(name, empty) for name in names})
    expected = traced(model, ids)
    if path.name.endswith(".decode.onnx"):
        expected["logits"] = expected["logits"][-1:]
    outputs = [output.name for output in session.get_outputs()]
    pairs = [(expected[name].numpy(), got[0]) for name, got in zip(outputs, results) if name in expected]
    if trace and len(pairs) != len(expected):
        raise ValueError(f"{path.name} lacks some of {list(expected)}")
    return float(max(np.abs(wanted - got).max() for wanted, got in pairs))


# ---- all of it --------------------------------------------------------------------------------------------------------
def growth_shapes():
    growth = SHAPES["growth"]
    for own in (shape for shape in SHAPES["shapes"] if "from" in shape):
        family, vocabulary = own["family"], sizes(own)["vocabulary"]
        for layers in growth["layers"]:
            yield {"name": f"growth-{family}-{layers}", "family": family, "vocabulary": vocabulary, "layers": layers,
                   "hidden": growth["hidden"], "heads": growth["heads"], "positions": 256, "checkpoint_only": True}


def make(shape, folder):
    model = model_of(shape)
    save_checkpoint(shape, model, folder)
    made = {}
    if "checkpoint_only" in shape:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        count = SHAPES["growth"]["tokens"]
        (folder / "inputs.json").write_text(json.dumps({str(count): input_of(tokenizer, shape["family"], count)}))
        return made
    save_inputs(shape, model, folder)
    inputs = json.loads((folder / "inputs.json").read_text())
    for decode in (False, True) if shape["family"] == "gpt" else (False,):
        for trace in (False, True):
            path = folder / f"{'trace' if trace else 'logits'}{'.decode' if decode else ''}.onnx"
            fused = sorted(export(shape, model, path, trace, decode))
            off = largest_difference(shape, model, path, trace, inputs)
            print(f"  {path.name}: {path.stat().st_size / 1e6:.0f} MB, fused {', '.join(fused)}; off by {off:.1e}", flush=True)
            if off > 1e-3:
                raise ValueError(f"{path} computes something else than Hugging Face's model")
            made[path.name] = {"fused": fused, "largestDifference": off}
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[], metavar="SHAPE")
    args = parser.parse_args()
    # They warn of what is meant here: heads that are left out, shapes that a trace takes for constants.
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)

    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
    source = digest(pathlib.Path(__file__))
    for shape in [*SHAPES["shapes"], *growth_shapes()]:
        if args.only and shape["name"] not in args.only and not ("growth" in args.only and "checkpoint_only" in shape):
            continue
        folder = args.output / shape["name"]
        stamp = folder / "made.json"
        made_from = {"shape": shape, "settings": {k: SHAPES[k] for k in ("seed", "lengths", "decode", "growth")},
                     "versions": VERSIONS, "source": source}
        if "from" in shape:
            made_from["weights"] = digest(ROOT / shape["from"] / "model.safetensors")
        if stamp.exists() and json.loads(stamp.read_text())["from"] == made_from:
            continue
        print(shape["name"], flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        exports = make(shape, folder)
        stamp.write_text(json.dumps({"from": made_from, "exports": exports, "sizes": sizes(shape)}, indent=2))
        gc.collect()


if __name__ == "__main__":
    main()
