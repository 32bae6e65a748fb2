"""Tokens in documents, and batches of them: what pretrain.py trains on and evaluate.py measures with."""
import numpy as np, torch, torch.nn.functional as F

PAD, UNK, CLS, SEP, MASK = range(5)


class Documents:
    """Tokens on a device, with where their units (a sentence; for GPT a document) and their documents begin and end."""

    def __init__(self, tokens, per_unit, per_doc, dev):
        sums = lambda counts: torch.from_numpy(np.cumsum(counts.astype(np.int64))).to(dev)
        self.dev = dev
        self.flat = torch.from_numpy(tokens.astype(np.int32)).to(dev)
        self.off = F.pad(sums(per_unit), (1, 0))                        # where each unit begins, in tokens
        self.doc_end = sums(per_doc)                                    # where each document ends, in units
        self.count = len(per_doc)
        self.doc_of_unit = torch.repeat_interleave(torch.arange(self.count, device=dev), torch.from_numpy(per_doc.astype(np.int64)).to(dev))
        units = torch.arange(len(per_unit), device=dev)
        self.starts = units[units + 1 < self.doc_end[self.doc_of_unit]]  # units with another after them in their document

    def randint(self, lo, hi, n): return torch.randint(lo, hi, (n,), device=self.dev)
    def rand(self, *shape): return torch.rand(*shape, device=self.dev)

    def bert_batch(self, pool, B, T, V, rate, short=0.):
        """Ids, attention mask, segments, is B a random text (-100: there is no B), masked positions, their true ids (-100: none),
        and the document that each sequence begins in; sequences begin with units of `pool`.

        One sequence in seven has no second text. Of the others, `short` end their second text after as many sentences as the
        first has; the rest fill the T positions."""
        flat, off, doc_end, doc_of, rand = self.flat, self.off, self.doc_end, self.doc_of_unit, self.rand
        i = pool[self.randint(0, len(pool), B)]; end = doc_end[doc_of[i]]
        k = 1 + (rand(B) * torch.clamp(end - i - 1, max=4)).long()                             # sentences in A: 1..4
        k = torch.where(rand(B) < short, 1, torch.minimum(k, end - i - 1).clamp(min=1)); j = i + k
        single = rand(B) < .15; other = (rand(B) < .5) & ~single
        j = torch.where(other, pool[self.randint(0, len(pool), B)], j)
        end_b = doc_end[doc_of[j]]; end_b = torch.where(rand(B) < short, torch.minimum(end_b, j + k), end_b)
        la = torch.minimum(off[i + k] - off[i], torch.full_like(i, T - 12))
        la = torch.where(single, la, torch.minimum(la, torch.full_like(la, 2 * T // 3)))
        lb = torch.where(single, torch.zeros_like(la), torch.minimum(off[end_b] - off[j], T - 3 - la))
        t = torch.arange(T, device=self.dev)[None]
        la, lb = la[:, None], lb[:, None]
        in_a = (t >= 1) & (t <= la); in_b = (t >= la + 2) & (t < la + 2 + lb)
        src = torch.where(in_a, off[i][:, None] + t - 1, torch.where(in_b, off[j][:, None] + t - la - 2, 0))
        x = torch.where(in_a | in_b, flat[src].long(), torch.zeros_like(src))
        x = torch.where(t == 0, CLS, torch.where((t == la + 1) | ((lb > 0) & (t == la + 2 + lb)), SEP, x))
        length = torch.where(lb > 0, la + lb + 3, la + 2); seg = ((t >= la + 2) & (t < length)).long()
        M = max(1, int(rate * T)); score = rand(B, T) + (~(in_a | in_b)).float() * 2            # lowest: masked
        pos = score.topk(M, dim=1, largest=False).indices
        ok = (score.gather(1, pos) < 1) & (torch.arange(M, device=self.dev)[None] < (rate * length).round().clamp(min=1))
        y = x.gather(1, pos); u = rand(B, M)
        new = torch.where(u < .8, torch.full_like(y, MASK), torch.where(u < .9, torch.randint(5, V, y.shape, device=self.dev), y))
        x = x.scatter(1, pos, torch.where(ok, new, y))
        return x, t < length, seg, torch.where(single, -100, other.long()), pos, torch.where(ok, y, -100), doc_of[i]
