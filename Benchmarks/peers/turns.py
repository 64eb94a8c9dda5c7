#!/usr/bin/env python3
"""Tina and llama.cpp in turns of about a second, both ready all the time: for rows that memory decides, where a machine's
mood changes faster than whole runs of Benchmarks/peers/run take turns.

  turns.py MODEL MODEL.gguf ADAPTER ADAPTER.gguf [--tina PATH] [--turns N] [--threads N] [--activations int8|bf16] [--streams N]

Prints the medians and the median of the turns' ratios with its 95 % interval (bootstrap), as JSON. Tina is asked through
`tina serve`, so its time has HTTP and drawing in it; llama.cpp through its C API, decoding alone.
"""
import argparse
import ctypes
import json
import os
import random
import re
import statistics
import subprocess
import time
import urllib.request

import llama_cpp as L

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
    def __init__(self):
        self.process = subprocess.Popen(
            [a.tina, "serve", a.model, "--adapter", f"lora={a.adapter}", "--port", "0", "--threads", str(a.threads),
             "--activations", a.activations, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.address = found.group(0)
                break
        with urllib.request.urlopen(self.address + "/v1/models") as reply:
            self.names = {None: json.load(reply)["data"][0]["id"], "lora": "lora"}
        for adapter in self.names:
            self.turn(adapter)  # all but the prompt's last token is there from now on

    def turn(self, adapter):
        """Tokens a second."""
        body = {"model": self.names[adapter], "prompt": [i * 7919 % 50000 + 100 for i in range(PROMPT)],
                "max_tokens": a.steps, "temperature": 0 if a.streams == 1 else 1, "seed": 1, "n": a.streams}
        request = urllib.request.Request(self.address + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        start = time.perf_counter()
        with urllib.request.urlopen(request) as reply:
            tokens = json.load(reply)["usage"]["completion_tokens"]
        return tokens / (time.perf_counter() - start)


class Llama:
    def __init__(self):
        self.log = L.llama_log_callback(lambda level, text, data: None)
        L.llama_log_set(self.log, ctypes.c_void_p(0))
        L.llama_backend_init()
        self.model = L.llama_model_load_from_file(a.gguf.encode(), L.llama_model_default_params())
        p = L.llama_context_default_params()
        p.n_ctx, p.n_seq_max, p.kv_unified = 2048, a.streams, True
        p.n_threads = p.n_threads_batch = a.threads
        self.context = L.llama_init_from_model(self.model, p)
        self.lora = L.llama_adapter_lora_init(self.model, a.adapter_gguf.encode())
        assert self.model and self.context and self.lora
        for adapter in (None, "lora"):
            self.turn(adapter)

    def decode(self, rows):
        batch = L.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (position, sequence) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = position * 7919 % 50000 + 100, position, 1
            batch.seq_id[i][0], batch.logits[i] = sequence, 1
        assert L.llama_decode(self.context, batch) == 0
        L.llama_synchronize(self.context)
        L.llama_batch_free(batch)

    def turn(self, adapter):
        loras = (L.llama_adapter_lora_p_ctypes * 1)(self.lora)
        assert L.llama_set_adapters_lora(self.context, loras, int(adapter is not None), (ctypes.c_float * 1)(1.0)) == 0
        memory = L.llama_get_memory(self.context)
        L.llama_memory_clear(memory, True)
        self.decode([(i, 0) for i in range(PROMPT)])
        for s in range(1, a.streams):
            L.llama_memory_seq_cp(memory, 0, s, -1, -1)
        start = time.perf_counter()
        for step in range(a.steps):
            self.decode([(PROMPT + step, s) for s in range(a.streams)])
        return a.steps * a.streams / (time.perf_counter() - start)


def interval(ratios):
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(2000))
    return [round(medians[50], 3), round(medians[1949], 3)]


tina, llama = Tina(), Llama()
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
