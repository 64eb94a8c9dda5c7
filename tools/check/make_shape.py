#!/usr/bin/env python3
"""Makes a random model of the exact shape of DeepSeek-R1-Distill-Qwen-1.5B (3.55 GB, bfloat16) and a PEFT
adapter of Tina's shape (r=32, alpha=128, seven projections, float32), for checks of numbers and speed.

  python tools/check/make_shape.py --out DIR --adapter DIR [--tokenizer DIR] [--layers 28]

--tokenizer names a folder whose tokenizer.json, tokenizer_config.json, chat_template.jinja and
generation_config.json are copied. Needs torch and safetensors (tools/requirements.txt).
"""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--adapter", type=pathlib.Path, required=True)
parser.add_argument("--tokenizer", type=pathlib.Path)
parser.add_argument("--layers", type=int, default=28)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

HIDDEN, INNER, HEADS, KEY_HEADS, HEAD, VOCABULARY, RANK = 1536, 8960, 12, 2, 128, 151936, 32
LINEAR = {
    "self_attn.q_proj": (HEADS * HEAD, HIDDEN), "self_attn.k_proj": (KEY_HEADS * HEAD, HIDDEN),
    "self_attn.v_proj": (KEY_HEADS * HEAD, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
    "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER),
}
generator = torch.Generator().manual_seed(arguments.seed)


def normal(*shape, std=0.02, dtype=torch.bfloat16):
    return torch.empty(shape).normal_(0, std, generator=generator).to(dtype)


config = dict(
    architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, bos_token_id=151643, eos_token_id=151643,
    hidden_act="silu", hidden_size=HIDDEN, initializer_range=0.02, intermediate_size=INNER,
    max_position_embeddings=131072, max_window_layers=21, model_type="qwen2", num_attention_heads=HEADS,
    num_hidden_layers=arguments.layers, num_key_value_heads=KEY_HEADS, rms_norm_eps=1e-06, rope_theta=10000,
    sliding_window=4096, tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True, use_mrope=False,
    use_sliding_window=False, vocab_size=VOCABULARY)
tensors = {"model.embed_tokens.weight": normal(VOCABULARY, HIDDEN), "lm_head.weight": normal(VOCABULARY, HIDDEN),
           "model.norm.weight": 1 + normal(HIDDEN)}
pairs = {}
for layer in range(arguments.layers):
    prefix = f"model.layers.{layer}."
    for name, (out, width) in LINEAR.items():
        tensors[f"{prefix}{name}.weight"] = normal(out, width)
        if name[-6:] in ("q_proj", "k_proj", "v_proj"):
            tensors[f"{prefix}{name}.bias"] = normal(out, std=0.2)
        key = f"base_model.model.{prefix}{name}"
        pairs[key + ".lora_A.weight"] = (torch.rand(RANK, width, generator=generator) * 2 - 1) / width**0.5
        pairs[key + ".lora_B.weight"] = normal(out, RANK, std=0.003, dtype=torch.float32)
    tensors[prefix + "input_layernorm.weight"] = 1 + normal(HIDDEN)
    tensors[prefix + "post_attention_layernorm.weight"] = 1 + normal(HIDDEN)

arguments.out.mkdir(parents=True, exist_ok=True)
arguments.adapter.mkdir(parents=True, exist_ok=True)
(arguments.out / "config.json").write_text(json.dumps(config, indent=2))
if arguments.tokenizer:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        if (arguments.tokenizer / name).exists():
            shutil.copyfile(arguments.tokenizer / name, arguments.out / name)
save_file(tensors, arguments.out / "model.safetensors", {"format": "pt"})
save_file(pairs, arguments.adapter / "adapter_model.safetensors", {"format": "pt"})
(arguments.adapter / "adapter_config.json").write_text(json.dumps(dict(
    peft_type="LORA", task_type="CAUSAL_LM", base_model_name_or_path=str(arguments.out), bias="none", r=RANK,
    lora_alpha=128, lora_dropout=0.05, target_modules=[name.split(".")[1] for name in LINEAR]), indent=2))
