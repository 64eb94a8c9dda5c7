#!/usr/bin/env python3
"""Measures Tina and llama.cpp in turns of about a second, both loaded all the time. It is for rows that memory decides:
a machine's memory changes its speed faster than whole runs of Benchmarks/peers/run take turns.

  turns.py MODEL MODEL.gguf ADAPTER ADAPTER.gguf [--tina PATH] [--turns N] [--threads N] [--streams N]
           [--activations int8|bf16]

Run it with the Python environment that Benchmarks/peers/run made. Prints the medians and the median of the turns'
ratios with its 95 % interval (bootstrap), as JSON. Tina is asked through `tina serve`, so its time has HTTP and drawing
in it; llama.cpp through its C API, decoding alone.
"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request

import llama_api as llama_cpp

parser = argparse.ArgumentParser()
for name in ("model", "gguf", "adapter", "adapter_gguf"):
    parser.add_argument(name)
parser.add_argument("--tina", default=".build/release/tina")
parser.add_argument("--turns", type=int, default=40)
parser.add_argument("--steps", type=int, default=16)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--streams", type=int, default=1)
parser.add_argument("--activations", default="int8")
a = parser.parse_args()
PROMPT = 64


class Tina:
    def __init__(self, prompt):
        self.prompt = prompt
        self.process = subprocess.Popen(
            [a.tina, "serve", a.model, "--adapter", f"lora={a.adapter}", "--port", "0", "--threads", str(a.threads),
             "--activations", a.activations, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.address = found.group(0)
                break
            print(line, end="", file=sys.stderr)
        else:
            sys.exit(f"{a.tina} serve ended before it served")
        with urllib.request.urlopen(self.address + "/v1/models") as reply:
            self.names = {None: json.load(reply)["data"][0]["id"], "lora": "lora"}
        for adapter in self.names:
            self.turn(adapter)  # all but the prompt's last token is there from now on

    def turn(self, adapter):
        """Tokens a second."""
        body = {"model": self.names[adapter], "prompt": self.prompt,
                "max_tokens": a.steps, "temperature": 0 if a.streams == 1 else 1, "seed": 1, "n": a.streams}
        request = urllib.request.Request(self.address + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        start = time.perf_counter()
        with urllib.request.urlopen(request) as reply:
            tokens = json.load(reply)["usage"]["completion_tokens"]
        return tokens / (time.perf_counter() - start)


class Llama:
    def __init__(self):
        self.model = llama_cpp.load(a.gguf)
        self.context = llama_cpp.context(self.model, 2048, a.streams, a.threads)
        self.adapters = {None: None, "lora": llama_cpp.adapter(self.model, a.adapter_gguf)}
        for adapter in self.adapters:
            self.turn(adapter)

    def turn(self, adapter):
        llama_cpp.attach(self.context, self.adapters[adapter])
        llama_cpp.clear(self.context)
        llama_cpp.prompt(self.context, PROMPT)
        llama_cpp.share(self.context, a.streams)
        start = time.perf_counter()
        for step in range(PROMPT, PROMPT + a.steps):
            rows = [(llama_cpp.token(self.context, step + s), step, s, 1) for s in range(a.streams)]
            llama_cpp.decode(self.context, rows)
        return a.steps * a.streams / (time.perf_counter() - start)


def interval(ratios):
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(2000))
    return [round(medians[50], 3), round(medians[1949], 3)]


llama = Llama()
tina = Tina([llama_cpp.token(llama.context, i) for i in range(PROMPT)])
try:
    for adapter in (None, "lora"):
        pairs = []
        for turn in range(a.turns):
            # Who goes first changes, so that a drift favours nobody.
            both = {}
            for who in ((tina, llama), (llama, tina))[turn % 2]:
                both[who] = who.turn(adapter)
            pairs.append((both[tina], both[llama]))
        ratios = [x / y for x, y in pairs]
        print(json.dumps({"adapter": adapter is not None, "streams": a.streams, "activations": a.activations,
                          "tina": round(statistics.median(x for x, _ in pairs), 2),
                          "llama.cpp": round(statistics.median(y for _, y in pairs), 2),
                          "ratio": round(statistics.median(ratios), 3), "interval": interval(ratios)}), flush=True)
finally:
    tina.process.terminate()
    tina.process.wait()
