#!/usr/bin/env python3
"""Compares a GGUF model's perplexity over real text with llama.cpp's, nothing rounded on either side: llama.cpp
computes from a copy with every weight dequantised to float32, Tina from the file itself with float32 activations.

  python tools/check/family_perplexity.py MODEL.gguf TEXT... [--tokens 20000] [--window 512] [--greedy 50] [--tina TINA]
                                          [--transformers WINDOWS]

The texts are joined, cut into windows that begin with the beginning token where the model has one, and every token
but a window's first is scored; a line for each window tells the result so far. Then the first 18 words of paragraphs
are continued greedily by 32 tokens, Tina's in one batch; where ids differ, the gap of llama.cpp's logits between both
is told. Exit code 1 above 0.1 %, or where a gap is above 0.001 of the logits' range.

With --transformers the first WINDOWS are computed a third time by transformers in float32, and for Gemma a fourth time
with GELU as llama.cpp has it: from a table of 65,536 values, its inputs and its results halves. All pairs are compared
by the largest difference of a logit. Exit code 1 where Tina's is above 1e-5 of the range from transformers'.
Needs llama-cpp-python, `gguf` and numpy; with --transformers also torch and transformers.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("texts", nargs="+")
parser.add_argument("--tokens", type=int, default=20000)
parser.add_argument("--window", type=int, default=512)
parser.add_argument("--greedy", type=int, default=50)
parser.add_argument("--tina", default=".build/release/tina")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--transformers", type=int, default=0, metavar="WINDOWS")
options = parser.parse_args()
place = tempfile.TemporaryDirectory(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None)
folder = pathlib.Path(place.name)
exact = ["--cache-type", "f32", "--activations", "f32", "--threads", str(options.threads)]


def dequantise(source, target):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, 0 if name == "general.file_type" else field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tina_logits(ids):
    (folder / "ids.json").write_text(json.dumps(dict(tokens=ids)))
    subprocess.run([options.tina, "logits", options.model, "--ids", folder / "ids.json", "--out", folder / "out",
                    "--chunk", "512", *exact], check=True)
    data = np.memmap(folder / "out", np.uint8, "r")
    start = 8 + int(data[:8].view(np.uint64)[0])
    return np.asarray(data[start:]).view(np.float32).reshape(len(ids), -1)


def tina_greedy(prompts):
    (folder / "prompts").write_text("".join(json.dumps(dict(prompt=p, max_tokens=32)) + "\n" for p in prompts))
    command = [options.tina, "run", options.model, "--raw", "--jsonl", folder / "prompts", "--greedy", *exact]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line)["ids"] for line in done.stdout.splitlines()]


def llama_logits(ids, first=0, every=True):
    """Rows of logits; a view that the next call overwrites. `first` is the position of the first id."""
    if first == 0:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llama.ctx), True)
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, first + i, 1
        batch.seq_id[i][0], batch.logits[i] = 0, every or i == len(ids) - 1
    assert llama_cpp.llama_decode(llama.ctx, batch) == 0
    llama_cpp.llama_batch_free(batch)
    rows = len(ids) if every else 1
    return np.ctypeslib.as_array(llama_cpp.llama_get_logits(llama.ctx), (rows * llama.n_vocab(),)).reshape(rows, -1)


def scores(logits, ids):
    rows = logits[:-1]
    peak = rows.max(1, keepdims=True)
    total = np.log(np.exp(rows - peak).sum(1, dtype=np.float64)) + peak[:, 0]
    return rows[np.arange(len(ids) - 1), ids[1:]] - total


def of_transformers(windows):
    """Logits of windows by transformers, which dequantises the file itself; for Gemma also with llama.cpp's GELU."""
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(options.threads)
    path = pathlib.Path(options.model)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()

    class Table(torch.nn.Module):
        def forward(self, x):
            h = x.half().float()
            values = 0.5 * h * (1 + torch.tanh(0.79788456080286535588 * h * (1 + 0.044715 * h * h)))
            return torch.where(x <= -10, 0, torch.where(x >= 10, x, values.half().float()))

    @torch.no_grad()
    def logits():
        return [model(torch.tensor([ids])).logits[0].numpy() for ids in windows]

    yield "transformers", logits()
    if model.config.model_type == "gemma3_text":
        for layer in model.model.layers:
            layer.mlp.act_fn = Table()
        yield "transformers with a table for GELU", logits()


def compare(windows):
    """The largest differences of a logit, as shares of the range. True if Tina's are as transformers'."""
    found = {"Tina": [tina_logits(ids) for ids in windows], "llama.cpp": [llama_logits(ids).copy() for ids in windows]}
    found |= dict(of_transformers(windows))
    names, apart = list(found), {}
    for i, one in enumerate(names):
        for other in names[:i]:
            shares = [np.abs(a - b).max() / (b.max() - b.min()) for a, b in zip(found[one], found[other])]
            apart[other, one] = max(shares)
            print(f"{len(windows)} windows: {other} and {one}: {apart[other, one]:.2e} of the range", flush=True)
    return apart["Tina", "transformers"] <= 1e-5


dequantise(options.model, folder / "f32.gguf")
llama = llama_cpp.Llama(str(folder / "f32.gguf"), n_ctx=options.window, n_batch=options.window, logits_all=True,
                        type_k=0, type_v=0, n_threads=options.threads, n_threads_batch=options.threads, verbose=False,
                        flash_attn=False)
text = "\n".join(pathlib.Path(path).read_text() for path in options.texts)
bos = [llama.token_bos()] if "gemma" in llama.metadata["general.architecture"] else []


def tokens_of(text):
    return llama.tokenize(text.encode(), add_bos=False, special=False)


tokens = tokens_of(text)[: options.tokens]
step = options.window - len(bos)
mine, theirs = [], []
worst = share = 0
for i in range(0, len(tokens) - 1, step):
    ids = bos + tokens[i:i + step]
    a, b = tina_logits(ids), llama_logits(ids)
    worst = max(worst, np.abs(a - b).max() / (b.max() - b.min()))
    mine.append(scores(a, ids))
    theirs.append(scores(b, ids))
    x, y = np.concatenate(mine), np.concatenate(theirs)
    p, q = np.exp(-x.mean()), np.exp(-y.mean())
    share = abs(p / q - 1)
    print(f"{len(x)} tokens: perplexity {p:.5f} by Tina, {q:.5f} by llama.cpp, {share:.5%} apart; "
          f"largest difference of a logit {worst:.2e} of the range", flush=True)
failed = share > 1e-3
if options.transformers:
    windows = [bos + tokens[i:i + step] for i in range(0, options.transformers * step, step)]
    failed |= not compare(windows)

paragraphs = [p.split() for p in text.split("\n\n")]
prompts = [" ".join(p[:18]) for p in paragraphs if len(p) >= 18 and p[0][0].isalpha()][: options.greedy]
equal = 0
for i, (prompt, found) in enumerate(zip(prompts, tina_greedy(prompts) if prompts else [])):
    ids = bos + tokens_of(prompt)
    row = llama_logits(ids, every=False)[0]
    for k, token in enumerate(found):
        best = int(row.argmax())
        if best != token:
            gap = (row[best] - row[token]) / (row.max() - row.min())
            print(f"prompt {i}: token {k} differs; llama.cpp's logits are {gap:.1e} of their range apart", flush=True)
            failed |= gap > 1e-3
            break
        row = llama_logits([token], len(ids) + k)[0]
    else:
        equal += 1
if prompts:
    print(f"{equal} of {len(prompts)} greedy continuations of 32 tokens are equal")
sys.exit(bool(failed))
