#!/usr/bin/env python3
"""Makes adapters that are more than pairs on projections, and adapters of every family, by PEFT: DoRA, pairs of
embeddings and heads, tied or not, replaced modules, biases; and the logits that PEFT computes from them in float32.

  python tools/golden/adapters.py      writes Tests/RuntimeTests/Fixtures/peft-*, peft-golden.safetensors

The bases are those of logits.py and families.py. Needs tools/requirements.txt.
"""
import hashlib
import pathlib
import shutil

import peft
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests/RuntimeTests/Fixtures"
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TABLES = ["embed_tokens", "lm_head"]
# name: (base, settings, whether the base's tables are saved beside pairs of them)
CASES = {
    "dora": ("tiny-f32", dict(target_modules=SEVEN + ["lm_head"], use_dora=True), False),
    "tables": ("tiny-f32", dict(target_modules=TABLES + ["q_proj"]), False),
    "tables-beside": ("tiny-f32", dict(target_modules=["embed_tokens", "v_proj"]), True),
    "tied-embedding": ("tiny-tied", dict(target_modules=["embed_tokens", "up_proj"]), False),
    "tied-head": ("tiny-tied", dict(target_modules=["lm_head"]), False),
    "tied-both": ("tiny-tied", dict(target_modules=["embed_tokens", "o_proj"], ensure_weight_tying=True), False),
    "saved": ("tiny-f32", dict(target_modules=["q_proj"], modules_to_save=TABLES + ["input_layernorm", "model.norm"]),
              False),
    "tied-saved": ("tiny-tied", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"]), False),
    "tied-saved-both": ("tiny-tied", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"],
                                          ensure_weight_tying=True), False),
    "biases": ("tiny-f32", dict(target_modules=["q_proj", "v_proj"], bias="all"), False),
    "qwen3": ("family-qwen3", dict(target_modules=SEVEN), False),
    "llama": ("family-llama", dict(target_modules=SEVEN, use_dora=True), False),
    "llama3": ("family-llama3", dict(target_modules=SEVEN + ["embed_tokens"]), False),
    "smollm3": ("family-smollm3", dict(target_modules=SEVEN), False),
    "gemma3": ("family-gemma3", dict(target_modules=SEVEN + ["embed_tokens"],
                                     modules_to_save=["post_feedforward_layernorm"]), False),
}


def load(base):
    """Float32 arithmetic from the weights as stored."""
    model = AutoModelForCausalLM.from_pretrained(FIXTURES / base, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def make(name, base, settings, beside):
    torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=3, **settings)
    model = peft.get_peft_model(load(base), config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            if "magnitude" in key:
                parameter.mul_(1 + 0.2 * noise)
            elif "lora_" in key:
                parameter.copy_(0.3 * noise)
            elif parameter.requires_grad:
                parameter.add_(0.2 * noise)
    folder = FIXTURES / f"peft-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=beside)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


golden = {}
for name, (base, settings, beside) in CASES.items():
    folder = make(name, base, settings, beside)
    model = peft.PeftModel.from_pretrained(load(base), folder).eval()
    generator = torch.Generator().manual_seed(11)
    tokens = torch.randint(0, model.config.vocab_size, (20,), generator=generator)
    with torch.no_grad():
        logits = model(tokens[None], use_cache=False).logits[0].float()
    golden[name + ".tokens"] = tokens.to(torch.int32)
    golden[name + ".logits"] = logits[-8:].contiguous()
save_file(golden, FIXTURES / "peft-golden.safetensors")
