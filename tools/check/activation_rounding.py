#!/usr/bin/env python3
"""What rounding activations to eight bits does to the perplexity of a quantised Pico, by another program than Tina: the
file's weights, dequantised, in transformers, and the inputs of every linear map with weights in blocks of 32 rounded as
docs/reference/numerics.md says (scale in float32), or as llama.cpp does (scale in float16).

usage: activation_rounding.py MODEL FILE.gguf DOCUMENTS.jsonl [COUNT]

MODEL is the directory that FILE.gguf (F16, Q8_0 or Q4_0) was made from, DOCUMENTS those of gguf_peer.py. Needs torch,
transformers and gguf.
"""
import json
import math
import sys

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
OTHERS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
          "output.weight": "lm_head.weight"}
rounding = None


def name_in_checkpoint(name):
    parts = name.split(".")
    return f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}" if parts[0] == "blk" else OTHERS[name]


def rounded(x):
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    top = blocks.abs().amax(-1, keepdim=True)
    codes = torch.where(top > 0, torch.round(blocks * (127 / top.clamp_min(1e-30))), 0)
    scale = top / 127
    return (codes * (scale.half().float() if rounding == "float16" else scale)).reshape(x.shape)


def scores(model, documents):
    """ln p of every token of each completion."""
    result = []
    for start in range(0, len(documents), 64):
        some = documents[start:start + 64]
        ids = torch.zeros(len(some), max(len(p) + len(c) for p, c in some), dtype=torch.long)
        for row, (p, c) in zip(ids, some):
            row[:len(p) + len(c)] = torch.tensor(p + c)
        with torch.no_grad():
            table = torch.log_softmax(model(ids).logits.double(), -1)
        for row, (p, c) in zip(table, some):
            result.append(row[len(p) - 1:len(p) + len(c) - 1].gather(1, torch.tensor(c)[:, None])[:, 0].numpy())
    return result


torch.set_num_threads(1)
path, file, texts = sys.argv[1:4]
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
tokenizer = AutoTokenizer.from_pretrained(path)
weights, types = model.state_dict(), {}
for tensor in gguf.GGUFReader(file).tensors:
    name = name_in_checkpoint(tensor.name)
    types[name] = tensor.tensor_type.name
    if types[name] not in ("F32", "F16", "Q8_0", "Q4_0"):
        sys.exit(f"{file}: found {tensor.name} in {types[name]}, expected F32, F16, Q8_0 or Q4_0")
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    weights[name].copy_(torch.tensor(np.array(values)).reshape(weights[name].shape))
for name, module in model.named_modules():
    kind = types.get(name + ".weight", types["model.embed_tokens.weight"])
    if isinstance(module, torch.nn.Linear) and kind in ("Q8_0", "Q4_0"):
        module.register_forward_pre_hook(lambda module, inputs: (rounded(inputs[0]),) if rounding else None)
documents = [json.loads(line) for line in open(texts)][:int(sys.argv[4]) if len(sys.argv) > 4 else None]
documents = [[tokenizer(d[k], add_special_tokens=False).input_ids for k in ("prompt", "completion")] for d in documents]
documents.sort(key=lambda d: len(d[0]) + len(d[1]))
found = {}
for rounding in [None, "float32", "float16"]:
    found[rounding] = scores(model, documents)
    perplexity = math.exp(-np.concatenate(found[rounding]).mean())
    name = "inputs as they are" if rounding is None else "rounded, scales in " + rounding
    print(f"{name}: {perplexity:.5f}", flush=True)
for a, b in [("float32", None), ("float16", None), ("float32", "float16")]:
    differences = [x - y for x, y in zip(found[a], found[b])]
    tokens = np.concatenate(differences)
    error = math.sqrt(sum((d.sum() - tokens.mean() * len(d)) ** 2 for d in differences)) / len(tokens)
    print(f"{a} against {b}: {100 * math.expm1(-tokens.mean()):+.3f} % +- {100 * error:.3f} %; "
          f"a token's ln p differs by {tokens.std():.4f}")
