#!/usr/bin/env python3
"""Makes the golden runs of supervised fine-tuning that Tests/TrainerTests compares with: TRL's own SFTTrainer.

  python tools/golden/sft.py        writes sft.json and sft.safetensors to Tests/TrainerTests/Fixtures

Runs on a tiny random Qwen2 in float32, on documents of given tokens in the order of the file; and what TRL makes of
records with Pico's tokenizer. Needs tools/requirements.txt and trl 1.16.
"""
import json
import tempfile

import peft
import torch
from datasets import Dataset
from grpo import MODELS, ROOT, TARGET, keep, tokenizer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

STEPS, LENGTH = 5, 24
TARGETS = ["q_proj", "v_proj", "down_proj"]
# name: (settings, documents)
CASES = {
    "plain": (dict(per_device_train_batch_size=2, gradient_accumulation_steps=2, lr_scheduler_type="linear"), 26),
    "packed": (dict(per_device_train_batch_size=1, gradient_accumulation_steps=2, packing=True, weight_decay=0.1,
                    lr_scheduler_type="constant"), 40),
    "dft": (dict(per_device_train_batch_size=4, gradient_accumulation_steps=1, loss_type="dft", max_grad_norm=0.05,
                 lr_scheduler_type="constant"), 26),
}
KEYS = ["loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "num_tokens", "epoch"]
CHATML = ("{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}"
          "{% endfor %}"
          "{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}")
RECORDS = [
    {"text": "Compute 12 * 7 + 14.\nFirst, 12 * 7 = 84."},
    {"prompt": "What is 3 + 4?", "completion": " It is 7."},
    {"prompt": "What is 3 + 4? It is", "completion": " 7.\n\nYes"},
    {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 3 + 4?"}],
     "completion": [{"role": "assistant", "content": "It is 7."}]},
]


class InOrder(SFTTrainer):
    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def arguments(folder, **settings):
    return SFTConfig(output_dir=folder, logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, bf16=False,
                     gradient_checkpointing=False, seed=1, disable_tqdm=True, max_length=LENGTH, **settings)


def run(name, settings, count, tensors):
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    documents = []
    for i in range(count):
        length = int(torch.randint(3, LENGTH + (6 if name == "plain" else 1), (1,), generator=generator))
        tokens = torch.randint(4, 96, (length,), generator=generator).tolist()
        start = int(torch.randint(0, length, (1,), generator=generator))
        labels = [t if j >= start and (i % 3 or j % 4) else -100 for j, t in enumerate(tokens)]
        documents.append(dict(input_ids=tokens, labels=labels))
    base = AutoModelForCausalLM.from_pretrained(MODELS / "tiny-f32", dtype=torch.float32, attn_implementation="eager")
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        trainer = InOrder(
            model=base, args=arguments(folder, max_steps=STEPS, learning_rate=5e-3, **settings),
            train_dataset=Dataset.from_list(documents), processing_class=tokenizer(96), peft_config=config)
        with torch.no_grad():
            for key, parameter in trainer.model.named_parameters():
                if "lora_" in key:
                    std = 0.05 if "lora_B" in key else 0.3
                    parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))
        keep(tensors, name + "/start.", trainer.model)
        needed = STEPS * settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
        assert len(trainer.train_dataset) >= needed, len(trainer.train_dataset)  # one epoch
        bins = trainer.train_dataset["seq_lengths"] if settings.get("packing") else []
        trainer.train()
        keep(tensors, name + "/end.", trainer.model)
        logs = [{k: log[k] for k in KEYS if k in log} for log in trainer.state.log_history if "loss" in log]
    assert len(logs) == STEPS
    return dict(name=name, model="tiny-f32", rank=2, alpha=4, targets=TARGETS, max_length=LENGTH, steps=STEPS,
                documents=[[d["input_ids"], [int(l != -100) for l in d["labels"]]] for d in documents],
                bins=[list(map(int, b)) for b in bins], logs=logs, learning_rate=5e-3, **settings)


def prepared(record):
    """The tokens and labels that TRL makes of a record with Pico's tokenizer and ChatML as the template."""
    words = AutoTokenizer.from_pretrained(ROOT / "Models/pico")
    words.chat_template = CHATML
    base = AutoModelForCausalLM.from_pretrained(ROOT / "Models/pico", dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        settings = arguments(folder)
        settings.max_length = 1024
        data = Dataset.from_list([record])
        trainer = SFTTrainer(model=base, args=settings, train_dataset=data, processing_class=words)
        row = trainer.train_dataset[0]
    return dict(record=record, tokens=row["input_ids"], labelled=[int(l != -100) for l in row["labels"]])


if __name__ == "__main__":
    torch.set_num_threads(1)
    tensors = {}
    cases = [run(name, *case, tensors) for name, case in CASES.items()]
    result = dict(cases=cases, records=[prepared(record) for record in RECORDS])
    (TARGET / "sft.json").write_text(json.dumps(result, indent=None, separators=(",", ":")) + "\n")
    save_file(tensors, TARGET / "sft.safetensors")
    print(len(cases), "cases")
