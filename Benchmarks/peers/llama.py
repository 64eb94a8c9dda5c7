#!/usr/bin/env python3
"""Measures llama.cpp through its C API: the same work as `tina bench --peers`, with its adapter applied.

  llama.py MODEL.gguf [ADAPTER.gguf] [--threads N] [--only NAME,...]    prints one JSON object

Sequences that share a prompt are decoded as llama.cpp's own batched benchmark does, with the adapter besides.
"""
import argparse
import json
import time

import llama_api as llama

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("adapter", nargs="?")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--only", default="decode1,decode4,decode16,decode1+adapter,decode16+adapter,prefill512,load")
a = parser.parse_args()
wanted = a.only.split(",")

results = {}
loading = time.perf_counter()
model = llama.load(a.model)


def decoding(ctx, streams):
    """Tokens a second of `streams` sequences behind one prompt of 64 tokens; the best of the steps counts."""
    llama.clear(ctx)
    llama.prompt(ctx, 64)
    llama.share(ctx, streams)
    times = []
    for step in range(a.steps):
        start = time.perf_counter()
        llama.decode(ctx, [(llama.token(ctx, 64 + step + s), 64 + step, s, 1) for s in range(streams)])
        times.append(time.perf_counter() - start)
    times.sort()
    return streams / times[len(times) // 4]


if "load" in wanted:
    ctx = llama.context(model, 512, 1, a.threads)
    llama.prompt(ctx, 16)
    first = time.perf_counter() - loading
    llama.clear(ctx)
    start = time.perf_counter()
    llama.prompt(ctx, 16)
    results["load"] = first - (time.perf_counter() - start)
    llama.free(ctx)
ctx = llama.context(model, 2048, 16, a.threads)
decoding(ctx, 1) if "decode1" in wanted else llama.prompt(ctx, 64)  # warm
if "decode1" in wanted:
    results["decode1"] = decoding(ctx, 1)
for streams in (4, 16):
    if f"decode{streams}" in wanted:
        results[f"decode{streams}"] = decoding(ctx, streams)
if "prefill512" in wanted:
    rates = []
    for _ in range(2):
        llama.clear(ctx)
        start = time.perf_counter()
        llama.prompt(ctx, 512)
        rates.append(512 / (time.perf_counter() - start))
    results["prefill512"] = max(rates)
if a.adapter:
    llama.attach(ctx, llama.adapter(model, a.adapter))
    for streams in (1, 8, 16):
        if f"decode{streams}+adapter" in wanted:
            results[f"decode{streams}+adapter"] = decoding(ctx, streams)
print(json.dumps(results))
