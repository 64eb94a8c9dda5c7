#!/usr/bin/env python3
"""Compares a GGUF model's perplexity over real text with llama.cpp's, nothing rounded on either side: llama.cpp
computes from a copy with every weight dequantised to float32, Tina from the file itself with float32 activations.

  python tools/check/family_perplexity.py MODEL.gguf TEXT... [--tokens 20000] [--window 512] [--greedy 50] [--tina TINA]

The texts are joined, cut into windows that begin with the beginning token where the model has one, and every token
but a window's first is scored. Then prompts of 24 tokens are continued greedily by 32; where ids differ, the gap of
llama.cpp's logits between both is told. Exit code 1 above 0.1 %, or where a gap is above 0.001 of the logits' range.
Needs llama-cpp-python, `gguf` and numpy.
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
options = parser.parse_args()
folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None))


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
                    "--cache-type", "f32", "--activations", "f32", "--chunk", "512",
                    "--threads", str(options.threads)], check=True)
    data = np.memmap(folder / "out", np.uint8, "r")
    start = 8 + int(data[:8].view(np.uint64)[0])
    return np.asarray(data[start:]).view(np.float32).reshape(len(ids), -1)


def llama_logits(ids):
    llama.reset()
    llama.eval(ids)
    return llama.scores[: len(ids)]


def scores(logits, ids):
    rows = logits[:-1].astype(np.float64)
    peak = rows.max(1, keepdims=True)
    total = np.log(np.exp(rows - peak).sum(1)) + peak[:, 0]
    return rows[np.arange(len(ids) - 1), ids[1:]] - total


dequantise(options.model, folder / "f32.gguf")
llama = llama_cpp.Llama(str(folder / "f32.gguf"), n_ctx=options.window, n_batch=options.window, logits_all=True,
                        type_k=0, type_v=0, n_threads=options.threads, n_threads_batch=options.threads, verbose=False,
                        flash_attn=False)
text = "\n".join(pathlib.Path(path).read_text() for path in options.texts)
tokens = llama.tokenize(text.encode(), add_bos=False, special=False)[: options.tokens]
bos = [llama.token_bos()] if "gemma" in llama.metadata["general.architecture"] else []
step = options.window - len(bos)
windows = [bos + tokens[i:i + step] for i in range(0, len(tokens) - 1, step)]
mine, theirs = [], []
worst = 0
for ids in windows:
    a, b = tina_logits(ids), llama_logits(ids)
    worst = max(worst, np.abs(a - b).max() / (b.max() - b.min()))
    mine.append(scores(a, ids))
    theirs.append(scores(b, ids))
mine, theirs = np.concatenate(mine), np.concatenate(theirs)
p, q = np.exp(-mine.mean()), np.exp(-theirs.mean())
share = abs(p / q - 1)
print(f"{len(mine)} tokens: perplexity {p:.5f} by Tina, {q:.5f} by llama.cpp, {share:.5%} apart; "
      f"largest difference of a logit {worst:.2e} of the range")
failed = share > 1e-3

equal = 0
for prompt in range(options.greedy):
    start = bos + tokens[prompt * 24:prompt * 24 + 24]
    count = 32
    ids = list(start)
    llama.reset()
    llama.eval(ids)
    theirs = []
    for _ in range(count):
        theirs.append(int(llama.scores[llama.n_tokens - 1].argmax()))
        llama.eval(theirs[-1:])
    # One pass over llama.cpp's own ids says what Tina would take after each of them.
    rows = tina_logits(start + theirs[:-1])[len(start) - 1:]
    first = next((i for i in range(count) if int(rows[i].argmax()) != theirs[i]), None)
    if first is None:
        equal += 1
        continue
    row = llama_logits(start + theirs[:first])[-1]
    gap = (row[theirs[first]] - row[int(rows[first].argmax())]) / (row.max() - row.min())
    print(f"prompt {prompt}: token {first} differs; llama.cpp's logits are {gap:.1e} of their range apart")
    failed |= gap > 1e-3
if options.greedy:
    print(f"{equal} of {options.greedy} greedy continuations of 32 tokens are equal")
sys.exit(failed)
