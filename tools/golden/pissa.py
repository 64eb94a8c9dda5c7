#!/usr/bin/env python3
"""Makes the golden run of PiSSA that Tests/TrainerTests compares with: PEFT's own beginning and conversion, TRL's
SFTTrainer between them.

  python tools/golden/pissa.py        writes pissa.json and pissa.safetensors to Tests/TrainerTests/Fixtures

A tiny random Qwen2 in float32 whose adapter begins as the strongest components of the base. After each run PEFT
converts the adapter to one of twice the rank on the unchanged base, which is what is kept: its second half is the
beginning. Needs tools/requirements.txt and trl 1.16.
"""
import json
import pathlib
import tempfile

import peft
import torch
from datasets import Dataset
from grpo import MODELS, SEVEN, TARGET, tokenizer
from safetensors.torch import load_file, save_file
from sft import InOrder, arguments
from transformers import AutoModelForCausalLM

STEPS, LENGTH, BATCH, RATE = 5, 24, 4, 5e-3
CASES = {"plain": dict(r=2, lora_alpha=4), "rslora": dict(r=4, lora_alpha=3, use_rslora=True)}
KEYS = ["loss", "grad_norm", "learning_rate"]


def run(name, settings, tensors):
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    documents = []
    for _ in range(STEPS * BATCH):
        length = int(torch.randint(4, LENGTH + 1, (1,), generator=generator))
        tokens = torch.randint(4, 96, (length,), generator=generator).tolist()
        start = int(torch.randint(1, length, (1,), generator=generator))
        documents.append(dict(input_ids=tokens, labels=[-100] * start + tokens[start:]))
    base = AutoModelForCausalLM.from_pretrained(MODELS / "tiny-f32", dtype=torch.float32, attn_implementation="eager")
    config = peft.LoraConfig(target_modules=SEVEN, lora_dropout=0.0, task_type="CAUSAL_LM", init_lora_weights="pissa",
                             **settings)
    with tempfile.TemporaryDirectory() as folder:
        trainer = InOrder(
            model=base, train_dataset=Dataset.from_list(documents), processing_class=tokenizer(96), peft_config=config,
            args=arguments(folder, max_steps=STEPS, learning_rate=RATE, lr_scheduler_type="constant",
                           per_device_train_batch_size=BATCH, gradient_accumulation_steps=1))
        beginning = pathlib.Path(folder) / "beginning"
        trainer.model.peft_config["default"].init_lora_weights = True
        trainer.model.save_pretrained(beginning)
        trainer.model.peft_config["default"].init_lora_weights = "pissa"
        trainer.train()
        trainer.model.save_pretrained(folder + "/end", path_initial_model_for_weight_conversion=str(beginning))
        for key, value in load_file(folder + "/end/adapter_model.safetensors").items():
            module = key.removeprefix("base_model.model.model.").removesuffix(".weight")
            tensors[f"{name}/{module}"] = value.contiguous()
        converted = json.loads((pathlib.Path(folder) / "end/adapter_config.json").read_text())
        logs = [{k: log[k] for k in KEYS} for log in trainer.state.log_history if "loss" in log]
    assert len(logs) == STEPS
    return dict(name=name, model="tiny-f32", steps=STEPS, batch=BATCH, learning_rate=RATE,
                documents=[[d["input_ids"], [int(l != -100) for l in d["labels"]]] for d in documents],
                logs=logs, converted={k: converted[k] for k in ("r", "lora_alpha", "use_rslora")}, **settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tensors = {}
    cases = [run(name, settings, tensors) for name, settings in CASES.items()]
    (TARGET / "pissa.json").write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    save_file(tensors, TARGET / "pissa.safetensors")
    print(len(cases), "cases")
