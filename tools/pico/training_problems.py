#!/usr/bin/env python3
"""Writes the problems that Recipes/pico.yaml trains on: seeded, none of them in the held-out part.

  python tools/pico/training_problems.py Models/pico/train.jsonl
"""
import argparse
import json
import random
from pathlib import Path

from problems import problem


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=20250422)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    seen, lines = set(), []
    while len(lines) < arguments.count:
        made = problem(rng, held_out=False)
        if made.text not in seen:
            seen.add(made.text)
            lines.append(json.dumps({"problem": made.text, "answer": made.answer}))
    arguments.file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
