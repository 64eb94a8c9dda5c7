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
PROGRAMS = ["tina", "llama.cpp bf16", "llama.cpp f16"]
runs = {program: [] for program in PROGRAMS}
for line in open(sys.argv[1]):
    record = json.loads(line)
    runs[record["program"]].append(record["results"])


def median(program, key):
    values = [r[key] for r in runs[program] if key in r]
    return statistics.median(values) if values else None


def cell(value):
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


print("| | unit | tina (bf16) | llama.cpp bf16 | llama.cpp f16 | tina : bf16 | tina : f16 |")
print("|---|---|---|---|---|---|---|")
for key, title, unit, lower in ROWS:
    tina, bf16, f16 = (median(p, key) for p in PROGRAMS)
    ratios = [None if not (tina and other) else (other / tina if lower else tina / other) for other in (bf16, f16)]
    shown = ["–" if r is None else f"{r:.2f} ×" for r in ratios]
    print(f"| {title} | {unit} | {cell(tina)} | {cell(bf16)} | {cell(f16)} | {shown[0]} | {shown[1]} |")
