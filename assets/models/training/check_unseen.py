#!/usr/bin/env python3
"""Check that the training texts hold none of the sentences that the models are tried with.

    python3 check_unseen.py bert.txt.xz gpt.txt.xz

Tried with: the cloze questions of probe.tsv with their answers filled in, and the sentences that the page begins with, which
are the messages `<lesson>-example-<number>` of assets/i18n/en. Upper case, punctuation and line ends make no difference.
Ends with 1 and names what it found if one of them occurs.

A sentence of the page with blanks has no one answer. It counts as found where it occurs with any word in each blank, and where
a stretch of it, before, between or after its blanks, has at least six words and occurs.
"""
import lzma, pathlib, re, string, sys

HERE = pathlib.Path(__file__).parent
MESSAGES = HERE.parents[1] / "i18n" / "en"
MASK = "[MASK]"
FEWEST_WORDS = 6
CHUNK = 1 << 24  # bytes

# Apostrophes go ("don't" is one word); all else that is no ASCII letter or digit parts words. Letters beyond ASCII are cut
# out too, in what is sought as in the text, which lets it work on bytes: 300 MB are gone through in half a minute.
KEPT = (string.ascii_letters + string.digits).encode()
TABLE = bytes(byte if byte in KEPT else 32 for byte in range(256)).lower()


def plain(text):
    """Bytes of UTF-8 as words of lower case with a space between."""
    return b" ".join(text.replace("’".encode(), b"'").translate(TABLE, b"'").split())


def questions():
    """Each question of the probe with its answer filled in."""
    rows = (HERE / "probe.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [sentence.replace(MASK, answer) for _, sentence, answer in (row.split("\t") for row in rows)]


def examples():
    """What the page's lessons begin with and offer."""
    found = []
    for file in sorted(MESSAGES.glob("*.ftl")):
        found += re.findall(r"^[a-z]+-example-\d+ = (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        sys.exit(f"no examples in {MESSAGES}")
    return found


def sought():
    """What must not occur: the longest stretch of it, all of it with any word in each blank, and the sentence that it is of."""
    for sentence in questions() + examples():
        parts = [plain(part.encode()) for part in sentence.split(MASK)]
        # The words are in lower case, so that ANY is none of them.
        pattern = b" ANY ".join(map(re.escape, parts)).strip().replace(b"ANY", rb"[a-z0-9]+")
        yield max(parts, key=len), re.compile(pattern), sentence
        for words in parts:
            if len(parts) > 1 and len(words.split()) >= FEWEST_WORDS:
                yield words, re.compile(re.escape(words)), sentence


def chunks(path):
    """The text in pieces that end where a document does, as `plain` words."""
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as file:
        rest = b""
        while more := file.read(CHUNK):
            whole, _, rest = (rest + more).rpartition(b"\n\n")
            yield plain(whole)
        yield plain(rest)


def main(paths):
    compared, found = list(sought()), set()
    for path in paths:
        for text in chunks(path):
            # Most texts are done with at the stretch, which takes no pattern.
            found.update((path, sentence) for words, pattern, sentence in compared if words in text and pattern.search(text))
    for path, sentence in sorted(found):
        print(f"found in {path}: {sentence}")
    print(f"{len({sentence for *_, sentence in compared})} sentences compared with {len(paths)} texts, {len({sentence for _, sentence in found})} found")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
