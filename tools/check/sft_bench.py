#!/usr/bin/env python3
"""Times supervised fine-tuning in Tina and in TRL on this machine: tokens a second and memory, on the same model and
texts.

  python tools/check/sft_bench.py .build/release/tina --model DIR --trl-python PYTHON [--length 256] [--documents 4]
  python tools/check/sft_bench.py .build/release/tina --model DIR --trl-python PYTHON --data FILE [--documents 8]

A step learns from --documents texts of --length tokens each, all of which count. With --data they are real: lines of
FILE with "prompt" and "completion", of which the completion counts, or with "messages", of which all counts. They keep
their lengths, up to max_length = 1024 unless --length says otherwise. Of 101 random batches the one with the median
padding is taken, and every step learns from it. Tokens a second are its tokens without padding, and both programs must
have counted as many. LoRA of rank 32 is on all seven projections, no dropout, one process each with all processors.

TRL runs once for each of --trl: float32; bf16, which is bfloat16 weights with autocast; with + it recomputes
activations; with - it pads nothing (padding_free). bf16+ is TRL's default. Tina's steps are read from its
metrics.jsonl, TRL's from its callbacks. The first of each is not counted, unless it is the only one (--steps 0 and
--trl-steps 0, where a step takes minutes). Memory is the process's peak resident set. PYTHON needs torch, peft and trl.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

from train_bench import TARGETS, watched


def texts(a):
    """Texts that are longer than --length tokens: both programs cut them there."""
    return [" ".join(str((i * 7919 + j * 104729) % 1000) for j in range(a.length)) for i in range(a.documents * 8)]


def records(a):
    return list(map(json.loads, open(a.data))) if a.data else [{"text": text} for text in texts(a)]


def as_picker(a):
    """Prints a batch of --data whose padding is typical, its tokens without padding, and with it."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    lines = records(a)
    if len(lines) > 1000:
        lines = random.Random(1).sample(lines, 1000)

    def count(record):
        whole = record["messages"] if "messages" in record else record["prompt"] + record["completion"]
        if isinstance(whole, list):
            return len(tokenizer.apply_chat_template(whole, return_dict=True)["input_ids"])
        return len(tokenizer(whole + ("" if whole.endswith(tokenizer.eos_token) else tokenizer.eos_token))["input_ids"])

    lengths = [min(count(record), a.length) for record in lines]
    draws = [random.Random(i).sample(range(len(lines)), a.documents) for i in range(101)]
    padding = [len(draw) * max(lengths[i] for i in draw) / sum(lengths[i] for i in draw) for draw in draws]
    draw = draws[padding.index(statistics.median(padding))]
    print(json.dumps({"records": [lines[i] for i in draw], "lengths": [lengths[i] for i in draw]}))


def tina(a):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / "data.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records(a)))
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
assistant_only_loss: false
max_steps: {a.steps + 1}
save_steps: 1000000
""")
        _, memory = watched([a.tina, "train", f"{folder}/recipe.yaml", "--model", a.model, "--output", f"{folder}/run"]
                            + (["--memory", str(a.memory)] if a.memory else []))
        lines = [json.loads(line) for line in open(base / "run/metrics.jsonl")]
        steps = [line for line in lines if "step_time" in line]
        assert all(line["grad_norm"] > 0 for line in steps), steps
        return {"program": "tina " + a.activations, "steps": [line["step_time"] for line in steps[1:] or steps],
                "tokens": steps[-1]["num_tokens"] / len(steps), "losses": [line["loss"] for line in steps],
                "peak": memory.peak, "anonymous": memory.anonymous}


def in_python(a, arguments):
    data = ["--data", a.data] if a.data else []
    command = [a.trl_python, os.path.abspath(__file__), "-", "--model", a.model, "--documents", str(a.documents),
               "--length", str(a.length), *data, *arguments]
    out, memory = watched(command, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                                                     "WANDB_DISABLED": "true", "TOKENIZERS_PARALLELISM": "false"})
    return json.loads(out.strip().splitlines()[-1]), memory


def trl(a, kind):
    found, memory = in_python(a, ["--as-trl", kind, "--steps", str(a.trl_steps + 1)])
    steps = found["steps"][1:] or found["steps"]
    return {"program": f"trl {found['version']} {kind}", "steps": steps, "tokens": found["tokens"],
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
    is_flat = a.as_trl.endswith("-")
    with tempfile.TemporaryDirectory() as folder:
        config = trl.SFTConfig(
            output_dir=folder, per_device_train_batch_size=a.documents, gradient_accumulation_steps=1,
            max_length=None if is_flat else a.length, padding_free=is_flat, max_steps=a.steps, logging_steps=1,
            report_to="none", save_strategy="no", use_cpu=True, bf16=is_bf16, learning_rate=1e-4,
            gradient_checkpointing="+" in a.as_trl, lr_scheduler_type="constant", disable_tqdm=True, seed=1)
        trainer = InOrder(
            model=AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16 if is_bf16 else torch.float32),
            processing_class=AutoTokenizer.from_pretrained(a.model), args=config,
            train_dataset=Dataset.from_list(records(a)), callbacks=[Clock()],
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
    parser.add_argument("--documents", type=int)
    parser.add_argument("--length", type=int)
    parser.add_argument("--data", help="JSONL of worked solutions or conversations")
    parser.add_argument("--activations", nargs="*", default=["f32"], help="f32, bf16 or both, as recipes have it")
    parser.add_argument("--memory", type=float, help="what Tina may take, in GB")
    parser.add_argument("--as-trl", help=argparse.SUPPRESS)
    parser.add_argument("--as-picker", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    a.length = a.length or (1024 if a.data else 256)
    a.documents = a.documents or (8 if a.data else 4)
    if a.as_trl:
        return as_trl(a)
    if a.as_picker:
        return as_picker(a)
    a.model = os.path.abspath(a.model)
    if not a.data:
        print(f"{a.documents} x {a.length} tokens, {os.path.basename(a.model)}, {os.cpu_count()} processors")
        return compare(a, None)
    picked, _ = in_python(a, ["--as-picker"])
    lengths = picked["lengths"]
    print(f"{len(lengths)} texts of {os.path.basename(a.data)}, {sum(lengths)} tokens ({min(lengths)} to "
          f"{max(lengths)}), {len(lengths) * max(lengths)} with padding, {os.path.basename(a.model)}, "
          f"{os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        a.data = f"{folder}/batch.jsonl"
        pathlib.Path(a.data).write_text("".join(json.dumps(record) + "\n" for record in picked["records"]))
        return compare(a, sum(lengths))


def compare(a, tokens):
    """Runs and prints all programs. With `tokens` both must have learnt from as many a step, at like losses."""
    print("program              tokens/s   step s (least - most)   tokens  peak GB  anonymous GB  losses", flush=True)
    rows = []

    def show(row):
        steps = row["steps"]
        if tokens is not None and abs(row["tokens"] - tokens) > 0.01:
            sys.exit(f"{row['program']} learns from {row['tokens']} tokens a step, not {tokens}: the tokenizer or the "
                     "template is applied otherwise")
        row["rate"] = row["tokens"] / statistics.median(steps)
        losses = " ".join(f"{loss:.3f}" for loss in row["losses"])
        print(f"{row['program']:20} {row['rate']:8.1f} {statistics.median(steps):8.3f} ({min(steps):.3f} - "
              f"{max(steps):.3f}){row['tokens']:9.1f} {row['peak'] / 1e9:8.2f} {row['anonymous'] / 1e9:13.2f}"
              f"  {losses}", flush=True)
        rows.append(row)

    kinds = a.activations
    for a.activations in kinds:
        show(tina(a))
    for kind in a.trl if a.trl_python else []:
        show(trl(a, kind))
    first = [row["losses"][0] for row in rows]
    if max(first) - min(first) > 0.02 * max(first):
        sys.exit("the losses of the first step differ, so the programs did not do the same")
    for row in rows:
        for other in rows:
            if row["program"].startswith("tina") and not other["program"].startswith("tina"):
                print(f"{row['program']}: {row['rate'] / other['rate']:.2f} times the tokens of {other['program']}, "
                      f"{row['peak'] / other['peak']:.2f} of the memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
