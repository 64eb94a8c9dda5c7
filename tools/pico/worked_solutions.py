#!/usr/bin/env python3
"""Writes the worked solutions that Recipes/pico-sft.yaml learns from: seeded, none of them in the held-out part.

  python tools/pico/worked_solutions.py Models/pico/solutions.jsonl
"""
import argparse
import json
import random
from pathlib import Path

from problems import good_completion, problem


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=20261129)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    seen, lines = set(), []
    while len(lines) < arguments.count:
        made = problem(rng, held_out=False)
        if made.text in seen:
            continue
        seen.add(made.text)
        lines.append(json.dumps({
            "prompt": [{"role": "user", "content": made.text}],
            "completion": [{"role": "assistant", "content": "<think>\n" + good_completion(made)}],
        }))
    arguments.file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
