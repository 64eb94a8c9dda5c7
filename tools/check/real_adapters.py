#!/usr/bin/env python3
"""Attaches real adapters of Llama and Qwen to random bases of their shapes, and compares logits with PEFT's.

  python tools/check/real_adapters.py .build/debug/tina ADAPTER [ADAPTER ...]

ADAPTER is a PEFT or MLX directory of Llama-3.2-1B or Qwen2.5-0.5B, or the safetensors file in one. The base has the
attention of that model in every layer, and random weights; vocabulary and MLP are small, unless the adapter changes
the MLP. PEFT gets what `tina convert` makes of an MLX adapter. Exits with 1 if logits differ by more than 1e-4 of
their range, or if the adapter changes them by less than 100 times that difference. Needs torch, peft, transformers.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import peft
import torch
import transformers
from safetensors.torch import load_file

COMMON = dict(vocab_size=512, rms_norm_eps=1e-6, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1)
SHAPES = {
    "llama": ("Llama", dict(hidden_size=2048, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
                            head_dim=64, max_position_embeddings=131072,
                            rope_parameters=dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0,
                                                 high_freq_factor=4.0, original_max_position_embeddings=8192,
                                                 rope_theta=500000.0))),
    "qwen": ("Qwen2", dict(hidden_size=896, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
                           max_position_embeddings=32768,
                           rope_parameters=dict(rope_type="default", rope_theta=1e6))),
}


def make_base(kind, inner, folder):
    name, shape = SHAPES[kind]
    config = getattr(transformers, name + "Config")(**COMMON, **shape, intermediate_size=inner)
    torch.manual_seed(5)
    model = getattr(transformers, name + "ForCausalLM")(config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            parameter.copy_(1 + 0.1 * noise if "norm" in key else noise if "embed" in key else 0.03 * noise)
    model.to(torch.bfloat16).save_pretrained(folder)


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"FAILED: {' '.join(map(str, command))}: {result.stderr}")


def logits(tina, base, tokens, folder, adapter=None):
    (folder / "ids.json").write_text(json.dumps(dict(tokens=tokens)))
    command = [tina, "logits", base, "--ids", folder / "ids.json", "--out", folder / "out.safetensors", "--cache-type",
               "f32"]
    run(*command, *(["--adapter", adapter] if adapter else []))
    return load_file(folder / "out.safetensors")["logits"]


def main(tina, adapters):
    failed = False
    for adapter in map(pathlib.Path, adapters):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            kind = "llama" if "llama" in str(adapter) else "qwen"
            run(tina, "convert", adapter, folder / "peft", "--to", "peft")
            pairs = load_file(folder / "peft/adapter_model.safetensors")
            inner = next((t.shape[0] for key, t in pairs.items() if "up_proj.lora_B" in key), 256)
            make_base(kind, inner, folder / "base")
            tokens = torch.randint(0, 512, (24,), generator=torch.Generator().manual_seed(3)).tolist()
            model = transformers.AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32,
                                                                      attn_implementation="eager")
            model = peft.PeftModel.from_pretrained(model, folder / "peft").eval()
            with torch.no_grad():
                expected = model(torch.tensor([tokens])).logits[0]
            spread = expected.max() - expected.min()
            plain = (logits(tina, folder / "base", tokens, folder) - expected).abs().max() / spread
            for kept in (adapter, "a.tina", "a.gguf"):
                if kept != adapter:
                    run(tina, "convert", adapter, folder / kept, "--base", folder / "base")
                found = logits(tina, folder / "base", tokens, folder, folder / kept)
                apart = (found - expected).abs().max() / spread
                is_right = apart <= 1e-4 and plain > 100 * apart
                failed |= not is_right
                print(f"{adapter.name:32} as {pathlib.Path(kept).suffix or 'it is':6} {apart:.1e} of the range from"
                      f" PEFT's logits, {plain:.1e} without it{'' if is_right else ': FAILED'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
