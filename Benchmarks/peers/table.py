#!/usr/bin/env python3
"""Medians of the rounds in results.jsonl, side by side, with ratios."""
import json
import statistics
import sys

ROWS = [
    ("decode1", "decode, 1 stream", "tok/s", False),
    ("decode1+adapter", "the same with the adapter", "tok/s", False),
    ("decode16+adapter", "decode, 16 streams behind one 64-token prompt, adapter", "tok/s", False),
    ("prefill512", "prefill, 512 tokens", "tok/s", False),
    ("load", "load to first token, without the prefill", "s", True),
]
runs = {}
for line in open(sys.argv[1]):
    record = json.loads(line)
    runs.setdefault(record["program"], []).append(record["results"])


def median(program, key):
    values = [r[key] for r in runs[program] if key in r]
    return statistics.median(values) if values else None


def cell(value):
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


shown = sorted(runs, key=lambda program: not program.startswith("tina"))
pairs = [(a, b) for a in shown if a.startswith("tina") for b in shown if not b.startswith("tina")]
print("| | unit | " + " | ".join(shown + [f"{a} : {b}" for a, b in pairs]) + " |")
print("|---|---" + "|---" * (len(shown) + len(pairs)) + "|")
for key, title, unit, lower in ROWS:
    values = {p: median(p, key) for p in shown}
    ratios = [None if not (values[a] and values[b]) else values[b] / values[a] if lower else values[a] / values[b]
              for a, b in pairs]
    cells = [cell(values[p]) for p in shown] + ["–" if r is None else f"{r:.2f} ×" for r in ratios]
    print(f"| {title} | {unit} | " + " | ".join(cells) + " |")
