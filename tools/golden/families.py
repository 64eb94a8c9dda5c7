#!/usr/bin/env python3
"""Makes what families of models are tested with: tiny random models with every switch on, saved by transformers,
their logits and greedy ids in float32, and GGUF files of them by the `gguf` package.

  python tools/golden/families.py      writes Tests/RuntimeTests/Fixtures/family-*, families-golden.safetensors

family-NAME/config.json      as transformers 5 writes it
family-NAME/config-4.json    the same model as transformers 4 wrote it; transformers reads the same logits from it
family-NAME/model.gguf       the same model by llama.cpp's rules: rows of q and k with rotary pairs beside each other
                             (llama, smollm3), norms with 1 added (gemma3), Llama 3's scaling as a tensor

Needs tools/requirements.txt.
"""
import hashlib
import json
import math
import pathlib
import shutil
import tempfile

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests/RuntimeTests/Fixtures"
VOCABULARY = 64
SHAPE = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
# name: (transformers' names, changes, what transformers 4 has instead of transformers 5's rope_parameters)
CASES = {
    "qwen2-yarn": ("Qwen2", dict(head_dim=8, rope_parameters=dict(YARN, rope_theta=10000.0)),
                   dict(rope_theta=10000.0, rope_scaling=dict(type="yarn", factor=4.0,
                                                              original_max_position_embeddings=16))),
    "qwen3": ("Qwen3", dict(head_dim=10, tie_word_embeddings=True,
                            rope_parameters=dict(rope_type="default", rope_theta=1e6)), dict(rope_theta=1e6)),
    "qwen3-window": ("Qwen3", dict(head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=9,
                                   max_window_layers=2,
                                   rope_parameters=dict(YARN, rope_theta=5e5, attention_factor=1.3, beta_fast=16.0,
                                                        beta_slow=2.0, truncate=False)),
                     dict(rope_theta=5e5, rope_scaling=dict(YARN, attention_factor=1.3, beta_fast=16.0, beta_slow=2.0,
                                                            truncate=False))),
    "llama": ("Llama", dict(head_dim=8, attention_bias=True, mlp_bias=True,
                            rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=10000.0)),
              dict(rope_theta=10000.0, rope_scaling=dict(type="linear", factor=2.5))),
    "llama3": ("Llama", dict(tie_word_embeddings=True, num_key_value_heads=1, head_dim=12,
                             rope_parameters=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                                  high_freq_factor=4.0, original_max_position_embeddings=32,
                                                  rope_theta=500.0)),
               dict(rope_theta=500.0, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                                        high_freq_factor=4.0, original_max_position_embeddings=32))),
    "smollm3": ("SmolLM3", dict(head_dim=8, num_hidden_layers=5,
                                rope_parameters=dict(rope_type="default", rope_theta=2e6)),
                dict(rope_theta=2e6)),
    "smollm3-window": ("SmolLM3", dict(head_dim=6, rope_parameters=dict(rope_type="default", rope_theta=1e4),
                                       attention_bias=True, mlp_bias=True, use_sliding_window=True, sliding_window=7,
                                       no_rope_layers=[0, 1, 1, 0], tie_word_embeddings=False),
                       dict(rope_theta=1e4)),
    "gemma3": ("Gemma3", dict(head_dim=10, query_pre_attn_scalar=10, sliding_window=8, num_hidden_layers=7,
                              hidden_activation="gelu_pytorch_tanh",
                              rope_parameters=dict(
                                  sliding_attention=dict(rope_type="default", rope_theta=10000.0),
                                  full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6))),
               dict(rope_theta=1e6, rope_local_base_freq=10000.0, rope_scaling=dict(rope_type="linear", factor=8.0),
                    sliding_window_pattern=6)),
    "gemma3-scalar": ("Gemma3", dict(head_dim=6, query_pre_attn_scalar=9, sliding_window=5, attention_bias=True,
                                     num_hidden_layers=3, hidden_activation="gelu_pytorch_tanh",
                                     tie_word_embeddings=False,
                                     layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                     rope_parameters=dict(
                                         sliding_attention=dict(rope_type="default", rope_theta=500.0),
                                         full_attention=dict(rope_type="default", rope_theta=4000.0))),
                      dict(rope_theta=4000.0, rope_local_base_freq=500.0)),
}
# Those that GGUF can say: it has no windows for Qwen and SmolLM3, no cut that is not truncated.
GGUF = ["qwen2-yarn", "qwen3", "llama", "llama3", "smollm3", "gemma3"]


def make_model(name, kind, changes, old):
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
    text = "Text" if kind == "Gemma3" else ""
    config = getattr(transformers, kind + text + "Config")(**{**SHAPE, **changes})
    model = getattr(transformers, kind + "ForCausalLM")(config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            std = 0.3 if key.endswith("bias") else 0.8 if "embed" in key else 0.2
            value = torch.empty(parameter.shape).normal_(0, std, generator=generator)
            if "norm" in key:
                value = value if kind == "Gemma3" else 1 + value
            elif "embed" in key and kind == "Gemma3":
                value = value / math.sqrt(config.hidden_size)
            parameter.copy_(value)
    folder = FIXTURES / f"family-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    fifth = json.loads((folder / "config.json").read_text())
    fourth = {key: value for key, value in fifth.items() if key not in ("rope_parameters", "dtype")}
    if "sliding_window_pattern" in old:
        del fourth["layer_types"]
    fourth |= old | dict(torch_dtype="bfloat16", transformers_version="4.53.0")
    (folder / "config-4.json").write_text(json.dumps(fourth, indent=2, sort_keys=True) + "\n")
    return folder


def load(folder, config="config.json"):
    """Float32 arithmetic from the weights as stored."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(folder / "model.safetensors", copy)
        shutil.copy(folder / config, pathlib.Path(copy) / "config.json")
        return AutoModelForCausalLM.from_pretrained(copy, dtype=torch.float32, attn_implementation="eager").eval()


@torch.no_grad()
def logits(model, tokens):
    return model(torch.tensor([tokens]), use_cache=False).logits[0].float().contiguous()


def greedy(model, tokens, count):
    ids = list(tokens)
    for _ in range(count):
        ids.append(int(logits(model, ids)[-1].argmax()))
    return torch.tensor(ids[len(tokens):], dtype=torch.int32)


# MARK: GGUF

MODULES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
           "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
           "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
           "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
GEMMA = MODULES | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                   "post_feedforward_layernorm": "post_ffw_norm"}


def gguf_name(key, modules):
    key, parameter = key.rsplit(".", 1)
    outer = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if key in outer:
        return f"{outer[key]}.{parameter}"
    _, _, layer, module = key.split(".", 3)
    return f"blk.{layer}.{modules[module]}.{parameter}"


def adjacent(weights, heads):
    """llama.cpp's order of rows: the two halves of a head, element by element."""
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def write_gguf(folder, config, model):
    arch = {"gemma3_text": "gemma3"}.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(folder / "model.gguf", arch)
    writer.add_type("model")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if width * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)
    rope = config.rope_parameters
    if arch == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        rope = rope["full_attention"]
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "llama3":
        plain = 1 / rope["rope_theta"] ** (torch.arange(0, width, 2).float() / width)
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy().astype(np.float32))
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    modules = GEMMA if arch == "gemma3" else MODULES
    for key, tensor in load_file(folder / "model.safetensors").items():
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        heads = heads.get(key.split(".")[-2]) if arch in ("llama", "smollm3") else None
        if tensor.ndim == 2:
            bits = tensor.view(torch.int16).numpy()
            bits = adjacent(bits, heads) if heads else bits
            writer.add_tensor(gguf_name(key, modules), np.ascontiguousarray(bits).view(np.uint8),
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            values = tensor.float().numpy()
            values = adjacent(values, heads) if heads else values
            if arch == "gemma3" and key.endswith("norm.weight"):
                values = values + np.float32(1)
            writer.add_tensor(gguf_name(key, modules), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = {}
    for name, (kind, changes, old) in CASES.items():
        folder = make_model(name, kind, changes, old)
        model = load(folder)
        tokens = torch.randint(3, VOCABULARY, (44,), generator=torch.Generator().manual_seed(5)).tolist()
        found = logits(model, tokens)
        assert torch.equal(found, logits(load(folder, "config-4.json"), tokens)), name
        golden[name + ".tokens"] = torch.tensor(tokens, dtype=torch.int32)
        golden[name + ".logits"] = found[-20:].contiguous()
        golden[name + ".greedy"] = greedy(model, tokens[:8], 64)
        if name in GGUF:
            write_gguf(folder, model.config, model)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{name}: {size} bytes, logits from {found.min():.2f} to {found.max():.2f}")
    save_file(golden, FIXTURES / "families-golden.safetensors")
