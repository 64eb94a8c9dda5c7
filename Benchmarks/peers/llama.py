#!/usr/bin/env python3
"""Measures llama.cpp through its C API: the same work as `tina bench --peers`, with its adapter applied.

  llama.py MODEL.gguf [ADAPTER.gguf] [--threads N] [--only NAME,...]    prints one JSON object

llama.cpp's own batched benchmark ignores adapters; this one decodes sequences that share a prompt the
same way (llama_memory_seq_cp), after llama_set_adapters_lora.
"""
import argparse
import ctypes
import json
import time

began = time.perf_counter()
import llama_cpp as L  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("adapter", nargs="?")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--only", default="decode1,decode4,decode16,decode1+adapter,decode16+adapter,prefill512,load")
a = parser.parse_args()
wanted = a.only.split(",")

log = L.llama_log_callback(lambda level, text, data: None)
L.llama_log_set(log, ctypes.c_void_p(0))
L.llama_backend_init()
results = {}
loading = time.perf_counter()
model = L.llama_model_load_from_file(a.model.encode(), L.llama_model_default_params())
assert model, "llama.cpp did not load the model"
vocabulary = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))


def context(tokens, sequences):
    p = L.llama_context_default_params()
    p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = tokens, 512, 512, sequences
    p.n_threads = p.n_threads_batch = a.threads
    p.kv_unified = True  # a prompt that sequences share is held once
    made = L.llama_init_from_model(model, p)
    assert made, "llama.cpp made no context"
    return made


def decode(ctx, rows):
    """rows: (token, position, sequence, whether logits are wanted)"""
    batch = L.llama_batch_init(len(rows), 0, 1)
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, logits) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
        batch.seq_id[i][0], batch.logits[i] = sequence, logits
    assert L.llama_decode(ctx, batch) == 0, "llama_decode failed"
    L.llama_synchronize(ctx)
    L.llama_batch_free(batch)


def token(i):
    return (i * 7919 + 13) % min(vocabulary, 150000)


def prompt(ctx, count):
    decode(ctx, [(token(i), i, 0, i == count - 1) for i in range(count)])


def decoding(ctx, streams):
    """Tokens a second of `streams` sequences behind one prompt of 64 tokens; the best of the steps counts."""
    L.llama_memory_clear(L.llama_get_memory(ctx), True)
    prompt(ctx, 64)
    for s in range(1, streams):
        L.llama_memory_seq_cp(L.llama_get_memory(ctx), 0, s, -1, -1)
    times = []
    for step in range(a.steps):
        start = time.perf_counter()
        decode(ctx, [(token(64 + step + s), 64 + step, s, 1) for s in range(streams)])
        times.append(time.perf_counter() - start)
    times.sort()
    return streams / times[len(times) // 4]


if "load" in wanted:
    ctx = context(512, 1)
    prompt(ctx, 16)
    first = time.perf_counter() - loading
    L.llama_memory_clear(L.llama_get_memory(ctx), True)
    start = time.perf_counter()
    prompt(ctx, 16)
    results["load"] = first - (time.perf_counter() - start)
    L.llama_free(ctx)
ctx = context(2048, 16)
decoding(ctx, 1) if "decode1" in wanted else prompt(ctx, 64)  # warm
if "decode1" in wanted:
    results["decode1"] = decoding(ctx, 1)
for streams in (4, 16):
    if f"decode{streams}" in wanted:
        results[f"decode{streams}"] = decoding(ctx, streams)
if "prefill512" in wanted:
    rates = []
    for _ in range(2):
        L.llama_memory_clear(L.llama_get_memory(ctx), True)
        start = time.perf_counter()
        prompt(ctx, 512)
        rates.append(512 / (time.perf_counter() - start))
    results["prefill512"] = max(rates)
if a.adapter:
    lora = L.llama_adapter_lora_init(model, a.adapter.encode())
    assert lora, "llama.cpp did not load the adapter"
    loras = (L.llama_adapter_lora_p_ctypes * 1)(lora)
    assert L.llama_set_adapters_lora(ctx, loras, 1, (ctypes.c_float * 1)(1.0)) == 0
    for streams in (1, 8, 16):
        if f"decode{streams}+adapter" in wanted:
            results[f"decode{streams}+adapter"] = decoding(ctx, streams)
print(json.dumps(results))
