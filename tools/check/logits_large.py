#!/usr/bin/env python3
"""Compares tina's logits with those of transformers and peft computing in float32 from the same weights.

  python tools/check/logits_large.py MODEL [--adapter DIR] [--tina .build/release/tina]

Prints, with and without the adapter, the largest difference as a share of the reference's range, and whether
the greedy ids agree. Exit status 1 if a difference exceeds 1e-4 or an id differs. Then checks on tina alone
that threads and cuts of the prompt change no bit. The 1.5B shape needs about 9 GB of memory.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("--adapter")
parser.add_argument("--tina", default=".build/release/tina")
parser.add_argument("--tokens", type=int, default=24)
parser.add_argument("--greedy", type=int, default=64, help="greedy ids compared (0: none)")
arguments = parser.parse_args()

vocabulary = json.loads(pathlib.Path(arguments.model, "config.json").read_text())["vocab_size"]
prompt = torch.randint(0, vocabulary, (arguments.tokens,), generator=torch.Generator().manual_seed(3)).tolist()
folder = pathlib.Path(tempfile.mkdtemp())


def tina(tokens, adapter, *options):
    (folder / "ids.json").write_text(json.dumps(dict(tokens=tokens)))
    command = [arguments.tina, "logits", arguments.model, "--ids", folder / "ids.json", "--out",
               folder / "logits.safetensors", "--cache-type", "f32", *options]
    subprocess.run(command + (["--adapter", adapter] if adapter else []), check=True)
    return load_file(folder / "logits.safetensors")["logits"]


@torch.no_grad()
def greedy(model, tokens, count):
    output = model.generate(torch.tensor([tokens]), max_new_tokens=count, min_new_tokens=count, do_sample=False,
                            pad_token_id=0, eos_token_id=None)
    return output[0, len(tokens):].tolist()


failed = False
model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="eager")
for adapter in [None, arguments.adapter] if arguments.adapter else [None]:
    if adapter:
        import peft
        model = peft.PeftModel.from_pretrained(model, adapter)
    model.eval()
    name = "with the adapter" if adapter else "base alone"
    with torch.no_grad():
        reference = model(torch.tensor([prompt])).logits[0]
    mine = tina(prompt, adapter)
    share = ((mine - reference).abs().max() / (reference.max() - reference.min())).item()
    failed |= share > 1e-4
    print(f"{name}: largest difference {share:.2e} of the range, at most 1e-4 wanted", flush=True)
    if arguments.greedy:
        expected = greedy(model, prompt, arguments.greedy)
        # Each position's likeliest token after the reference's own ids: all equal if and only if greedy runs are.
        found = tina(prompt + expected[:-1], adapter)[len(prompt) - 1:].argmax(-1).tolist()
        failed |= found != expected
        agreed = sum(a == b for a, b in zip(found, expected))
        print(f"{name}: {agreed} of {len(expected)} greedy ids agree", flush=True)
    for options in (["--threads", "1"], ["--chunk", "1"], ["--chunk", "7"]):
        same = torch.equal(tina(prompt, adapter, *options).view(torch.int32), mine.view(torch.int32))
        failed |= not same
        print(f"{name}: {' '.join(options)} gives {'the same bits' if same else 'OTHER BITS'}", flush=True)
sys.exit(1 if failed else 0)
