#!/usr/bin/env python3
"""Makes the golden gradients that Tests/TrainerTests compares with: PyTorch and PEFT on the tiny random models of
Tests/RuntimeTests/Fixtures, in float32.

  python tools/golden/gradients.py              writes Tests/TrainerTests/Fixtures/gradients.safetensors
  python tools/golden/gradients.py --families   writes family-gradients.safetensors there, from the models that
                                                families.py makes

For each case: a prompt, completions, a weight for every completion token, the adapter's matrices, and what comes
out: log-probabilities, entropies, and the gradient of the sum of weight times log-probability with respect to
every matrix. Needs tools/requirements.txt.
"""
import pathlib
import sys

import peft
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "Tests/RuntimeTests/Fixtures"
TARGET = ROOT / "Tests/TrainerTests/Fixtures/gradients.safetensors"
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# name: (model, rank, alpha, targets, prompt tokens, completion tokens, temperature)
CASES = {
    "all": ("tiny-f32", 4, 16, SEVEN, 11, [9, 1, 14], 1.0),
    "qv": ("tiny-bf16", 3, 5, ["q_proj", "v_proj"], 5, [6, 7], 1.0),
    "mlp-warm": ("tiny-f16", 2, 8, ["down_proj", "gate_proj"], 3, [5], 0.7),
    "tied": ("tiny-tied", 2, 4, SEVEN, 4, [6, 3], 1.0),
    "wide": ("tiny-wide-heads", 2, 4, ["k_proj", "o_proj", "up_proj"], 6, [8, 8], 1.0),
    "window": ("tiny-window", 2, 4, SEVEN, 12, [10, 20], 1.0),
    "pages": ("tiny-theta", 2, 4, SEVEN, 70, [40, 3, 31], 1.0),
}
FAMILIES = {
    "yarn": ("family-qwen2-yarn", 2, 4, ["q_proj", "k_proj", "down_proj"], 12, [10, 20], 1.0),
    "qwen3": ("family-qwen3", 2, 4, SEVEN, 12, [10, 20], 1.0),
    "biases": ("family-llama", 2, 4, ["q_proj", "o_proj", "gate_proj", "up_proj"], 35, [9], 1.0),
    "llama3": ("family-llama3", 2, 4, ["k_proj", "v_proj", "up_proj"], 7, [40, 3], 1.0),
    "smollm3": ("family-smollm3-window", 2, 4, ["q_proj", "k_proj", "v_proj", "down_proj"], 12, [10, 20], 1.0),
    "gemma3": ("family-gemma3", 2, 4, SEVEN, 12, [10, 20], 0.8),
    "scalar": ("family-gemma3-scalar", 2, 4, ["q_proj", "o_proj", "down_proj"], 12, [10, 20], 1.0),
}


def case(name, model, rank, alpha, targets, prompt_length, lengths, temperature):
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    base = AutoModelForCausalLM.from_pretrained(MODELS / model, dtype=torch.float32, attn_implementation="eager")
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0)
    policy = peft.get_peft_model(base, config)
    out = {}
    with torch.no_grad():
        for key, parameter in policy.named_parameters():
            if "lora_" in key:
                std = 0.2 if "lora_B" in key else 0.3
                parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))
    vocabulary = base.config.vocab_size
    prompt = torch.randint(0, vocabulary, (prompt_length,), generator=generator)
    completions = [torch.randint(0, vocabulary, (length,), generator=generator) for length in lengths]
    weights = [torch.empty(length).normal_(0, 1, generator=generator) for length in lengths]
    total, logps, entropies = 0, [], []
    for completion, weight in zip(completions, weights):
        ids = torch.cat([prompt, completion])[None]
        logits = policy(ids).logits[0, len(prompt) - 1:-1] / temperature
        logp = logits.log_softmax(-1)
        entropies.append(-(logp.exp() * logp).sum(-1).detach())
        logp = logp.gather(1, completion[:, None])[:, 0]
        logps.append(logp.detach())
        total = total + (logp * weight).sum()
    total.backward()
    for key, parameter in policy.named_parameters():
        if "lora_" in key:
            module = key.replace("base_model.model.model.", "").replace(".default.weight", "")
            out[f"value.{module}"] = parameter.detach().clone()
            out[f"gradient.{module}"] = parameter.grad.clone()
    out["prompt"] = prompt.to(torch.int32)
    out["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    out["completions"] = torch.cat(completions).to(torch.int32)
    out["weights"] = torch.cat(weights)
    out["logps"] = torch.cat(logps)
    out["entropies"] = torch.cat(entropies)
    out["settings"] = torch.tensor([rank, alpha, temperature])
    return {f"{name}/{model}/{'+'.join(targets)}/{key}": value.contiguous() for key, value in out.items()}


if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    families = "--families" in sys.argv
    cases = FAMILIES if families else CASES
    target = TARGET.with_name("family-" + TARGET.name) if families else TARGET
    golden = {}
    for name, arguments in cases.items():
        golden |= case(name, *arguments)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(golden, target)
    print(f"{len(cases)} cases, {target.stat().st_size} bytes")
