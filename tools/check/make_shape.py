#!/usr/bin/env python3
"""Makes a random model of the exact shape of DeepSeek-R1-Distill-Qwen-1.5B (3.55 GB, bfloat16) or of another base,
and a PEFT adapter of Tina's shape (r=32, alpha=128, seven projections, float32), for checks of numbers and speed.

  python tools/check/make_shape.py --out DIR --adapter DIR [--shape r1-1.5b] [--tokenizer DIR] [--layers N]

--shape is r1-1.5b, qwen3-0.6b, qwen3-1.7b, llama-3.2-1b, gemma-3-270m or gemma-3-1b.

--tokenizer names a folder whose tokenizer.json, tokenizer_config.json, chat_template.jinja and
generation_config.json are copied. Needs torch and safetensors (tools/requirements.txt); norms are random too.
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
parser.add_argument("--shape", default="r1-1.5b")
parser.add_argument("--layers", type=int)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

QWEN2 = dict(
    architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, bos_token_id=151643, eos_token_id=151643,
    hidden_act="silu", hidden_size=1536, initializer_range=0.02, intermediate_size=8960,
    max_position_embeddings=131072, max_window_layers=21, model_type="qwen2", num_attention_heads=12,
    num_hidden_layers=28, num_key_value_heads=2, rms_norm_eps=1e-06, rope_theta=10000,
    sliding_window=4096, tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True, use_mrope=False,
    use_sliding_window=False, vocab_size=151936)
QWEN3 = dict(
    architectures=["Qwen3ForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=151643,
    eos_token_id=151645, head_dim=128, hidden_act="silu", hidden_size=1024, intermediate_size=3072,
    max_position_embeddings=40960, max_window_layers=28, model_type="qwen3", num_attention_heads=16,
    num_hidden_layers=28, num_key_value_heads=8, rms_norm_eps=1e-06, rope_scaling=None, rope_theta=1000000,
    sliding_window=None, tie_word_embeddings=True, torch_dtype="bfloat16", use_cache=True, use_sliding_window=False,
    vocab_size=151936)
LLAMA = dict(
    architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=128000,
    eos_token_id=128001, head_dim=64, hidden_act="silu", hidden_size=2048, intermediate_size=8192,
    max_position_embeddings=131072, mlp_bias=False, model_type="llama", num_attention_heads=32, num_hidden_layers=16,
    num_key_value_heads=8, pretraining_tp=1, rms_norm_eps=1e-05, rope_theta=500000.0, tie_word_embeddings=True,
    rope_scaling=dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
                      rope_type="llama3"), torch_dtype="bfloat16", use_cache=True, vocab_size=128256)
GEMMA = dict(
    architectures=["Gemma3ForCausalLM"], attention_bias=False, attention_dropout=0.0, attn_logit_softcapping=None,
    bos_token_id=2, eos_token_id=1, final_logit_softcapping=None, head_dim=256, hidden_activation="gelu_pytorch_tanh",
    hidden_size=1152, intermediate_size=6912, max_position_embeddings=32768, model_type="gemma3_text",
    num_attention_heads=4, num_hidden_layers=26, num_key_value_heads=1, pad_token_id=0, query_pre_attn_scalar=256,
    rms_norm_eps=1e-06, rope_local_base_freq=10000, rope_scaling=None, rope_theta=1000000, sliding_window=512,
    sliding_window_pattern=6, torch_dtype="bfloat16", use_cache=True, vocab_size=262144)
SHAPES = {
    "r1-1.5b": QWEN2, "qwen3-0.6b": QWEN3, "qwen3-1.7b": QWEN3 | dict(hidden_size=2048, intermediate_size=6144),
    "llama-3.2-1b": LLAMA, "gemma-3-1b": GEMMA,
    "gemma-3-270m": GEMMA | dict(hidden_size=640, intermediate_size=2048, num_hidden_layers=18),
}
config = SHAPES[arguments.shape]
if arguments.layers:
    config = config | dict(num_hidden_layers=arguments.layers)
HIDDEN, INNER, VOCABULARY = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
HEADS, KEY_HEADS, RANK = config["num_attention_heads"], config["num_key_value_heads"], 32
HEAD = config.get("head_dim", HIDDEN // HEADS)
OFFSET = 0 if config["model_type"] == "gemma3_text" else 1  # Gemma's norms are 1 + w
LINEAR = {
    "self_attn.q_proj": (HEADS * HEAD, HIDDEN), "self_attn.k_proj": (KEY_HEADS * HEAD, HIDDEN),
    "self_attn.v_proj": (KEY_HEADS * HEAD, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
    "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER),
}
generator = torch.Generator().manual_seed(arguments.seed)


def normal(*shape, std=0.02, dtype=torch.bfloat16):
    return torch.empty(shape).normal_(0, std, generator=generator).to(dtype)


def norm(width):
    # In qwen2 they are what they were before there were other shapes.
    return OFFSET + normal(width, std=0.02 if config["model_type"] == "qwen2" else 0.1)


tensors = {"model.embed_tokens.weight": normal(VOCABULARY, HIDDEN)}
if not config.get("tie_word_embeddings", True):
    tensors["lm_head.weight"] = normal(VOCABULARY, HIDDEN)
tensors["model.norm.weight"] = norm(HIDDEN)
pairs = {}
for layer in range(config["num_hidden_layers"]):
    prefix = f"model.layers.{layer}."
    for name, (out, width) in LINEAR.items():
        tensors[f"{prefix}{name}.weight"] = normal(out, width)
        if config["model_type"] == "qwen2" and name[-6:] in ("q_proj", "k_proj", "v_proj"):
            tensors[f"{prefix}{name}.bias"] = normal(out, std=0.2)
        key = f"base_model.model.{prefix}{name}"
        pairs[key + ".lora_A.weight"] = (torch.rand(RANK, width, generator=generator) * 2 - 1) / width**0.5
        pairs[key + ".lora_B.weight"] = normal(out, RANK, std=0.003, dtype=torch.float32)
    tensors[prefix + "input_layernorm.weight"] = norm(HIDDEN)
    tensors[prefix + "post_attention_layernorm.weight"] = norm(HIDDEN)
    if config["model_type"] == "gemma3_text":
        tensors[prefix + "pre_feedforward_layernorm.weight"] = norm(HIDDEN)
        tensors[prefix + "post_feedforward_layernorm.weight"] = norm(HIDDEN)
    if config["model_type"] in ("gemma3_text", "qwen3"):
        tensors[prefix + "self_attn.q_norm.weight"] = norm(HEAD)
        tensors[prefix + "self_attn.k_norm.weight"] = norm(HEAD)

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
