#!/usr/bin/env python3
"""Trains all parameters of the base with TRL, beside the LoRA runs of all-parameters.yaml, and measures both.

    Experiments/run all-parameters           first: the LoRA runs and their table
    python Experiments/all_parameters.py     then this: TRL's runs, evaluations, movement, and the page's second table

TRL's GRPOTrainer gets the sweep's recipe: the same problems, rewards (graded by `tina grade`), completions a step,
steps and schedule. Its learning rate is chosen among --rates by the reward of one run's last ten steps; then the other
seeds follow. All results are kept in runs/experiments/all-parameters/trl, and what is there is not made again.
Needs tools/requirements.txt and trl 1.16. PyTorch's sums depend on the machine, so this table does too.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess

import numpy as np

import stopping

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "runs/experiments/all-parameters"
BASE = ROOT / "runs/world/distilled"
TRAIN = ROOT / "runs/world/mixed/train-100000-wrong-0.jsonl"
HELD_OUT = ROOT / "runs/world/mixed/heldout.jsonl"
PAGE = ROOT / "docs/experiments/all-parameters.md"
START, END = "<!-- made by Experiments/all_parameters.py -->", "<!-- end of it -->"
STEPS, PROMPTS, GROUP, LIMIT = 60, 8, 4, 160
SEEDS = [1, 2, 3]
BASE_SAMPLES = 8
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def graded(tina, texts, golds):
    """Whether each text's answer is right, as `tina train` judges it."""
    lines = "".join(json.dumps({"gold": str(gold), "prediction": text}) + "\n" for text, gold in zip(texts, golds))
    done = subprocess.run([tina, "grade", "-"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line)["equal"] is True for line in done.stdout.splitlines()]


def train(tina, rate, seed, folder):
    """One run of TRL; the folder gets a model, and log.json with the mean reward of each step."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    records = [json.loads(line) for line in TRAIN.read_text().splitlines()]
    data = Dataset.from_dict({"prompt": [[{"role": "user", "content": r["problem"]}] for r in records],
                              "gold": [str(r["answer"]) for r in records]})

    def thoughts(completions):  # the prompt ends in the opening tag
        return ["<think>\n" + completion[0]["content"] for completion in completions]

    def form(completions, **_):
        return [float(text.count("\n</think>\n") == 1) for text in thoughts(completions)]

    def accuracy(completions, gold, **_):
        return [float(right) for right in graded(tina, thoughts(completions), gold)]

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    settings = GRPOConfig(
        output_dir=str(folder / "trainer"), per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP,
        gradient_accumulation_steps=1, max_completion_length=LIMIT, max_steps=STEPS, learning_rate=rate,
        lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=round(0.05 * STEPS), beta=0.0, loss_type="grpo", scale_rewards="group", epsilon=0.2,
        temperature=1.0, top_p=1.0, top_k=0, max_grad_norm=1.0, weight_decay=0.0, reward_weights=[1.0, 2.0],
        mask_truncated_completions=False, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False,
        gradient_checkpointing=False, disable_tqdm=True, seed=seed)
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), args=settings, train_dataset=data,
        reward_funcs=[form, accuracy], processing_class=tokenizer)
    trainer.train()
    logs = [{key: log[key] for key in ("reward", "rewards/form/mean", "rewards/accuracy/mean",
                                       "completions/mean_length")}
            for log in trainer.state.log_history if "reward" in log]
    trainer.model.save_pretrained(folder / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BASE / name, folder / "model" / name)
    shutil.rmtree(folder / "trainer", ignore_errors=True)
    (folder / "log.json").write_text(json.dumps(logs))


def run(tina, rate, seed):
    folder = FOLDER / f"trl/rate={rate:g},seed={seed}"
    if not (folder / "log.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        train(tina, rate, seed, folder)
    return folder


def reward_at_end(folder):
    logs = json.loads((folder / "log.json").read_text())
    return stopping.mean([log["reward"] for log in logs[-10:]])


def evaluate(tina, model, out, threads, samples=1, seed=0, adapter=None):
    """A model's or an adapter's completions of all held-out problems."""
    words = [tina, "eval", model, "--benchmark", HELD_OUT, "--prompt", "plain", "--samples", samples, "--seed", seed,
             "--max-tokens", LIMIT, "--out", out, *threads]
    if adapter:
        words += ["--adapter", f"run={adapter}", "--no-base"]
    subprocess.run(list(map(str, words)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = [json.loads(line) for line in (out / "completions.jsonl").read_text().splitlines()]
    return [r for r in records if "id" in r]


def by_problem(records, key="correct"):
    """For each problem, in order of the ids, the share of its samples."""
    found = {}
    for record in records:
        found.setdefault(record["id"], []).append(float(record[key] is True))
    return {name: stopping.mean(found[name]) for name in sorted(found)}


def base_weights():
    return tensors(BASE)


def tensors(folder):
    import torch
    from safetensors.torch import load_file
    return {name: value.to(torch.float32).numpy().astype(np.float64)
            for name, value in load_file(next(folder.glob("*.safetensors"))).items()}


def lora_change(tina, adapter, folder):
    """What an adapter adds to each matrix."""
    peft = folder / "peft"
    if not peft.exists():
        subprocess.run([tina, "convert", adapter, peft, "--to", "peft"], check=True, stdout=subprocess.DEVNULL)
    config = json.loads((peft / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / config["r"]
    found = tensors(peft)
    return {name.removeprefix("base_model.model.").replace("lora_A.", ""):
            scale * found[name.replace("lora_A", "lora_B")] @ found[name] for name in found if "lora_A" in name}


def moved(change, base):
    """For each kind of matrix: norm of the change, its share of the base's norm, effective rank; means over layers.

    The effective rank is e to the entropy of the singular values as shares of their sum.
    """
    rows = {}
    for name in change:
        kind = next((m for m in MODULES if f".{m}." in name), "embedding, head" if change[name].ndim == 2 else "norms")
        kind = "biases" if name.endswith(".bias") else kind
        norm = np.linalg.norm(change[name])
        rank = math.nan
        if change[name].ndim == 2 and norm > 0:
            values = np.linalg.svd(change[name], compute_uv=False)
            shares = values[values > 0] / values.sum()
            rank = math.exp(-(shares * np.log(shares)).sum())
        size = np.linalg.norm(base[name])
        rows.setdefault(kind, []).append((norm, norm / size if size else math.nan, rank))
    return {kind: np.mean(values, axis=0) for kind, values in rows.items()}


def points(runs):
    """Mean and 95 % interval of shares[run][problem]."""
    middle, half = stopping.interval(runs)
    return f"{100 * middle:.1f} % ({100 * max(middle - half, 0):.1f} – {100 * min(middle + half, 1):.1f})"


def difference(first, second):
    """Second less first, run by run and problem by problem."""
    rows = [[b - a for a, b in zip(x, y)] for x, y in zip(first, second)]
    middle, half = stopping.interval(rows)
    return f"{100 * middle:+.1f} ({100 * (middle - half):+.1f} to {100 * (middle + half):+.1f})"



def report(arms, base_records, again, changes, chosen):
    """Markdown: scores with what became of problems that the base solved, and how far each arm moved."""
    often = by_problem(base_records)
    groups = {"all": list(often), "solved": [name for name in often if often[name] > 0.5],
              "unsolved": [name for name in often if often[name] <= 0.5]}
    count = {key: len(names) for key, names in groups.items()}
    lines = [f"| | Pass@1 (95 %), {count['all']} problems | on {count['solved']} that the base mostly solves "
             f"| on the other {count['unsolved']} | format | tokens |", "|---|---|---|---|---|---|"]

    def pick(records, key="all", what="correct"):
        shares = by_problem(records, what)
        return [shares[name] for name in groups[key]]

    def row(title, runs, told):
        form = stopping.mean([stopping.mean(pick(records, what="format")) for records in runs])
        tokens = stopping.mean([record["tokens"] for records in runs for record in records])
        return f"| {title} | " + " | ".join(told) + f" | {100 * form:.1f} % | {tokens:.0f} |"

    def plain(values):
        middle, half = stopping.mean(values), 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
        return f"{100 * middle:.1f} % ({100 * (middle - half):.1f} – {100 * (middle + half):.1f})"

    lines.append(row("base, drawn again", [again], [plain(pick(again, key)) for key in groups]))
    for title, runs in arms.items():
        lines.append(row(title, runs, [points([pick(records, key) for records in runs]) for key in groups]))
    names = list(arms)
    pairs = [([pick(records, key) for records in arms[names[0]]], [pick(records, key) for records in arms[names[1]]])
             for key in groups]
    lines.append("| points, second less first | " + " | ".join(difference(*pair) for pair in pairs) + " | | |")
    lines += ["", "| learning rate, seed 1, all parameters | reward of the last ten steps |", "|---|---|"]
    lines += [f"| {rate:g}{' (taken)' if rate == chosen[0] else ''} | {reward:.2f} |" for rate, reward in chosen[1]]
    lines += ["", "| change of | ‖ΔW‖, LoRA | of ‖W‖ | effective rank | ‖ΔW‖, all | of ‖W‖ | effective rank |",
              "|---|---|---|---|---|---|---|"]

    def told(rows, kind):
        found = [r[kind] for r in rows if kind in r]
        if not found:
            return "– | – | –"
        norm, share, rank = np.mean(found, axis=0)
        return (f"{norm:.3g} | {'–' if math.isnan(share) else f'{100 * share:.1f} %'} "
                f"| {'–' if math.isnan(rank) else f'{rank:.1f}'}")

    first, second = (changes[name] for name in names)
    for kind in dict.fromkeys([*MODULES, *second[0]]):
        lines.append(f"| {kind} | {told(first, kind)} | {told(second, kind)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rates", nargs="*", type=float, default=[1e-4, 3e-4, 1e-3, 3e-3])
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--only", nargs=2, metavar=("RATE", "SEED"), help="makes this run of TRL and nothing else")
    parser.add_argument("--threads", help="of the evaluations; the processors unless given")
    parser.add_argument("--tina", type=pathlib.Path, default=ROOT / ".build/release/tina")
    arguments = parser.parse_args()
    tina = str(arguments.tina.resolve())
    threads = ["--threads", arguments.threads] if arguments.threads else []
    if arguments.only:
        return run(tina, float(arguments.only[0]), int(arguments.only[1]))
    rewards = [(rate, reward_at_end(run(tina, rate, arguments.seeds[0]))) for rate in arguments.rates]
    rate = max(rewards, key=lambda pair: pair[1])[0]
    base = base_weights()
    base_records = evaluate(tina, BASE, FOLDER / "trl/base-often", threads, BASE_SAMPLES, seed=1)
    again = evaluate(tina, BASE, FOLDER / "trl/base-again", threads, BASE_SAMPLES, seed=2)
    lora, full, lora_moves, full_moves = [], [], [], []
    for seed in arguments.seeds:
        adapter = FOLDER / f"seed={seed}/checkpoint-{STEPS}/adapter.tina"
        beside = FOLDER / f"trl/lora,seed={seed}"
        beside.mkdir(exist_ok=True)
        lora.append(evaluate(tina, BASE, beside / "evaluation", threads, adapter=adapter))
        lora_moves.append(moved(lora_change(tina, adapter, beside), base))
        folder = run(tina, rate, seed)
        full.append(evaluate(tina, folder / "model", folder / "evaluation", threads))
        trained = tensors(folder / "model")
        full_moves.append(moved({name: trained[name] - base[name] for name in base}, base))
    names = ["LoRA, rank 16", "all parameters"]
    made = report(dict(zip(names, (lora, full))), base_records, again, dict(zip(names, (lora_moves, full_moves))),
                  (rate, rewards))
    print(made)
    if PAGE.exists() and START in PAGE.read_text():
        before, rest = PAGE.read_text().split(START, 1)
        PAGE.write_text(f"{before}{START}\n{made}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main()
