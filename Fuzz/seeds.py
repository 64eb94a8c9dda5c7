"""Makes the fuzzers' seeds under seeds/: python3 Fuzz/seeds.py (needs numpy and zstandard)."""

import json
import os
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../spec/conformance"))

import valid  # noqa: E402
import writer  # noqa: E402


def safetensors(tensors, metadata=None):
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(values, tensors, version=3):
    """values: (key, type, bytes); tensors: (name, shape, type, bytes)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, kind, data in values:
        out += string(key) + struct.pack("<I", kind) + data
    data = b""
    for name, shape, kind, content in tensors:
        out += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content + bytes(-len(content) % 32)
    return out + bytes(-len(out) % 32) + data


def lora(kind=0, size=4):
    values = [
        ("general.type", 8, string("adapter")), ("general.architecture", 8, string("qwen2")),
        ("adapter.type", 8, string("lora")), ("adapter.lora.alpha", 6, struct.pack("<f", 16)),
    ]  # fmt: skip
    tensors = []
    for module in ("attn_q", "ffn_down"):
        tensors.append((f"blk.0.{module}.weight.lora_a", [6, 2], kind, bytes(range(12 * size))))
        tensors.append((f"blk.0.{module}.weight.lora_b", [2, 5], kind, bytes(range(10 * size))))
    return gguf(values, tensors)


def seeds():
    # As in Fuzz/ConstantHash.swift.
    writer.sha256 = valid.sha256 = lambda data: bytes([0x5A]) * 32
    for case in valid.cases():
        if len(case["data"]) <= 2048:
            yield "tina", case["name"], case["data"]

    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    yield "safetensors", "pair", safetensors(
        [(name + "A.weight", "F32", [2, 3], bytes(24)), (name + "B.weight", "BF16", [4, 2], bytes(16))], {"format": "pt"}
    )
    yield "safetensors", "types", safetensors(
        [("a", "F16", [], bytes(2)), ("b", "I64", [0, 4], b""), ("é", "F8_E4M3", [3], bytes(3)), ("d", "BOOL", [1, 1], b"\1")]
    )
    yield "safetensors", "empty", safetensors([])

    yield "gguf", "lora-f32", lora()
    yield "gguf", "lora-f16", lora(1, 2)
    numbers = struct.pack("<IQ3I", 4, 3, 1, 2, 3)
    texts = struct.pack("<IQ", 8, 2) + string("a") + string("é")
    nested = struct.pack("<IQ", 9, 1) + numbers
    scalars = [(f"k{kind}", kind, bytes([1]) * size) for kind, size in enumerate((1, 1, 2, 2, 4, 4, 4, 1)) ]
    yield "gguf", "values", gguf(
        [*scalars, ("u64", 10, bytes(8)), ("i64", 11, bytes(8)), ("f64", 12, bytes(8)), ("numbers", 9, numbers),
         ("texts", 9, texts), ("nested", 9, nested), ("general.alignment", 4, struct.pack("<I", 64))], []
    )  # fmt: skip
    yield "gguf", "version-2", gguf([], [("t", [32], 8, bytes(34))], 2)

    plain = {
        "peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "bias": "none",
        "base_model_name_or_path": "someone/base", "lora_dropout": 0.05, "use_rslora": False, "task_type": "CAUSAL_LM",
    }  # fmt: skip
    yield "config", "plain", json.dumps(plain).encode()
    patterns = plain | {"rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {".*down_proj": 4}, "use_rslora": True}
    yield "config", "patterns", json.dumps(patterns, indent=2).encode()
    yield "config", "regex", json.dumps(plain | {"target_modules": r".*\.(q_proj|down_proj)", "layers_to_transform": [0]}).encode()
    yield "config", "dora", json.dumps(plain | {"use_dora": True, "modules_to_save": ["lm_head"]}).encode()
    mlx = {"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": {"rank": 2, "scale": 4.0, "keys": ["self_attn.q_proj"]}}
    yield "config", "mlx", json.dumps(mlx).encode()

    yield "identity", "two-tensors", valid.identity()


def main():
    root = os.path.join(HERE, "seeds")
    shutil.rmtree(root, ignore_errors=True)
    for target, name, data in seeds():
        os.makedirs(os.path.join(root, target), exist_ok=True)
        with open(os.path.join(root, target, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
