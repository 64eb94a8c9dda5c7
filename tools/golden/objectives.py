#!/usr/bin/env python3
"""Makes the golden runs of the losses and batches after GRPO's paper: TRL's own GRPOTrainer, as in grpo.py.

  python tools/golden/objectives.py        writes objectives.json and .safetensors to Tests/TrainerTests/Fixtures

Needs tools/requirements.txt and trl 1.16.
"""
import json

import torch
from grpo import TARGET, run
from safetensors.torch import save_file

FLAT = dict(lr_scheduler_type="constant", lr_scheduler_kwargs=None, warmup_steps=0)
# name: (settings, batches)
CASES = {
    "gspo": (dict(importance_sampling_level="sequence", beta=0.0, epsilon=0.01, epsilon_high=0.02, num_iterations=3,
                  learning_rate=2e-2, mask_truncated_completions=True, **FLAT), {}),
    "gspo-kl": (dict(importance_sampling_level="sequence", use_bias_correction_kl=True, num_iterations=3, beta=0.1,
                     learning_rate=1e-2), {}),
    "cispo": (dict(loss_type="cispo", beta=0.0, epsilon_high=1.05, num_iterations=3, learning_rate=2e-2, **FLAT), {}),
    "delta": (dict(delta=1.25, epsilon=0.1, beta=0.0, num_iterations=3, learning_rate=3e-2, **FLAT), {}),
    "entropy": (dict(top_entropy_quantile=0.3, num_iterations=2), dict(batch=8, accumulation=1)),
    "masked": (dict(mask_truncated_completions=True), {}),
    "single": (dict(), dict(group=8, groups=1, batch=1, accumulation=8)),
    "shared": (dict(loss_type="dapo", beta=0.0, steps_per_generation=4, num_iterations=2, learning_rate=2e-2),
               dict(groups=2, batch=2, accumulation=2)),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    tensors = {}
    cases = [run(name, changes, tensors, targets=["q_proj", "v_proj", "down_proj"], steps=6, **batches)
             for name, (changes, batches) in CASES.items()]
    (TARGET / "objectives.json").write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    save_file(tensors, TARGET / "objectives.safetensors")
    print(len(cases), "cases")
