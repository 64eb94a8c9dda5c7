#!/usr/bin/env python3
"""Makes the golden GRPO runs that Tests/TrainerTests compares with: TRL's own GRPOTrainer on a tiny random Qwen2
of Tests/RuntimeTests/Fixtures, in float32, fed with fixed completions and rewards.

  python tools/golden/grpo.py        writes grpo.json and grpo.safetensors to Tests/TrainerTests/Fixtures

Needs tools/requirements.txt and trl 1.16. Nothing of TRL is replaced but where completions come from, the order of
micro-batches (TRL shuffles completions between them) and the reward, which is looked up.
"""
import json
import pathlib
import tempfile
import types

import peft
import torch
import trl.trainer.grpo_trainer as module
from datasets import Dataset
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "Tests/RuntimeTests/Fixtures"
TARGET = ROOT / "Tests/TrainerTests/Fixtures"
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
EOS, LIMIT, GROUP, GROUPS = 2, 12, 4, 2
COMMON = dict(learning_rate=5e-3, beta=0.04, loss_type="grpo", epsilon=0.2, num_iterations=1, scale_rewards="group",
              temperature=1.0, lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": 0.1},
              warmup_steps=1, max_grad_norm=1.0, mask_truncated_completions=False, weight_decay=0.0,
              use_bias_correction_kl=False)
CASES = {
    "tina": {},
    "bnpo": dict(loss_type="bnpo", beta=0.0, lr_scheduler_type="linear", lr_scheduler_kwargs=None,
                 scale_rewards="batch"),
    "dr_grpo": dict(loss_type="dr_grpo", beta=0.0, scale_rewards="none", lr_scheduler_type="constant",
                    lr_scheduler_kwargs=None, warmup_steps=0),
    "dapo": dict(loss_type="dapo", beta=0.0, epsilon=0.1, epsilon_high=0.28, num_iterations=2, learning_rate=2e-2,
                 mask_truncated_completions=True, lr_scheduler_type="cosine", lr_scheduler_kwargs=None),
    "clip": dict(num_iterations=3, use_bias_correction_kl=True, learning_rate=2e-2, epsilon=0.05, max_grad_norm=0.3,
                 weight_decay=0.1, lr_scheduler_type="constant_with_warmup", lr_scheduler_kwargs=None),
    "warm": dict(temperature=0.7, loss_type="bnpo"),
}
KEYS = ["loss", "grad_norm", "learning_rate", "kl", "entropy", "reward", "reward_std", "frac_reward_zero_std",
        "clip_ratio/low_mean", "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max",
        "clip_ratio/region_mean", "cispo_clip_ratio", "completions/mean_length", "completions/min_length",
        "completions/max_length", "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max",
        "sampling/importance_sampling_ratio/min", "sampling/importance_sampling_ratio/mean",
        "sampling/importance_sampling_ratio/max",
        "completions/clipped_ratio", "rewards/fixed/mean", "rewards/fixed/std"]


def tokenizer(vocabulary):
    words = {f"t{i}": i for i in range(vocabulary)}
    core = Tokenizer(models.WordLevel(words, unk_token="t3"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="t2", pad_token="t0", unk_token="t3")


def run(name, changes, tensors, group=GROUP, groups=GROUPS, batch=GROUP, accumulation=GROUPS, targets=SEVEN,
        steps=None, sampler=None):
    """sampler: gives the log-probabilities that a server would have told, from a trainer, prompts and completions."""
    settings = {**COMMON, **changes}
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    draw = lambda count, low=4: torch.randint(low, 96, (count,), generator=generator).tolist()
    steps = steps or (4 if settings["num_iterations"] < 3 else 6)
    per_generation = settings["num_iterations"] * settings.get("steps_per_generation", accumulation) // accumulation
    generations = []
    group_count, group_size = groups, group
    for _ in range(-(-steps // per_generation)):
        groups = []
        for index in range(group_count):
            completions = []
            for i in range(group_size):
                length = int(torch.randint(1, LIMIT + 1, (1,), generator=generator))
                completions.append(draw(LIMIT) if (i + index) % 3 == 0 else draw(length - 1) + [EOS])
            rewards = [round(float(r), 2) for r in torch.randint(0, 4, (group_size,), generator=generator) * 0.75]
            if index == 1 and name == "tina":
                rewards = [1.5] * GROUP  # a group without spread
            groups.append(dict(prompt=draw(5 + index), completions=completions, rewards=rewards))
        generations.append(groups)

    base = AutoModelForCausalLM.from_pretrained(MODELS / "tiny-f32", dtype=torch.float32, attn_implementation="eager")
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM")
    state = dict(call=0, reward=0)

    def rollout(prompts, trainer):
        flat = [(g["prompt"], c) for g in generations[state["call"]] for c in g["completions"]]
        state["call"] += 1
        if sampler is None:
            told = [[0.0] * len(c) for _, c in flat]
        else:
            told = sampler(trainer, flat)
            for group in generations[state["call"] - 1]:
                group["logprobs"], told = told[:len(group["completions"])], told[len(group["completions"]):]
            told = [l for g in generations[state["call"] - 1] for l in g["logprobs"]]
        return dict(prompt_ids=[p for p, _ in flat], completion_ids=[c for _, c in flat], logprobs=told)

    def fixed(prompts, completions, **_):
        groups = generations[state["reward"]]
        state["reward"] += 1
        return [r for g in groups for r in g["rewards"]]

    module.shuffle_sequence_dict = lambda batch: batch
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation,
            num_generations=group_size, max_completion_length=LIMIT, max_steps=steps, logging_steps=1, report_to="none",
            save_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, seed=1, disable_tqdm=True,
            **settings)
        trainer = GRPOTrainer(
            model=base, args=arguments, train_dataset=Dataset.from_dict({"prompt": ["t5 t6"] * 64}), reward_funcs=fixed,
            processing_class=tokenizer(96), peft_config=config, rollout_func=rollout)
        if sampler is not None:
            # As with a vLLM that has the weights already: only the loss is to know of it.
            trainer.use_vllm = True
            trainer.vllm_generation = types.SimpleNamespace(sync_weights=lambda: None)
            trainer._last_loaded_step = -1
        with torch.no_grad():
            for key, parameter in trainer.model.named_parameters():
                if "lora_" in key:
                    std = 0.05 if "lora_B" in key else 0.3
                    parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))
        keep(tensors, name + "/start.", trainer.model)
        trainer.train()
        keep(tensors, name + "/end.", trainer.model)
        logs = [{k: log[k] for k in KEYS if k in log} for log in trainer.state.log_history if "loss" in log]
    assert len(logs) == steps and state["call"] == len(generations), (len(logs), state)
    settings.pop("lr_scheduler_kwargs")
    if targets != SEVEN:
        settings |= dict(targets=targets, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation)
    return dict(name=name, model="tiny-f32", rank=2, alpha=4, eos=EOS, max_completion_length=LIMIT, steps=steps,
                generations=generations, logs=logs, **settings)


def keep(tensors, prefix, model):
    for key, parameter in model.named_parameters():
        if "lora_" in key:
            module_name = key.replace("base_model.model.model.", "").replace(".default.weight", "")
            tensors[prefix + module_name] = parameter.detach().clone().contiguous()


if __name__ == "__main__":
    torch.set_num_threads(1)
    tensors = {}
    cases = [run(name, changes, tensors) for name, changes in CASES.items()]
    (TARGET / "grpo.json").write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    save_file(tensors, TARGET / "grpo.safetensors")
    print(len(cases), "cases")
