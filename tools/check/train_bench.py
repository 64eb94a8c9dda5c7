#!/usr/bin/env python3
"""Times a step of GRPO in Tina and in TRL on this machine, on the same model, prompt, and numbers of tokens.

  python tools/check/train_bench.py .build/release/tina --model DIR [--trl-python PYTHON] [--steps 3]

One prompt, --completions of --tokens new tokens each, LoRA of rank 32 on all seven projections, no dropout, no KL, one
process each with all processors. A step is what the programs call so: sampling, rewards, forward, backward, optimiser.
Tina's steps are read from its metrics.jsonl, TRL's from its callbacks. The first step of each is not counted, unless
TRL makes only one (--trl-steps 1, where a step takes minutes). Memory is the process's peak resident set; pages of the
mapped weights are told apart. PYTHON needs torch, peft and trl. Neither program forbids the end token: a random model
goes on to --tokens. Of others the mean length is printed, which --chat makes comparable.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROBLEM = "Solve the problem step by step. " + " ".join(str(i) for i in range(32))
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Memory(threading.Thread):
    """Watches a process: peak resident set, and of it the anonymous part."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.peak, self.anonymous = f"/proc/{pid}/status", 0, 0

    def run(self):
        while True:
            try:
                fields = dict(line.split(":", 1) for line in open(self.path))
                self.peak = max(self.peak, int(fields["VmHWM"].split()[0]) * 1024)
                self.anonymous = max(self.anonymous, int(fields["RssAnon"].split()[0]) * 1024)
            except (OSError, KeyError):
                return
            time.sleep(0.25)  # seldom: with two processors a third busy thread would be measured too


def watched(command, **more):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    memory = Memory(process.pid)
    memory.start()
    out, err = process.communicate()
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{err}")
    return out, memory


def tina(a):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / "data.jsonl").write_text(json.dumps({"problem": PROBLEM, "answer": "1"}) + "\n")
        (base / "recipe.yaml").write_text(f"""
dataset_path: {folder}/data.jsonl
prompt_template: {'model' if a.chat else 'reason'}
rl_post_train_reward_funcs: [repetition_penalty, cosine]
lora_r: 32
lora_alpha: 128
lora_dropout: 0.0
activations: {a.activations}
learning_rate: 1.0e-05
lr_scheduler_type: constant
beta: 0.0
num_generations: {a.completions}
max_completion_length: {a.tokens}
max_steps: {a.steps + 1}
save_steps: 1000000
temperature: 1.0
""")
        _, memory = watched([a.tina, "train", f"{folder}/recipe.yaml", "--model", a.model, "--output", f"{folder}/run",
                             "--ignore-missing-signal"])
        lines = [json.loads(line) for line in open(base / "run/metrics.jsonl")]
        steps = [line for line in lines if "step_time" in line][1:]
        assert all(line["sampling/differing_tokens"] == 0 and line["grad_norm"] > 0 for line in steps), steps
        return {"program": "tina", "steps": [line["step_time"] for line in steps],
                "tokens": statistics.mean(line["completions/mean_length"] for line in steps),
                "peak": memory.peak, "anonymous": memory.anonymous,
                "product_gflops": statistics.median(line["speed/product_gflops"] for line in steps)}


def trl(a):
    count = a.trl_steps or a.steps + 1
    command = [a.trl_python, os.path.abspath(__file__), "--as-trl", "--model", a.model, "--steps", str(count),
               "--completions", str(a.completions), "--tokens", str(a.tokens), "-"] + (["--chat"] if a.chat else [])
    out, memory = watched(command, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                                                     "WANDB_DISABLED": "true", "TOKENIZERS_PARALLELISM": "false"})
    found = json.loads(out.strip().splitlines()[-1])
    steps = found["steps"][1:] or found["steps"]
    return {"program": "trl " + found["version"], "steps": steps, "tokens": found["tokens"],
            "peak": memory.peak, "anonymous": memory.anonymous, "product_gflops": None}


def as_trl(a):
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    import trl
    torch.set_num_threads(os.cpu_count())
    times, lengths = [], []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.begin = time.time()

        def on_step_end(self, *_, **__):
            times.append(time.time() - self.begin)

    def reward(completions, completion_ids=None, **_):
        lengths.extend(len(ids) for ids in completion_ids or [])
        texts = [text if isinstance(text, str) else text[0]["content"] for text in completions]
        return [len(set(text)) / 50 + 0.1 * i for i, text in enumerate(texts)]

    prompt = [{"role": "user", "content": PROBLEM}] if a.chat else PROBLEM
    with tempfile.TemporaryDirectory() as folder:
        config = trl.GRPOConfig(
            output_dir=folder, per_device_train_batch_size=a.completions, num_generations=a.completions,
            gradient_accumulation_steps=1, max_completion_length=a.tokens, max_steps=a.steps, logging_steps=1,
            report_to=[], save_strategy="no", beta=0.0, use_cpu=True, bf16=False, gradient_checkpointing=False,
            learning_rate=1e-5, temperature=1.0)
        trainer = trl.GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32),
            processing_class=AutoTokenizer.from_pretrained(a.model), reward_funcs=reward, args=config,
            train_dataset=Dataset.from_dict({"prompt": [prompt] * 64}), callbacks=[Clock()],
            peft_config=LoraConfig(r=32, lora_alpha=128, target_modules=TARGETS, task_type="CAUSAL_LM"))
        trainer.train()
    tokens = statistics.mean(lengths or [float("nan")])
    print(json.dumps({"steps": times, "version": trl.__version__, "tokens": tokens}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tina")
    parser.add_argument("--model", required=True)
    parser.add_argument("--trl-python")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--trl-steps", type=int)
    parser.add_argument("--completions", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--activations", default="f32", help="what Tina's recipe says: f32 or bf16")
    parser.add_argument("--chat", action="store_true", help="the model's chat template in both, for equal lengths")
    parser.add_argument("--as-trl", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.as_trl:
        return as_trl(a)
    a.model = os.path.abspath(a.model)
    print(f"{a.completions} x {a.tokens} tokens, {os.path.basename(a.model)}, {os.cpu_count()} processors")
    print("program       step s (least - most)      tokens  peak GB  anonymous GB  products GFLOP/s")
    rows = []
    for run in [tina] + ([trl] if a.trl_python else []):
        row = run(a)
        rows.append(row)
        steps = row["steps"]
        rate = f"{row['product_gflops']:.0f}" if row["product_gflops"] else ""
        print(f"{row['program']:12} {statistics.median(steps):8.3f} ({min(steps):.3f} - {max(steps):.3f})"
              f"{row['tokens']:10.1f} {row['peak'] / 1e9:8.2f} {row['anonymous'] / 1e9:13.2f} {rate:>17}", flush=True)
    if len(rows) == 2:
        faster = statistics.median(rows[1]["steps"]) / statistics.median(rows[0]["steps"])
        print(f"tina: {faster:.1f} times faster, {rows[0]['peak'] / rows[1]['peak']:.2f} of the memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
