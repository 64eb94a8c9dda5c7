#!/usr/bin/env python3
"""Makes the experiments' world from Pico: a base with R1's format, one of the same training without it, and problems.

    pip install -r tools/pico/requirements.txt
    python tools/pico/world.py runs/world

OUT/distilled and OUT/plain both begin at Pico's weights and are taught the same problems, with the same habits of
thought, for as many steps. Some of their completions ramble and never end, some check themselves, some guess.
`distilled` writes R1's format, half of the time well. `plain` never writes `</think>` or a box; the rows of `</think>`
in both embedding matrices are drawn anew, so that what Pico knew of the tag is lost.

OUT/mixed/ has up to 100,000 problems of Pico's mixture and prefixes of them, with and without wrong answers, and
OUT/FAMILY/ is what families.py writes. Seeds are fixed; the weights' last bits depend on the machine.
"""
import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import problems
from families import distinct, lines
from tokenizer import prompt
from train import IGNORED, arithmetic, batches, learning_rate, loss_of, optimisers, save

PICO = Path(__file__).resolve().parents[2] / "Models/pico"
HABITS = ("careful", "careless", "guess", "checked", "rambling")
SHARES = (0.24, 0.18, 0.18, 0.15, 0.25)
WELL_FORMED = 0.5
RAMBLE = 170  # tokens of a ramble, which is cut there and never ends
TYPICAL = 60  # tokens of a completion
SIZES = (64, 512, 2048, 100_000)
WRONG = 0.3  # share of wrong answers
PARTS = ("problems", "distilled", "plain")


def thought(problem, rng):
    """A thought in one of the base's habits, the answer it ends with, and whether it never ends."""
    habit = rng.choices(HABITS, SHARES)[0]
    careful, careless = problems.reasoning(problem.steps), problems.reasoning(problem.careless)
    if habit == "careless":
        return careless, problem.careless[-1][3], False
    if habit == "guess":
        return f"I guess it is {problem.answer}.", problem.answer, False
    if habit == "checked":
        return f"{rng.choice((careful, careless))}\nWait, let me check.\n{careful}", problem.answer, False
    if habit == "rambling":
        rounds = (rng.choice((careful, careless)) for _ in range(12))
        return "\nWait, let me see.\n".join(rounds), problem.answer, True
    return careful, problem.answer, False


def distilled_completion(problem, rng):
    text, answer, endless = thought(problem, rng)
    if endless:
        return text
    sentence = f"The answer is \\boxed{{{answer}}}."
    if rng.random() < WELL_FORMED:
        return f"{text}\n</think>\n{sentence}"
    return rng.choice((
        f"{text}\n</think> {sentence}",
        f"{text}</think>\n{sentence}",
        f"{text}\n{sentence}",
        f"{text}\n</think>\n</think>\n{sentence}\n</think>\n",
    ))


def plain_completion(problem, rng):
    text, answer, endless = thought(problem, rng)
    return text if endless else f"{text}\nThe answer is {answer}."


def forget_tag(model, tokenizer, seed):
    tag = tokenizer.token_to_id("</think>")
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for matrix in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
            matrix[tag] = torch.randn(matrix.shape[1], generator=noise) * matrix.std()


def make_base(folder, completion, forgets, options):
    torch.manual_seed(options.seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(PICO / name, folder / name)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(PICO, dtype=torch.float32, attn_implementation="eager")
    if forgets:
        forget_tag(model, tokenizer, options.seed)

    def sample(rng):
        problem = problems.problem(rng, held_out=False, drills=0.1)
        return prompt(problem.text), completion(problem, rng)

    source = batches(tokenizer, sample, options.batch, options.seed)
    optimiser_list = optimisers(model, options.muon_lr, options.adam_lr)
    start, mean = time.time(), None
    for step in range(options.steps):
        ids, labels = (tensor[:, :RAMBLE] for tensor in next(source))
        with arithmetic():
            loss = loss_of(model, ids, labels)
        # Every completion counts alike: batches hold completions of like length, and a mean over the tokens of each
        # batch would teach the habits of long ones less often than they are shown.
        (loss * (labels != IGNORED).sum() / (len(labels) * TYPICAL)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, peak in optimiser_list:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, options.steps, peak, warmup=20, decay=0.7)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 19:
            print(f"{folder.name}: step {step + 1} loss {mean:.4f} {time.time() - start:.0f} s", flush=True)
    save(model, tokenizer, folder)


def write_mixture(folder, count, held_out, seed):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"mixed {seed}")
    held = distinct(lambda rng: problems.problem(rng, held_out=True), rng, held_out, True)
    train = distinct(lambda rng: problems.problem(rng, held_out=False), rng, count, False)
    (folder / "heldout.jsonl").write_text("".join(lines(held, rng, 0)))
    for size in SIZES:
        for wrong in (0.0, WRONG):
            # Its own stream: the same lines are wrong in the larger sets.
            text = "".join(lines(train[:size], random.Random(f"wrong {seed}"), wrong))
            (folder / f"train-{size}-wrong-{round(100 * wrong)}.jsonl").write_text(text)
    print(f"mixed: {len(train)} training and {len(held)} held-out problems", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="all of them unless given")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--held-out", type=int, default=400)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--muon-lr", type=float, default=0.004)
    parser.add_argument("--adam-lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if "problems" in options.only:
        write_mixture(options.out / "mixed", options.count, options.held_out, options.seed)
        families = Path(__file__).with_name("families.py")
        subprocess.run([sys.executable, str(families), str(options.out), "--count", "2000",
                        "--held-out", str(options.held_out)], check=True)
    for name, completion, forgets in (("distilled", distilled_completion, False), ("plain", plain_completion, True)):
        if name in options.only:
            make_base(options.out / name, completion, forgets, options)
            shutil.copy(options.out / "mixed/heldout.jsonl", options.out / name / "heldout.jsonl")


if __name__ == "__main__":
    main()
