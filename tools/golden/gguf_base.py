#!/usr/bin/env python3
"""Makes what GGUF bases are tested with, by the `gguf` package and transformers.

  python tools/golden/gguf_base.py      writes Tests/RuntimeTests/Fixtures/gguf

blocks.safetensors     TYPE/blocks: random blocks of each type; TYPE/values: what `gguf` makes of them
quantised.gguf         a small random Qwen2 model, its matrices in seven types, with Pico's tokenizer
quantised-golden.safetensors  tokens, and transformers' float32 logits of that model with every weight dequantised

Needs tools/requirements.txt and Models/pico.
"""
import json
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICO = ROOT / "Models/pico"
TARGET = ROOT / "Tests/RuntimeTests/Fixtures/gguf"
# bytes of a block, elements, where its half-precision scales are
BLOCKS = {Type.Q4_0: (18, 32, [0]), Type.Q8_0: (34, 32, [0]), Type.Q4_K: (144, 256, [0, 2]),
          Type.Q5_K: (176, 256, [0, 2]), Type.Q6_K: (210, 256, [208])}
rng = np.random.default_rng(2026)


def blocks(kind, shape, scale):
    """Random bytes with scales that make values of about `scale`."""
    size, elements, places = BLOCKS[kind]
    count = int(np.prod(shape)) // elements
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    unit = {Type.Q4_0: 1 / 5, Type.Q8_0: 1 / 74, Type.Q4_K: 1 / 280, Type.Q5_K: 1 / 560, Type.Q6_K: 1 / 1400}[kind]
    for i, place in enumerate(places):
        factor = scale * unit * (1 if i == 0 else {Type.Q4_K: 7.5, Type.Q5_K: 15.5}[kind])
        values = (factor * rng.uniform(0.8, 1.2, count)).astype(np.float16)
        data[:, place:place + 2] = values.view(np.uint8).reshape(count, 2)
    return data.reshape(*shape[:-1], -1)


def tokenizer(writer):
    """Pico's tokenizer as llama.cpp's converter writes it."""
    source = json.loads((PICO / "tokenizer.json").read_text())
    config = json.loads((PICO / "tokenizer_config.json").read_text())
    rows = json.loads((PICO / "config.json").read_text())["vocab_size"]
    tokens = {id: token for token, id in source["model"]["vocab"].items()}
    added = {item["id"]: item for item in source["added_tokens"]}
    texts, types = [], []
    for id in range(rows):
        if id in added:
            texts.append(added[id]["content"])
            types.append(3 if added[id]["special"] else 4)
        elif id in tokens:
            texts.append(tokens[id])
            types.append(1)
        else:
            texts.append(f"[PAD{id}]")
            types.append(5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-r1-qwen")
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in source["model"]["merges"]])
    ids = {item["content"]: item["id"] for item in source["added_tokens"]}
    name = lambda key: config[key] if isinstance(config[key], str) else config[key]["content"]
    writer.add_bos_token_id(ids[name("bos_token")])
    writer.add_eos_token_id(ids[name("eos_token")])
    writer.add_add_bos_token(True)
    writer.add_chat_template(config["chat_template"])
    return rows


TARGET.mkdir(parents=True, exist_ok=True)
golden = {}
for kind in BLOCKS:
    size, elements, places = BLOCKS[kind]
    data = rng.integers(0, 256, (24, size), dtype=np.uint8)
    for place in places:  # any finite scale, subnormal ones too
        bits = rng.integers(0, 1 << 16, 24).astype(np.uint16)
        bits[(bits & 0x7C00) == 0x7C00] &= 0xBFFF
        data[:, place:place + 2] = bits.view(np.uint8).reshape(24, 2)
    golden[f"{kind.name}/blocks"] = data
    golden[f"{kind.name}/values"] = gguf.quants.dequantize(data, kind).astype(np.float32)
save_file(golden, TARGET / "blocks.safetensors")

HIDDEN, INNER, HEADS, KEY_HEADS = 256, 256, 4, 2
writer = gguf.GGUFWriter(TARGET / "quantised.gguf", "qwen2")
writer.add_type("model")
rows = tokenizer(writer)
config = Qwen2Config(
    vocab_size=rows, hidden_size=HIDDEN, intermediate_size=INNER, num_hidden_layers=1, num_attention_heads=HEADS,
    num_key_value_heads=KEY_HEADS, max_position_embeddings=512, rope_theta=10000.0, rms_norm_eps=1e-6,
    tie_word_embeddings=False)
writer.add_context_length(512)
writer.add_embedding_length(HIDDEN)
writer.add_block_count(1)
writer.add_feed_forward_length(INNER)
writer.add_head_count(HEADS)
writer.add_head_count_kv(KEY_HEADS)
writer.add_rope_freq_base(10000.0)
writer.add_layer_norm_rms_eps(1e-6)
state = {}


def matrix(name, key, kind, shape, scale):
    if kind in BLOCKS:
        data = blocks(kind, shape, scale)
        values = gguf.quants.dequantize(data, kind).reshape(shape)
        writer.add_tensor(name, data, raw_dtype=kind)
    else:
        data = rng.normal(0, scale, shape).astype(np.float16 if kind == Type.F16 else np.float32)
        values = data.astype(np.float32)
        writer.add_tensor(name, data)
    state[key] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


key_width = HIDDEN // HEADS * KEY_HEADS
matrix("token_embd.weight", "model.embed_tokens.weight", Type.Q6_K, (rows, HIDDEN), 1.0)
matrix("output.weight", "lm_head.weight", Type.Q8_0, (rows, HIDDEN), 0.2)
for name, key, kind, shape in [
    ("attn_q", "self_attn.q_proj", Type.Q4_K, (HIDDEN, HIDDEN)),
    ("attn_k", "self_attn.k_proj", Type.Q5_K, (key_width, HIDDEN)),
    ("attn_v", "self_attn.v_proj", Type.Q6_K, (key_width, HIDDEN)),
    ("attn_output", "self_attn.o_proj", Type.Q8_0, (HIDDEN, HIDDEN)),
    ("ffn_gate", "mlp.gate_proj", Type.Q4_0, (INNER, HIDDEN)),
    ("ffn_up", "mlp.up_proj", Type.Q4_K, (INNER, HIDDEN)),
    ("ffn_down", "mlp.down_proj", Type.F16, (HIDDEN, INNER)),
]:
    matrix(f"blk.0.{name}.weight", f"model.layers.0.{key}.weight", kind, shape, 0.08)
for name, key, width in [("attn_q", "q_proj", HIDDEN), ("attn_k", "k_proj", key_width),
                         ("attn_v", "v_proj", key_width)]:
    matrix(f"blk.0.{name}.bias", f"model.layers.0.self_attn.{key}.bias", Type.F32, (width,), 0.3)
for name, key in [("blk.0.attn_norm", "model.layers.0.input_layernorm"),
                  ("blk.0.ffn_norm", "model.layers.0.post_attention_layernorm"), ("output_norm", "model.norm")]:
    matrix(name + ".weight", key + ".weight", Type.F32, (HIDDEN,), 1.0)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

model = Qwen2ForCausalLM(config).float().eval()
missing = model.load_state_dict(state)
tokens = rng.integers(0, rows, 40)
with torch.no_grad():
    logits = model(torch.from_numpy(tokens)[None]).logits[0].numpy()
save_file({"tokens": tokens.astype(np.int32), "logits": np.ascontiguousarray(logits)},
          TARGET / "quantised-golden.safetensors")
print("range", logits.max() - logits.min(), "rows", rows)
