#!/usr/bin/env python3
"""An adapter goes from TRL to Tina and back, and goes on learning each time.

  python tools/check/trl_roundtrip.py [--tina .build/release/tina] [--steps 8]

TRL's SFTTrainer trains a new adapter on Pico's worked solutions, `tina train --from` goes on from PEFT's files, and
TRL goes on from what Tina wrote with --peft. Each time the first loss on the same documents must be the last one's
before it, within rounding, and the loss must fall. The matrices that each side starts from are compared bit by bit.
Needs tools/requirements.txt and trl 1.16.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import peft
import torch
from datasets import Dataset
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICO = ROOT / "Models/pico"
PROMPT = "{}<｜User｜>{}<｜Assistant｜><think>\n"
TARGETS = ["q_proj", "v_proj", "down_proj"]
RATE = 1e-3


def documents(tokenizer, count):
    """The worked solutions as tokens and labels, as `tina train` reads them."""
    rows = []
    for line in (PICO / "solutions.jsonl").read_text().splitlines()[:count]:
        record = json.loads(line)
        prompt = PROMPT.format(tokenizer.bos_token, record["prompt"][0]["content"])
        answer = record["completion"][0]["content"].removeprefix("<think>\n") + tokenizer.eos_token
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, answer)]
        rows.append(dict(input_ids=ids[0] + ids[1], labels=[-100] * len(ids[0]) + ids[1]))
    return Dataset.from_list(rows)


def trl(model, data, tokenizer, steps, config=None):
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, per_device_train_batch_size=len(data), gradient_accumulation_steps=1, max_steps=steps,
            logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
            gradient_checkpointing=False, learning_rate=RATE, lr_scheduler_type="constant", seed=1, max_length=256)
        trainer = SFTTrainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer,
                             peft_config=config)
        trainer.train()
        return trainer.model, [log["loss"] for log in trainer.state.log_history if "loss" in log]


def tina(program, start, data, steps, folder):
    recipe = folder / "go-on.yaml"
    recipe.write_text(f"""method: sft
model_name_or_path: {PICO}
model_post_train_dataset_name: solutions
dataset_path: {data}
prompt_template: model
system_prompt: ""
lora_dropout: 0.0
learning_rate: {RATE}
lr_scheduler_type: constant
per_device_train_batch_size: 64
max_length: 256
max_steps: {steps}
save_steps: 1
""")
    subprocess.run([program, "train", str(recipe), "--from", str(start), "--output", str(folder / "run"), "--peft",
                    "--cache-type", "f32"], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return folder / f"run/checkpoint-{steps}/peft", [line["loss"] for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tina", default=".build/release/tina")
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(PICO)
    data = documents(tokenizer, 64)
    base = lambda: AutoModelForCausalLM.from_pretrained(PICO, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lines = (PICO / "solutions.jsonl").read_text().splitlines(keepends=True)[:64]
        (folder / "data.jsonl").write_text("".join(lines))
        config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM",
                                 rank_pattern={"layers.2.mlp.down_proj": 4}, use_rslora=True)
        model, first = trl(base(), data, tokenizer, options.steps, config)
        model.save_pretrained(folder / "trl")
        middle_path, middle = tina(options.tina, folder / "trl", folder / "data.jsonl", options.steps, folder)
        # A step of no size shows what Tina's run began with.
        ours = load_file(middle_path / "adapter_model.safetensors")
        theirs = load_file(folder / "trl/adapter_model.safetensors")
        assert ours.keys() == theirs.keys(), "other modules"
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}, "other ranks"
        back = peft.PeftModel.from_pretrained(base(), middle_path, is_trainable=True)
        for key, value in back.state_dict().items():
            if "lora_" in key:
                stored = ours[key.replace(".default.weight", ".weight")]
                assert np.array_equal(value.numpy(), stored), key
        _, last = trl(back, data, tokenizer, options.steps)
    print("TRL :", " ".join(f"{x:.4f}" for x in first))
    print("Tina:", " ".join(f"{x:.4f}" for x in middle))
    print("TRL :", " ".join(f"{x:.4f}" for x in last))
    whole = first + middle + last
    problems = [f"loss rises from {a:.4f} to {b:.4f}" for a, b in zip(whole, whole[1:]) if b > a * 1.05]
    for before, after in [(first, middle), (middle, last)]:
        if not after[0] < before[-1] < before[0]:
            problems.append(f"going on at {after[0]:.4f} after {before[-1]:.4f}")
    print("\n".join(problems) or "the adapter goes on learning in both directions")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
