#!/usr/bin/env python3
"""Store a Hugging Face checkpoint of BERT or GPT-2 in 8 bits, as the page's own models are, or in f16.

    python3 quantise.py FROM TO
    python3 quantise.py FROM TO --f16

Each matrix becomes whole numbers from -127 to 127 (I8) with a scale (F32) for each of its outputs, `<name>_scale`, as
compressed-tensors names them: weight = whole number * scale. A scale has the shape [outputs, 1] beside PyTorch's Linear and
the word table, [1, outputs] beside GPT-2's Conv1D. Position and segment tables, norms and biases stay in F16.

`opened(FROM)` gives the numbers of either kind of checkpoint in f32, for whoever computes with them in Python, and `fill`
brings them into a model of transformers'.
"""
import pathlib, shutil, sys
import numpy as np
from safetensors.numpy import load_file, save_file

KEPT = ("position_embeddings.weight", "token_type_embeddings.weight", "wpe.weight")
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def quantised(weights):
    stored = {}
    for key, value in weights.items():
        if value.ndim < 2 or key.endswith(KEPT):
            stored[key] = value.astype(np.float16)
            continue
        value = value.astype(np.float32)
        largest = np.abs(value).max(axis=0 if key.endswith(CONV1D) else 1, keepdims=True)
        scale = (largest / 127).astype(np.float32)
        stored[key] = np.rint(value / np.where(scale > 0, scale, 1)).clip(-127, 127).astype(np.int8)
        stored[key + "_scale"] = scale
    return stored


def values(stored):
    value = lambda key: stored[key].astype(np.float32) * stored.get(key + "_scale", np.float32(1))
    return {key: value(key) for key in stored if not key.endswith("_scale")}


def opened(folder):
    """The weights in a checkpoint's folder, in f32."""
    return values(load_file(pathlib.Path(folder) / "model.safetensors"))


def fill(model, weights):
    """Gives a model of transformers' these weights, in f32; of names that are tied, one is enough."""
    import torch
    missing, unexpected = model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()}, strict=False)
    model.tie_weights()
    own = model.state_dict()
    given = {own[key].data_ptr() for key in weights if key in own}
    if wrong := unexpected + [key for key in missing if own[key].data_ptr() not in given]:
        raise ValueError(f"missing, or not of this model: {', '.join(wrong)}")
    return model.eval()


if __name__ == "__main__":
    halves = "--f16" in sys.argv
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:] if argument != "--f16")
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "eval.json"):
        if source != target and (source / name).exists():
            shutil.copy(source / name, target / name)
    weights = opened(source)
    stored = {key: value.astype(np.float16) for key, value in weights.items()} if halves else quantised(weights)
    save_file(stored, target / "model.safetensors", metadata={"format": "pt"})
