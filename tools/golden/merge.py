#!/usr/bin/env python3
"""Makes Tests/MergingTests/Fixtures/merged.safetensors: what peft's merge_and_unload makes of the tiny models and
adapters under Tests/RuntimeTests/Fixtures (made by logits.py).

For each case: CASE/sum/NAME is merged in float32, CASE/own/NAME in the base's own type, where that is another.

  python tools/golden/merge.py

Needs tools/requirements.txt.
"""
import json
import pathlib

import peft
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "Tests/RuntimeTests/Fixtures"
TARGET = ROOT / "Tests/MergingTests/Fixtures"
# name: base, adapters with the factor on their scale
CASES = {
    "bf16": ("tiny-bf16", [("adapter-all-r4", 1.0)]),
    "two": ("tiny-f32", [("adapter-patterns", 1.0), ("adapter-qv-rslora-r3", 0.5)]),
    "f16": ("tiny-f16", [("adapter-qv-rslora-r3", 1.0)]),
}


@torch.no_grad()
def merged(base, adapters, dtype):
    model = AutoModelForCausalLM.from_pretrained(SOURCE / base, dtype=dtype)
    names = []
    for i, (adapter, factor) in enumerate(adapters):
        name = f"a{i}"
        if i == 0:
            model = peft.PeftModel.from_pretrained(model, SOURCE / adapter, adapter_name=name)
        else:
            model.load_adapter(SOURCE / adapter, adapter_name=name)
        names.append(name)
        for module in model.modules():
            if isinstance(getattr(module, "scaling", None), dict) and name in module.scaling:
                module.scaling[name] *= factor
    result = model.merge_and_unload(adapter_names=names)
    targets = {key for key in result.state_dict() if key.endswith("_proj.weight")}
    return {key: value.contiguous() for key, value in result.state_dict().items() if key in targets}


def touched(base, adapters):
    """Names of the weights that the merge changes."""
    before = AutoModelForCausalLM.from_pretrained(SOURCE / base, dtype=torch.float32).state_dict()
    after = merged(base, adapters, torch.float32)
    return {key for key in after if not torch.equal(before[key], after[key])}, after


golden = {}
for case, (base, adapters) in CASES.items():
    names, total = touched(base, adapters)
    stored = json.loads((SOURCE / base / "config.json").read_text())
    dtype = getattr(torch, stored.get("dtype") or stored["torch_dtype"])
    own = merged(base, adapters, dtype) if dtype != torch.float32 else {}
    for key in sorted(names):
        golden[f"{case}/sum/{key}"] = total[key]
        if own:
            golden[f"{case}/own/{key}"] = own[key]
TARGET.mkdir(parents=True, exist_ok=True)
versions = " ".join(f"{m.__name__} {m.__version__}" for m in (torch, transformers, peft))
save_file(golden, TARGET / "merged.safetensors", {"generator": "tools/golden/merge.py", "versions": versions})
print(len(golden), "tensors")
