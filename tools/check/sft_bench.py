#!/usr/bin/env python3
"""Times supervised fine-tuning in Tina and in TRL on this machine: tokens a second and memory, on the same model, texts
and lengths.

  python tools/check/sft_bench.py .build/release/tina --model DIR --trl-python PYTHON [--length 256] [--documents 4]

A step learns from --documents texts of --length tokens each, all of which count: LoRA of rank 32 on all seven
projections, no dropout, one process each with all processors. TRL runs once for each of --trl: float32, and bfloat16
weights with autocast (bf16); + recomputes activations, which is TRL's default (bf16+). Tina's steps are read from its
metrics.jsonl, TRL's from its callbacks; the first of each is not counted. Memory is the process's peak resident set.
PYTHON needs torch, peft and trl.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

from train_bench import TARGETS, watched


def texts(a):
    """Texts that are longer than --length tokens: both programs cut them there."""
    return [" ".join(str((i * 7919 + j * 104729) % 1000) for j in range(a.length)) for i in range(a.documents * 8)]


def tina(a):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / "data.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(a)))
        (base / "recipe.yaml").write_text(f"""
method: sft
dataset_path: {folder}/data.jsonl
lora_r: 32
lora_alpha: 128
lora_dropout: 0.0
activations: {a.activations}
learning_rate: 1.0e-04
lr_scheduler_type: constant
per_device_train_batch_size: {a.documents}
max_length: {a.length}
max_steps: {a.steps + 1}
save_steps: 1000000
""")
        _, memory = watched([a.tina, "train", f"{folder}/recipe.yaml", "--model", a.model, "--output", f"{folder}/run"]
                            + (["--memory", str(a.memory)] if a.memory else []))
        lines = [json.loads(line) for line in open(base / "run/metrics.jsonl")]
        steps = [line for line in lines if "step_time" in line]
        assert all(line["grad_norm"] > 0 for line in steps), steps
        return {"program": "tina " + a.activations, "steps": [line["step_time"] for line in steps[1:]],
                "tokens": steps[-1]["num_tokens"] / len(steps), "losses": [line["loss"] for line in steps],
                "peak": memory.peak, "anonymous": memory.anonymous}


def trl(a, kind):
    command = [a.trl_python, os.path.abspath(__file__), "--as-trl", kind, "--model", a.model, "--steps",
               str(a.trl_steps + 1), "--documents", str(a.documents), "--length", str(a.length), "-"]
    out, memory = watched(command, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                                                     "WANDB_DISABLED": "true", "TOKENIZERS_PARALLELISM": "false"})
    found = json.loads(out.strip().splitlines()[-1])
    return {"program": f"trl {found['version']} {kind}", "steps": found["steps"][1:], "tokens": found["tokens"],
            "losses": found["losses"], "peak": memory.peak, "anonymous": memory.anonymous}


def as_trl(a):
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    import trl
    torch.set_num_threads(os.cpu_count())
    times = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.begin = time.time()

        def on_step_end(self, *_, **__):
            times.append(time.time() - self.begin)

    class InOrder(trl.SFTTrainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    is_bf16 = a.as_trl.startswith("bf16")
    with tempfile.TemporaryDirectory() as folder:
        config = trl.SFTConfig(
            output_dir=folder, per_device_train_batch_size=a.documents, gradient_accumulation_steps=1,
            max_length=a.length, max_steps=a.steps, logging_steps=1, report_to="none", save_strategy="no", use_cpu=True,
            bf16=is_bf16, gradient_checkpointing=a.as_trl.endswith("+"), learning_rate=1e-4,
            lr_scheduler_type="constant", disable_tqdm=True, seed=1)
        trainer = InOrder(
            model=AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16 if is_bf16 else torch.float32),
            processing_class=AutoTokenizer.from_pretrained(a.model), args=config,
            train_dataset=Dataset.from_dict({"text": texts(a)}), callbacks=[Clock()],
            peft_config=LoraConfig(r=32, lora_alpha=128, target_modules=TARGETS, task_type="CAUSAL_LM"))
        trainer.train()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    print(json.dumps({"steps": times, "version": trl.__version__, "tokens": logs[-1]["num_tokens"] / len(logs),
                      "losses": [log["loss"] for log in logs]}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tina")
    parser.add_argument("--model", required=True)
    parser.add_argument("--trl-python")
    parser.add_argument("--trl", nargs="*", default=["float32", "bf16"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--trl-steps", type=int, default=2)
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--activations", nargs="*", default=["f32"], help="f32, bf16 or both, as recipes have it")
    parser.add_argument("--memory", type=float, help="what Tina may take, in GB")
    parser.add_argument("--as-trl", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.as_trl:
        return as_trl(a)
    a.model = os.path.abspath(a.model)
    print(f"{a.documents} x {a.length} tokens, {os.path.basename(a.model)}, {os.cpu_count()} processors")
    print("program            tokens/s   step s (least - most)   tokens  peak GB  anonymous GB  losses", flush=True)
    rows = []

    def show(row):
        steps = row["steps"]
        row["rate"] = row["tokens"] / statistics.median(steps)
        losses = " ".join(f"{loss:.3f}" for loss in row["losses"])
        print(f"{row['program']:18} {row['rate']:8.1f} {statistics.median(steps):8.3f} ({min(steps):.3f} - "
              f"{max(steps):.3f}){row['tokens']:9.1f} {row['peak'] / 1e9:8.2f} {row['anonymous'] / 1e9:13.2f}"
              f"  {losses}", flush=True)
        rows.append(row)

    kinds = a.activations
    for a.activations in kinds:
        show(tina(a))
    for kind in a.trl if a.trl_python else []:
        show(trl(a, kind))
    for row in rows:
        for other in rows:
            if row["program"].startswith("tina") and not other["program"].startswith("tina"):
                print(f"{row['program']}: {row['rate'] / other['rate']:.2f} times the tokens of {other['program']}, "
                      f"{row['peak'] / other['peak']:.2f} of the memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
