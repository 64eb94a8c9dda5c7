#!/usr/bin/env python3
"""Makes the golden runs of importance sampling for servers with other log-probabilities: TRL's own GRPOTrainer, as in
grpo.py, told that vLLM sampled.

  python tools/golden/mismatch.py        writes mismatch.json and .safetensors to Tests/TrainerTests/Fixtures

Needs tools/requirements.txt and trl 1.16. What the server would have told is the model's own log-probabilities at the
time, and noise; one token's is missing, as vLLM leaves out those that are no number.
"""
import json

import torch
from grpo import TARGET, run
from safetensors.torch import save_file

FLAT = dict(lr_scheduler_type="constant", lr_scheduler_kwargs=None, warmup_steps=0)
NAME = "vllm_importance_sampling_"
# name: (settings, batches)
CASES = {
    "sequence-mask": ({}, {}),
    "sequence-truncate": ({NAME + "mode": "sequence_truncate", NAME + "clip_max": 1.5, NAME + "clip_min": 0.5,
                           "mask_truncated_completions": True}, {}),
    "token-mask": ({NAME + "mode": "token_mask", NAME + "clip_max": 1.3, NAME + "clip_min": 0.8, "beta": 0.0,
                    "loss_type": "bnpo", **FLAT}, {}),
    "token-truncate": ({NAME + "mode": "token_truncate", NAME + "cap": 1.2, "loss_type": "dapo", "num_iterations": 2,
                        "learning_rate": 2e-2, "use_bias_correction_kl": True, "mask_truncated_completions": True},
                       {}),
    "cispo-truncate": ({NAME + "mode": "token_truncate", NAME + "clip_max": 2.0, "loss_type": "cispo", "beta": 0.0,
                        "epsilon_high": 1.05, "num_iterations": 3, "learning_rate": 2e-2, **FLAT}, {}),
    "gspo-shared": ({"importance_sampling_level": "sequence", "beta": 0.0, "epsilon": 0.01, "epsilon_high": 0.02,
                     "steps_per_generation": 4, "learning_rate": 2e-2, "temperature": 0.7},
                    dict(batch=2, accumulation=2)),
    "uncorrected": ({NAME + "correction": False, "num_iterations": 2, "learning_rate": 2e-2}, {}),
}


def sampler(name):
    generator = torch.Generator().manual_seed(sum(map(ord, name)) + 1)

    def told(trainer, flat):
        result = []
        with torch.no_grad():
            for prompt, completion in flat:
                ids = torch.tensor([prompt + completion])
                values, _, _ = trainer._get_per_token_logps_and_entropies(
                    trainer.model, ids, torch.ones_like(ids), len(completion))
                noise = torch.empty(len(completion)).normal_(0, 0.25, generator=generator)
                # Five digits, so that a reader of the file has the same numbers in float32.
                result.append([round(v, 5) for v in (values[0] + noise).tolist()])
        result[1][0] = None
        return result
    return told


if __name__ == "__main__":
    torch.set_num_threads(1)
    tensors = {}
    cases = [run(name, changes, tensors, targets=["q_proj", "v_proj", "down_proj"], steps=6, sampler=sampler(name),
                 **{**dict(batch=4, accumulation=2), **batches})
             for name, (changes, batches) in CASES.items()]
    (TARGET / "mismatch.json").write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    save_file(tensors, TARGET / "mismatch.safetensors")
    print(len(cases), "cases")
