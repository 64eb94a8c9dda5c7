"""Small models, their identities, and what each model is to each identity (../base-identity.md)."""

import json
import os
import sys

import numpy as np
from writer import bf16
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = {
    "model_type": "qwen2", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 2, "intermediate_size": 48, "vocab_size": 40, "tie_word_embeddings": True,
}  # fmt: skip


def weights(seed=1):
    rng = np.random.default_rng(seed)
    out = {"model.embed_tokens.weight": rng.normal(0, 0.02, (40, 32))}
    for i in range(2):
        start = f"model.layers.{i}."
        out[start + "self_attn.q_proj.weight"] = rng.normal(0, 0.05, (32, 32))
        out[start + "self_attn.q_proj.bias"] = rng.normal(0, 0.5, 32)
        out[start + "mlp.up_proj.weight"] = rng.normal(0, 0.05, (48, 32))
        out[start + "input_layernorm.weight"] = rng.normal(1, 0.1, 32)
    out["model.norm.weight"] = rng.normal(1, 0.1, 32)
    return {name: np.asarray(value, "<f4") for name, value in out.items()}


def rounded(value):
    return (np.frombuffer(bf16(value), "<u2").astype("<u4") << 16).view("<f4").reshape(value.shape)


WORDS = {
    "BF16": bf16, "F16": lambda v: v.astype("<f2").tobytes(), "F32": lambda v: v.astype("<f4").tobytes(),
    "F64": lambda v: v.astype("<f8").tobytes(),
}  # fmt: skip


def safetensors(tensors, element, others=()):
    """A file of one element type; F64 for the names among the others."""
    header, data = {}, b""
    for name, value in tensors.items():
        its = "F64" if name in others else element
        raw = WORDS[its](value)
        header[name] = {"dtype": its, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def make(write):
    sys.path.insert(0, os.path.join(HERE, "../../python/src"))
    from tina import BaseIdentity, identify

    first = weights()
    exact = {name: rounded(value) for name, value in first.items()}
    tied = dict(exact, **{"lm_head.weight": exact["model.embed_tokens.weight"]})
    sibling = {name: value + np.float32(0.002) * np.float32(value.std()) * np.sign(value) for name, value in first.items()}
    other = {name: rounded(value) for name, value in sibling.items()}
    wide = dict(CONFIG, intermediate_size=64)
    sizes = {key: value for key, value in CONFIG.items() if key not in ("model_type", "tie_word_embeddings")}
    nested = {"model_type": "gemma3", "hidden_size": None, "text_config": {"model_type": "gemma3_text", **sizes}}
    models = {
        "bf16": (CONFIG, exact, "BF16", "the base"),
        "f32": (CONFIG, tied, "F32", "the same weights in F32, and a head that is the table"),
        "f16": (CONFIG, exact, "F16", "the same weights in F16"),
        "original": (CONFIG, first, "F32", "what the base was rounded from"),
        "sibling": (CONFIG, other, "BF16", "a sibling of the same shape, 0.2 % apart"),
        "wide": (wide, exact, "BF16", "a configuration of another size"),
        "nested": (nested, tied, "BF16", "sizes in text_config, which does not say that the head is the table"),
    }
    bases, comparisons = [], []
    for name, (config, tensors, element, note) in models.items():
        write(f"base/{name}/config.json", (json.dumps(config, indent=1) + "\n").encode())
        write(f"base/{name}/model.safetensors", safetensors(tensors, element))
        identity = identify(os.path.join(HERE, "base", name))
        write(f"base/{name}/identity", identity.bytes)
        bases.append(
            {"model": f"base/{name}", "note": note, "identity": f"base/{name}/identity", "digest": identity.digest.hex()}
        )
    for identity in ("bf16", "f32", "original"):
        for name in models:
            with open(os.path.join(HERE, f"base/{identity}/identity"), "rb") as file:
                outcome = BaseIdentity(file.read()).compare(os.path.join(HERE, "base", name)).outcome
            comparisons.append({"identity": f"base/{identity}/identity", "model": f"base/{name}", "outcome": outcome})
    comparisons += unjudged(write, exact, other)
    return {"bases": bases, "comparisons": comparisons}


def unjudged(write, exact, other):
    """Candidates of which some tensors are of a type that no rule compares."""
    matrices = [name for name, value in exact.items() if value.ndim == 2]
    mixed = {name: (exact if name in matrices else other)[name] for name in exact}
    for name, tensors, wide, outcome, note in (
        ("f64", exact, matrices, "undecided", "the same weights, all matrices in F64"),
        ("f64-part", exact, matrices[:1], "same in another encoding", "the same weights, one matrix in F64"),
        ("f64-other", mixed, matrices, "other weights", "all matrices in F64, and the vectors of the sibling"),
    ):
        write(f"base/{name}/config.json", (json.dumps(CONFIG, indent=1) + "\n").encode())
        write(f"base/{name}/model.safetensors", safetensors(tensors, "BF16", wide))
        yield {"identity": "base/bf16/identity", "model": f"base/{name}", "outcome": outcome, "note": note}
