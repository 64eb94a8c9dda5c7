#!/usr/bin/env python3
"""Writes a Qwen2 model directory, and a PEFT adapter of it, as GGUF files for llama.cpp.

  to_gguf.py MODEL OUT.gguf --type bf16|f16
  to_gguf.py MODEL OUT.gguf --adapter PEFT_DIRECTORY        (as f16, llama.cpp's usual)
"""
import argparse
import json
import os

import gguf
import numpy as np

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}


def safetensors(path):
    """name, type, shape and raw bytes of each tensor."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, entry["dtype"], entry["shape"], data[begin:end]


def floats(dtype, shape, raw):
    if dtype == "BF16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return raw.view({"F16": np.float16, "F32": np.float32}[dtype]).astype(np.float32).reshape(shape)


def gguf_name(name):
    if name in TOP:
        return TOP[name]
    _, _, layer, *module, kind = name.split(".")
    return f"blk.{layer}.{NAMES['.'.join(module)]}.{kind}"


def write_model(directory, out, kind):
    config = json.load(open(f"{directory}/config.json"))
    writer = gguf.GGUFWriter(out, "qwen2")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(32 if kind == "bf16" else 1)
    tokenizer = f"{directory}/tokenizer.json"
    if os.path.exists(tokenizer):
        add_vocabulary(writer, json.load(open(tokenizer)), config["vocab_size"])
    else:
        writer.add_tokenizer_model("no_vocab")
    for name, dtype, shape, raw in safetensors(f"{directory}/model.safetensors"):
        if len(shape) == 1:
            writer.add_tensor(gguf_name(name), floats(dtype, shape, raw))
        elif kind == "bf16":
            assert dtype == "BF16", f"{name} is {dtype}: the comparison is about bf16 weights"
            writer.add_tensor(gguf_name(name), raw.reshape(shape[0], 2 * shape[1]),
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(gguf_name(name), floats(dtype, shape, raw).astype(np.float16))
    finish(writer)


def add_vocabulary(writer, tokenizer, size):
    model = tokenizer["model"]
    tokens = {i: t for t, i in model["vocab"].items()}
    types = {i: gguf.TokenType.NORMAL for i in tokens}
    for added in tokenizer.get("added_tokens", []):
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([tokens.get(i, f"[PAD{i}]") for i in range(size)])
    writer.add_token_types([types.get(i, gguf.TokenType.UNUSED) for i in range(size)])
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    # llama.cpp does not load a byte-level vocabulary without any merge.
    writer.add_token_merges(merges or ["a b"])


def write_adapter(directory, out):
    config = json.load(open(f"{directory}/adapter_config.json"))
    writer = gguf.GGUFWriter(out, "qwen2")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    prefix = "base_model.model.model.layers."
    for name, dtype, shape, raw in safetensors(f"{directory}/adapter_model.safetensors"):
        layer, *module, which, _ = name.removeprefix(prefix).split(".")
        writer.add_tensor(f"blk.{layer}.{NAMES['.'.join(module)]}.weight.{which.lower()}",
                          floats(dtype, shape, raw).astype(np.float16))
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("out")
arguments.add_argument("--type", choices=["bf16", "f16"], default="bf16")
arguments.add_argument("--adapter")
a = arguments.parse_args()
if a.adapter:
    write_adapter(a.adapter, a.out)
else:
    write_model(a.model, a.out, a.type)
