#!/usr/bin/env python3
"""GPT-2's forward pass in PyTorch, beside `cargo bench --bench native` on the same card.

    python3 benches/native_torch.py

First what the card can do: bytes copied a second, and f32 multiplications and additions of a large matrix product (TF32
off). Then, for the same shapes and prompts as the benchmark, a prompt's scores at its last position, and a token with a
KV cache of fixed capacity, drawn on the GPU by the largest score: launched call by call ("eager"), and as a CUDA graph
of sixteen tokens, which is what stands beside Cloze's sixteen tokens before one reading. Random weights, medians of 7 after 2
warm-ups. Writes `benches/results/native-torch.json`, which the benchmark then shows beside its own times.
"""
import json, statistics, time
import torch, torch.nn.functional as F

WARM_UPS, RUNS, DECODED = 2, 7, 16
SHAPES = [(4096, 192, 4, 6, 256), (50257, 768, 12, 12, 1024)]  # vocabulary, width, layers, heads, positions
cuda = torch.cuda.is_available()
dev = "cuda" if cuda else "cpu"
torch.backends.cuda.matmul.allow_tf32 = False


def median(measure):
    """The median of several calls, in ms of wall-clock time."""
    def once():
        if cuda: torch.cuda.synchronize()
        start = time.perf_counter()
        measure()
        if cuda: torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start)
    for _ in range(WARM_UPS): once()
    return statistics.median(once() for _ in range(RUNS))


class GPT2:
    """The forward pass of GPT-2 (Radford et al. 2019) with a KV cache `[layer, key or value, head, position, head size]`."""

    def __init__(self, shape, dtype):
        vocabulary, self.hidden, self.layers, self.heads, self.capacity = shape
        torch.manual_seed(0)
        weight = lambda *size: (torch.randn(*size, device=dev) * .02).to(dtype)
        h = self.hidden
        self.wte, self.wpe = weight(vocabulary, h), weight(self.capacity, h)
        self.blocks = [{name: (weight(inputs, outputs), weight(outputs)) for name, inputs, outputs in
                        (("c_attn", h, 3 * h), ("c_proj", h, h), ("c_fc", h, 4 * h), ("mlp_proj", 4 * h, h))} for _ in range(self.layers)]
        self.norm = weight(h), weight(h)
        self.cache = torch.zeros(self.layers, 2, self.heads, self.capacity, h // self.heads, device=dev, dtype=dtype)
        self.positions = torch.arange(self.capacity, device=dev)

    def forward(self, ids, past):
        """Scores `[vocabulary]` after `ids`, which begin at position `past` (a tensor, so that a graph can be replayed)."""
        at = past + self.positions[:len(ids)]
        x = self.wte[ids] + self.wpe[at]
        seen = self.positions[None] <= at[:, None]
        for block, cache in zip(self.blocks, self.cache):
            linear = lambda name, x: torch.addmm(block[name][1], x, block[name][0])
            norm = lambda x: F.layer_norm(x, (self.hidden,), *self.norm)
            q, k, v = linear("c_attn", norm(x)).view(len(ids), 3, self.heads, -1).permute(1, 2, 0, 3)
            cache[0].index_copy_(1, at, k)
            cache[1].index_copy_(1, at, v)
            z = F.scaled_dot_product_attention(q[None], cache[0][None], cache[1][None], attn_mask=seen)[0]
            x = x + linear("c_proj", z.transpose(0, 1).reshape(len(ids), -1))
            x = x + linear("mlp_proj", F.gelu(linear("c_fc", norm(x)), approximate="tanh"))
        return F.layer_norm(x[-1:], (self.hidden,), *self.norm) @ self.wte.T


@torch.no_grad()
def main():
    figures = []
    name = torch.cuda.get_device_name() if cuda else "the CPU"
    words = torch.zeros(1 << (29 if cuda else 24), device=dev)
    target = torch.empty_like(words)
    bandwidth = 2 * words.nbytes / median(lambda: target.copy_(words)) / 1e6
    n = 8192 if cuda else 1024
    a, b = torch.randn(n, n, device=dev), torch.randn(n, n, device=dev)
    tflops = 2 * n ** 3 / median(lambda: a @ b) / 1e9
    del words, target, a, b
    print(f"{name}: copies {bandwidth:.0f} GB/s, multiplies in f32 {tflops:.1f} TFLOP/s, PyTorch {torch.__version__}\n")
    print("| GPT-2 of | weights | what | ms |\n|---|---|---|--:|")

    def say(shape, dtype, what, ms):
        figures.append({"shape": "/".join(map(str, shape[:4])), "weights": {torch.float32: "F32", torch.float16: "F16"}[dtype], "what": what, "ms": ms})
        print("| {shape} | {weights} | {what} | {ms:.3f} |".format(**figures[-1]), flush=True)

    for shape in SHAPES if cuda else SHAPES[:1]:
        for dtype in (torch.float32, torch.float16):
            model = GPT2(shape, dtype)
            zero = torch.zeros((), dtype=torch.long, device=dev)
            for length in (length for length in (16, 64, 512) if length <= shape[4]):
                ids = torch.arange(length, device=dev) * 37 % shape[0]
                say(shape, dtype, f"prompt of {length}", median(lambda: model.forward(ids, zero).cpu()))
            token, past = torch.ones(1, dtype=torch.long, device=dev), zero + 16

            def decode():
                for _ in range(DECODED):
                    token.copy_(model.forward(token, past).argmax(-1))
                    past.add_(1)

            def read(step):
                past.fill_(16)
                step()
                token.cpu()

            say(shape, dtype, "a token, eager", median(lambda: read(decode)) / DECODED)
            if cuda:
                aside = torch.cuda.Stream()
                with torch.cuda.stream(aside): read(decode)
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph): decode()
                say(shape, dtype, "a token, CUDA graph", median(lambda: read(graph.replay)) / DECODED)
    with open("benches/results/native-torch.json", "w") as file:
        json.dump({"command": "python3 benches/native_torch.py", "device": name, "torch": torch.__version__,
                   "bandwidthGBs": bandwidth, "f32TFLOPs": tflops, "figures": figures}, file, indent=2)


main()
