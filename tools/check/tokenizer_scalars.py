#!/usr/bin/env python3
"""Compares how `tina tokenize` and Hugging Face tokenizers split beside every Unicode scalar (but private use).

  python tools/check/tokenizer_scalars.py DIR [--tina .build/release/tina]

DIR holds a tokenizer.json. For each scalar X the texts "X'C" (where a letter or number ends a piece and another
sign takes the quote along) and "1Xa" (where a letter joins what follows) must give the same ids.
Exit status 1, and the ranges, if any differ.
"""
import argparse
import sys

from tokenizers import Tokenizer

from programs import json_lines

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory")
parser.add_argument("--tina", default=".build/release/tina")
arguments = parser.parse_args()
reference = Tokenizer.from_file(arguments.directory + "/tokenizer.json")

scalars = [c for c in range(0x20, 0xE0200) if not 0xD800 <= c < 0xE000]
differing = set()
for pattern in ("{}'C", "1{}a"):
    texts = [pattern.format(chr(c)) for c in scalars]
    results = json_lines([arguments.tina, "tokenize", arguments.directory, "-"], [dict(text=text) for text in texts])
    found = [result["ids"] for result in results]
    expected = [encoding.ids for encoding in reference.encode_batch(texts)]
    differing |= {c for c, a, b in zip(scalars, found, expected, strict=True) if a != b}

ranges = []
for c in sorted(differing):
    if ranges and ranges[-1][1] == c - 1:
        ranges[-1][1] = c
    else:
        ranges.append([c, c])
print(f"{len(scalars)} scalars, {len(differing)} differ", *(f"U+{a:04X}-{b:04X}" for a, b in ranges))
sys.exit(1 if differing else 0)
