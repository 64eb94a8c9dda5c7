"""Opens what `tina convert` writes in the libraries of the formats' own makers, and compares every number.

    python tools/check/interchange.py .build/debug/tina ADAPTER [ADAPTER ...] [--base MODEL]

ADAPTER is a PEFT directory of a Qwen2 or Llama base. Each is converted to GGUF, MLX, PEFT and .tina and back to
PEFT. The GGUF file is read with `gguf` and held against what llama.cpp's llama-adapter.cpp asks for; the MLX and
PEFT files are read with `safetensors`; the configuration is read with `peft`, whose own rules then give every
module's scale. With the adapters' base, `PeftModel` loads the original and what came back, and both must give the same
logits. Needs gguf, safetensors, torch, numpy and peft; transformers for a base. Exits with 1 at the first difference.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import safetensors.torch
import torch
from peft import LoraConfig, PeftConfig, PeftModel
from peft.utils.other import get_pattern_key
from safetensors import safe_open

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def fail(text):
    print("FAILED: " + text)
    sys.exit(1)


def check(condition, text):
    if not condition:
        fail(text)


def load_file(path):
    """Tensors as float32, which holds F32, F16 and BF16 exactly."""
    return {name: tensor.float().numpy() for name, tensor in safetensors.torch.load_file(path).items()}


def run(tina, *arguments):
    result = subprocess.run([tina, *map(str, arguments)], capture_output=True, text=True)
    check(result.returncode == 0, f"tina {' '.join(map(str, arguments))}: {result.stderr}")


def base_config(adapter, folder):
    """A config.json that tells the base's architecture, made from the adapter's shapes."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    name = json.loads((adapter / "adapter_config.json").read_text()).get("base_model_name_or_path") or ""
    kind = "llama" if "llama" in name.lower() or "llama" in adapter.name else "qwen2"
    rows = next(t.shape[0] for n, t in tensors.items() if n.endswith("q_proj.lora_B.weight"))
    small = next((t.shape[0] for n, t in tensors.items() if re.search(r"[kv]_proj\.lora_B\.weight$", n)), rows)
    config = {
        "model_type": kind, "num_attention_heads": rows // 64, "num_key_value_heads": small // 64,
        "num_hidden_layers": 1 + max(int(re.search(r"layers\.(\d+)\.", n)[1]) for n in tensors),
    }
    (folder / "config.json").write_text(json.dumps(config))
    return config


def pairs(adapter):
    """(module, A, B, scale) by PEFT's own rules."""
    config = PeftConfig.from_pretrained(str(adapter))
    check(isinstance(config, LoraConfig), f"{adapter}: peft reads no LoraConfig")
    tensors = load_file(adapter / "adapter_model.safetensors")
    out = {}
    for name, a in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        path = name.removesuffix(".lora_A.weight")
        module = path.removeprefix("base_model.model.")
        rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern, module), config.r)
        alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern, module), config.lora_alpha)
        check(rank == a.shape[0], f"{module}: rank {a.shape[0]}, the configuration says {rank}")
        scale = alpha / rank**0.5 if config.use_rslora else alpha / rank
        out[module] = (a, tensors[path + ".lora_B.weight"], np.float32(scale))
    return out


def permuted(b, heads):
    return b.reshape(heads, 2, b.shape[0] // heads // 2, b.shape[1]).swapaxes(1, 2).reshape(b.shape)


def check_gguf(path, wanted, config):
    reader = gguf.GGUFReader(str(path))

    def field(key):
        check(key in reader.fields, f"{path}: no {key}")
        return reader.fields[key].contents()

    check(field("general.type") == "adapter", "general.type")
    check(field("adapter.type") == "lora", "adapter.type")
    check(field("general.architecture") == config["model_type"], "general.architecture")
    alpha = np.float32(field("adapter.lora.alpha"))
    tensors = {t.name: t for t in reader.tensors}
    check(len(tensors) == 2 * len(wanted), f"{len(tensors)} tensors")
    for module, (a, b, scale) in wanted.items():
        _, _, layer, rest = module.split(".", 3)
        name = f"blk.{layer}.{NAMES[rest]}.weight"
        ta, tb = tensors[name + ".lora_a"], tensors[name + ".lora_b"]
        check(len(name + ".lora_a") < 64, "a name too long for ggml")
        # ne is the reverse of the shape: ne[0] of A is in, ne[1] of B is out, and the ranks meet.
        check(list(ta.shape) == [a.shape[1], a.shape[0]], f"{name}: ne {ta.shape}")
        check(list(tb.shape) == [b.shape[1], b.shape[0]] and ta.shape[1] == tb.shape[0], f"{name}: ne {tb.shape}")
        if config["model_type"] == "llama" and rest.endswith(("q_proj", "k_proj")):
            heads = config["num_attention_heads" if rest.endswith("q_proj") else "num_key_value_heads"]
            b = permuted(b, heads)
        factor = np.float32(alpha / np.float32(a.shape[0])) if alpha else np.float32(1)
        ta, tb = (gguf.dequantize(t.data, t.tensor_type) for t in (ta, tb))
        check(np.array_equal(ta.reshape(a.shape), a), f"{name}: A differs")
        product = tb.reshape(b.shape).astype(np.float64) * np.float64(factor)
        check(np.array_equal(product, b.astype(np.float64) * np.float64(scale)), f"{name}: scale times B differs")


def check_mlx(folder, wanted):
    config = json.loads((folder / "adapter_config.json").read_text())
    parameters = config["lora_parameters"]
    tensors = load_file(folder / "adapters.safetensors")
    check(len(tensors) == 2 * len(wanted), f"{len(tensors)} tensors")
    check({"rank", "scale", "dropout", "keys"} <= parameters.keys() and config["fine_tune_type"] == "lora", "keys")
    for module, (a, b, scale) in wanted.items():
        check(module.split(".", 3)[3] in parameters["keys"], f"{module}: not in keys")
        check(np.array_equal(tensors[module + ".lora_a"], a.T), f"{module}: lora_a differs")
        check(np.array_equal(tensors[module + ".lora_b"], b.T), f"{module}: lora_b differs")
        check(np.float32(parameters["scale"]) == scale and parameters["rank"] == a.shape[0], f"{module}: scale")


def check_peft(folder, wanted, original=None):
    found = pairs(folder)
    check(found.keys() == wanted.keys(), "modules differ")
    for module, (a, b, scale) in wanted.items():
        other = found[module]
        check(np.array_equal(other[0], a), f"{module}: A differs")
        products = [m.astype(np.float64) * np.float64(s) for m, s in ((other[1], other[2]), (b, scale))]
        check(np.array_equal(*products), f"{module}: scale times B differs")
    if original:
        weights = "adapter_model.safetensors"
        with safe_open(str(folder / weights), "np") as mine, safe_open(str(original / weights), "np") as theirs:
            check(mine.metadata() == theirs.metadata(), "metadata differ")
        check((folder / weights).read_bytes() == (original / weights).read_bytes(), "the files' bytes differ")
        name = "adapter_config.json"
        check(json.loads((folder / name).read_text()) == json.loads((original / name).read_text()), "configuration")


def check_peft_model(base, original, converted):
    from transformers import AutoModelForCausalLM

    def logits(adapter):
        model = AutoModelForCausalLM.from_pretrained(str(base), dtype="auto")
        with torch.no_grad():
            ids = torch.arange(5, 37)[None]
            plain = model(ids).logits
            attached = PeftModel.from_pretrained(model, str(adapter))(ids).logits
        check(not torch.equal(plain, attached), f"{adapter}: loaded, but without effect")
        return attached

    check(torch.equal(logits(original), logits(converted)), "PeftModel computes other logits")


def main():
    tina, adapters = sys.argv[1], sys.argv[2:]
    base = None
    if "--base" in adapters:
        at = adapters.index("--base")
        base, adapters = adapters[at + 1], adapters[:at] + adapters[at + 2 :]
    check(adapters, "no adapters given")
    for adapter in map(pathlib.Path, adapters):
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            config = base_config(adapter, scratch)
            wanted = pairs(adapter)
            run(tina, "convert", adapter, scratch / "a.gguf", "--base", scratch)
            check_gguf(scratch / "a.gguf", wanted, config)
            run(tina, "convert", adapter, scratch / "mlx", "--to", "mlx", "--base", scratch)
            check_mlx(scratch / "mlx", wanted)
            run(tina, "convert", adapter, scratch / "a.tina")
            run(tina, "convert", scratch / "a.tina", scratch / "peft")
            check_peft(scratch / "peft", wanted, original=adapter)
            if base:
                check_peft_model(base, adapter, scratch / "peft")
            for source in ["a.gguf", "mlx"]:
                run(tina, "convert", scratch / source, scratch / (source + "-peft"))
                check_peft(scratch / (source + "-peft"), wanted)
            kind = config["model_type"]
            print(f"{adapter.name}: {len(wanted)} modules, {kind}: GGUF, MLX, PEFT equal in every number")


if __name__ == "__main__":
    main()
