#!/usr/bin/env python3
"""Compares `tina tokenize` with Hugging Face tokenizers on thousands of generated texts, ids and decoding.

  python tools/check/tokenizer_corpus.py DIR [--count 12000] [--tina .build/release/tina]

DIR holds a tokenizer.json. Exit status 1 if anything differs. Also prints the speed on one long text.
"""
import argparse
import pathlib
import sys
import time

from tokenizers import Tokenizer

from programs import json_lines

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import texts  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory")
parser.add_argument("--count", type=int, default=12000)
parser.add_argument("--tina", default=".build/release/tina")
arguments = parser.parse_args()
reference = Tokenizer.from_file(arguments.directory + "/tokenizer.json")


def tina(lines):
    start = time.time()
    results = json_lines([arguments.tina, "tokenize", arguments.directory, "-"], [dict(text=line) for line in lines])
    return results, time.time() - start


corpus = texts.texts(arguments.count, seed=5)
results, _ = tina(corpus)
differences = 0
for text, result in zip(corpus, results, strict=True):
    ids = reference.encode(text).ids
    decoded = reference.decode(ids, skip_special_tokens=False)
    if result["ids"] != ids or result["text"] != decoded:
        differences += 1
        if differences <= 5:
            print(f"differs: {text!r}\n  found    {result['ids']}\n  expected {ids}")
print(f"{len(corpus)} texts, {differences} differences")

prose = [t for t in corpus if t.isascii()]
long = (" ".join(prose) * 200)[:20_000_000]
_, empty = tina([""])
_, full = tina([long])
print(f"one text of {len(long) / 1e6:.0f} MB: {len(long) / 1e6 / (full - empty):.1f} MB/s with JSON in and out")
sys.exit(1 if differences else 0)
