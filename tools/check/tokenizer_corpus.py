#!/usr/bin/env python3
"""Compares `tina tokenize` with Hugging Face tokenizers on thousands of generated texts, ids and decoding.

  python tools/check/tokenizer_corpus.py MODEL [--reference tokenizer.json] [--count 12000] [--tina .build/release/tina]

MODEL is a folder with a tokenizer.json, or a GGUF file. A GGUF file is compared with --reference, or with what its
metadata say in Hugging Face's terms. Some texts hold the model's own added tokens. Exit status 1 if anything differs.
Also prints the speed on one long text.
"""
import argparse
import pathlib
import random
import sys
import time

from tokenizers import Tokenizer

from programs import json_lines

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import texts  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory")
parser.add_argument("--reference")
parser.add_argument("--count", type=int, default=12000)
parser.add_argument("--tina", default=".build/release/tina")
parser.add_argument("--no-speed", action="store_true", help="leave out the long text")
arguments = parser.parse_args()
if pathlib.Path(arguments.directory).is_file() and not arguments.reference:
    import gguf_tokenizer
    reference = gguf_tokenizer.reference(arguments.directory)
else:
    reference = Tokenizer.from_file(arguments.reference or arguments.directory + "/tokenizer.json")


def with_marks(texts):
    """Every third text gets one of the added tokens, or half of one."""
    rng = random.Random(6)
    marks = [token.content for token in reference.get_added_tokens_decoder().values()]
    for i, text in enumerate(texts):
        if i % 3 or not marks:
            yield text
            continue
        mark = rng.choice(marks)
        place = rng.randrange(len(text) + 1)
        yield text[:place] + (mark if rng.random() < 0.8 else mark[:len(mark) // 2 + 1]) + text[place:]


def tina(lines):
    start = time.time()
    results = json_lines([arguments.tina, "tokenize", arguments.directory, "-"], [dict(text=line) for line in lines])
    return results, time.time() - start


corpus = list(with_marks(texts.texts(arguments.count, seed=5)))
results, _ = tina(corpus)
differences = 0
start = reference.encode("").ids
for text, result in zip(corpus, results, strict=True):
    ids = reference.encode(text).ids
    if ids[:1] == start and ids[1:2] == start:
        del ids[0]  # a text that begins with its first token gets no second one
    decoded = reference.decode(ids, skip_special_tokens=False)
    if result["ids"] != ids or result["text"] != decoded:
        differences += 1
        if differences <= 5:
            print(f"differs: {text!r}\n  found    {result['ids']}\n  expected {ids}")
print(f"{len(corpus)} texts, {differences} differences")

if not arguments.no_speed:
    prose = [t for t in corpus if t.isascii()]
    long = (" ".join(prose) * 200)[:20_000_000]
    _, empty = tina([""])
    _, full = tina([long])
    print(f"one text of {len(long) / 1e6:.0f} MB: {len(long) / 1e6 / (full - empty):.1f} MB/s with JSON in and out")
sys.exit(1 if differences else 0)
