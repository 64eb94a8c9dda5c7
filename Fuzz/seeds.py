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
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


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


def byte_alphabet():
    """GPT-2's letters for the 256 bytes."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def gguf_model(kind=0, size=lambda count: 4 * count, hidden=4, family="qwen2"):
    """A model of one layer with all 256 bytes as tokens and one merge."""
    letters = byte_alphabet()
    tokens = [letters[byte] for byte in range(256)] + ["ab", "<x>", "<pad>"]
    types = [1] * 257 + [3, 5]

    def integer(value):
        return struct.pack("<I", value)

    values = [
        ("general.architecture", 8, string(family)), (family + ".embedding_length", 4, integer(hidden)),
        (family + ".attention.head_count", 4, integer(2)), (family + ".attention.head_count_kv", 4, integer(1)),
        (family + ".feed_forward_length", 4, integer(hidden)), (family + ".block_count", 4, integer(1)),
        (family + ".context_length", 4, integer(64)), (family + ".rope.freq_base", 6, struct.pack("<f", 1e4)),
        ("tokenizer.ggml.model", 8, string("gpt2")), ("tokenizer.ggml.pre", 8, string("qwen2")),
        ("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, len(tokens)) + b"".join(map(string, tokens))),
        ("tokenizer.ggml.token_type", 9, struct.pack(f"<IQ{len(types)}i", 5, len(types), *types)),
        ("tokenizer.ggml.merges", 9, struct.pack("<IQ", 8, 1) + string("a b")),
        ("tokenizer.ggml.bos_token_id", 4, integer(257)), ("tokenizer.ggml.eos_token_id", 4, integer(257)),
        ("tokenizer.ggml.add_bos_token", 7, b"\1"),
    ]  # fmt: skip
    shapes = {
        "token_embd.weight": [hidden, 4], "output_norm.weight": [hidden], "blk.0.attn_norm.weight": [hidden],
        "blk.0.attn_q.weight": [hidden, hidden], "blk.0.attn_k.weight": [hidden, hidden // 2],
        "blk.0.attn_q.bias": [hidden],
    }  # fmt: skip
    if family == "gemma3":
        values += [("gemma3.attention.sliding_window", 4, integer(8))]
        shapes |= {"blk.0.attn_q_norm.weight": [hidden // 2], "blk.0.post_ffw_norm.weight": [hidden]}
    if family == "llama":
        values += [("llama.rope.scaling.type", 8, string("yarn")),
                   ("llama.rope.scaling.factor", 6, struct.pack("<f", 4))]
    if family == "smollm3":
        shapes |= {"rope_freqs.weight": [hidden // 4]}
    tensors = []
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        is_plain = len(shape) == 1
        tensors.append((name, shape, 0 if is_plain else kind, bytes(4 * count if is_plain else size(count))))
    return gguf(values, tensors)


def seeds():
    # As in Fuzz/ConstantHash.swift.
    writer.sha256 = valid.sha256 = lambda data: bytes([0x5A]) * 32
    for case in valid.cases():
        if len(case["data"]) <= 2048:
            yield "tina", case["name"], case["data"]

    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    yield "safetensors", "pair", safetensors(
        [(name + "A.weight", "F32", [2, 3], bytes(24)), (name + "B.weight", "BF16", [4, 2], bytes(16))],
        {"format": "pt"}
    )
    yield "safetensors", "types", safetensors(
        [("a", "F16", [], bytes(2)), ("b", "I64", [0, 4], b""), ("é", "F8_E4M3", [3], bytes(3)),
         ("d", "BOOL", [1, 1], b"\1")]
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

    yield "ggufmodel", "tiny", gguf_model()
    yield "ggufmodel", "quantised", gguf_model(kind=8, size=lambda count: count // 32 * 34, hidden=32)
    for family in ("qwen3", "llama", "smollm3", "gemma3"):
        yield "ggufmodel", family, gguf_model(kind=8, size=lambda count: count // 32 * 34, hidden=64, family=family)
    root = os.path.join(HERE, "..", "Tests", "RuntimeTests", "Fixtures")
    for folder in sorted(os.listdir(root)):
        for name in ("config.json", "config-4.json"):
            path = os.path.join(root, folder, name)
            if folder.startswith("family-") and os.path.exists(path):
                with open(path, "rb") as file:
                    yield "architecture", folder.removeprefix("family-") + "-" + name, file.read()

    base = "base_model.model.model.layers.0."
    pair = [(base + "self_attn.q_proj.lora_A.weight", "F32", [2, 3], bytes(range(24))),
            (base + "self_attn.q_proj.lora_B.weight", "F32", [4, 2], bytes(range(32)))]  # fmt: skip
    yield "adapter", "peft", b"\0" + safetensors(pair)
    yield "adapter", "peft-more", b"\1" + safetensors([
        *pair, (base + "self_attn.q_proj.lora_magnitude_vector", "F32", [4], bytes(range(16))),
        ("base_model.model.lm_head.weight", "BF16", [5, 3], bytes(30)),
        (base + "mlp.down_proj.bias", "F16", [4], bytes(8)),
    ])  # fmt: skip
    mlx_pair = [("model.layers.0.self_attn.q_proj.lora_a", "F32", [3, 2], bytes(range(24))),
                ("model.layers.0.self_attn.q_proj.lora_b", "F16", [2, 4], bytes(range(16)))]  # fmt: skip
    yield "adapter", "mlx", b"\2" + safetensors(mlx_pair)
    magnitude = ("model.layers.0.self_attn.q_proj.m", "F32", [4], bytes(16))
    yield "adapter", "mlx-dora", b"\3" + safetensors([*mlx_pair, magnitude])

    commit = "0123456789abcdef0123456789abcdef01234567"
    yield "hub", "revision", b"\0" + json.dumps({"id": "a/b", "siblings": [{"rfilename": "x"}], "sha": commit}).encode()
    large = {"oid": "a" * 64, "size": 5000, "pointerSize": 130}
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "checkpoint-1/adapter_config.json", "x.gguf",
             "y.gguf", "checkpoint-1/adapter_model.safetensors", "model-00001-of-00002.safetensors", "a.tina",
             "README.md"]  # fmt: skip
    for i, some in enumerate((names[:3], names[3:7], names[7:], names)):
        entries = [{"type": "directory", "oid": "d" * 40, "size": 0, "path": "checkpoint-1"}]
        entries += [{"type": "file", "oid": "b" * 40, "size": 7, "path": path} for path in some]
        entries[-1]["lfs"] = large
        yield "hub", f"list-{i}", b"\1" + json.dumps(entries).encode()
    yield "hub", "header", (b"\2HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\n"
                            b"ETag: W/\"a\"\r\nContent-Length: 5\r\n\r\n")  # fmt: skip
    yield "hub", "address", b"\3https://cdn.example:443/x/y?Signature=a%2Fb#c"
    yield "hub", "relative", b"\3/api/resolve-cache/models/a/b/c?d"
    yield "hub", "name", b"\3hf://datasets/a/b@refs/pr/1/c.jsonl"

    plain = {
        "peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "bias": "none",
        "base_model_name_or_path": "someone/base", "lora_dropout": 0.05, "use_rslora": False, "task_type": "CAUSAL_LM",
    }  # fmt: skip
    yield "config", "plain", json.dumps(plain).encode()
    patterns = plain | {"rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {".*down_proj": 4},
                        "use_rslora": True}
    yield "config", "patterns", json.dumps(patterns, indent=2).encode()
    regex = {"target_modules": r".*\.(q_proj|down_proj)", "layers_to_transform": [0]}
    yield "config", "regex", json.dumps(plain | regex).encode()
    yield "config", "dora", json.dumps(plain | {"use_dora": True, "modules_to_save": ["lm_head"]}).encode()
    mlx = {"fine_tune_type": "lora", "num_layers": 1,
           "lora_parameters": {"rank": 2, "scale": 4.0, "keys": ["self_attn.q_proj"]}}
    yield "config", "mlx", json.dumps(mlx).encode()

    yield "identity", "two-tensors", valid.identity()

    marks = "\u0323\u0307"
    for i, text in enumerate(("What is 12 + 3?", marks, "A<｜Assistant｜>B<｜end▁of▁sentence｜><｜User｜>C", "<think>\n",
                              "  \n\n a'LL 日本語 한국어 é e\u0301 👩‍👩‍👧", "o" + marks * 40 + "\u0f73" * 40)):
        yield "prompt", str(i), bytes([4 * i]) + text.encode()
    yield "pattern", "plain", b"q_proj\nlayers\\.\\d+\\..*\\.q_proj\n(q|v)_proj$"
    yield "pattern", "nested", b"(((){9}){9}){9}x\n(a|b){40}i\n(a+)+(a|a)*(.*.*)*b$\n[a-z]_{2,}\\w"
    for i, text in enumerate((
        "seed: 5\nlora_target_modules: [q_proj, v_proj]\nsystem_prompt: |\n  *a* b\nscale_reward: false\n",
        "a: &a [x, x]\nb: &b [*a, *a]\n? *b\n: 1\nk: {? *a : 1}\n<<: *b\n",
        "lr_scheduler_kwargs: {min_lr_rate: 0.1}\nrl_post_train_reward_weights: [1, .5]\n" + marks * 9 + ": 'x'\n",
    )):
        yield "recipe", str(i), text.encode()
    for i, values in enumerate(("[]", "[1, -0.25, null]", "[true, false, 1e9]", "[NaN, Infinity, \"\\u001b[31m\"]")):
        yield "judge", str(i), f'{{"batch": 7, "values": {values}}}'.encode()
    for i, text in enumerate((
        "\ufeffid,problem,answer\r\n1,\"a \"\"b\"\",\r\nc\",2\r\n\r\n\"x\",,\"\"",
        "problem;answer\n\u00e9;1\n", "problem\tanswer\rx\t[{'role'\r", marks * 20 + ",b\n1,2\n",
    )):
        yield "table", str(i), text.encode()
    head = (b"POST /v1/chat/completions?x HTTP/1.1\r\nHost: localhost:8000\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer key\r\nContent-Length: 5\r\nOrigin: https://a.example\r\n"
            b"Access-Control-Request-Headers: x-a, b\r\nExpect: 100-continue\r\n\r\n")
    run = "\u0323\u0307".encode() + b"\xff\x40"
    chat = {"model": "pico:math@0.5", "temperature": 0.5, "n": 2, "stop": ["a"], "stream": True, "tools": [],
            "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 2, "metadata": {},
            "messages": [{"role": "system", "content": "x"},
                         {"role": "user", "content": [{"type": "text", "text": "y"}]},
                         {"role": "assistant", "content": "z", "reasoning_content": "w", "tool_calls": None}]}
    yield "http", "chat", b"\0" + head + json.dumps(chat).encode()
    text = {"model": "pico", "prompt": [[1, 2], "x"], "best_of": 1, "echo": False, "logprobs": 3, "max_tokens": 5}
    yield "http", "text", b"\1" + head + json.dumps(text).encode()
    yield "http", "response", b"\2" + head + json.dumps(
        {"model": "pico", "instructions": "x", "store": False, "text": {"format": {"type": "text"}},
         "input": [{"role": "user", "content": [{"type": "input_text", "text": "y"}]},
                   {"type": "reasoning", "summary": []}]}).encode()
    yield "http", "run-in-header", (b"\0GET http://a/" + run + b" HTTP/1.1\r\nHost: " + run + b"\r\nOrigin: " + run
                                    + b"\r\n\r\n")
    yield "http", "run-in-role", b"\0GET / HTTP/1.1\r\n\r\n" + b'{"model":"m","messages":[{"role":"' + run + b'"}]}'
    yield "http", "run-of-brackets", b"\1GET / HTTP/1.1\r\n\r\n" + b'{"model":"m","prompt":[{"":0},\xff\xff'


def main():
    root = os.path.join(HERE, "seeds")
    shutil.rmtree(root, ignore_errors=True)
    for target, name, data in seeds():
        os.makedirs(os.path.join(root, target), exist_ok=True)
        with open(os.path.join(root, target, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
