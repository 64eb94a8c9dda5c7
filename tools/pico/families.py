#!/usr/bin/env python3
"""Writes families of problems of graded difficulty for sweeps: held-out sets, training sets, some answers wrong.

    python tools/pico/families.py OUT [--count 100000] [--wrong 0.1] [--held-out 400] [--seed 1]

OUT/FAMILY/train.jsonl has distinct problems whose expressions are none of OUT/FAMILY/heldout.jsonl. A prefix of the
training set is a smaller training set: `head -n 64`. `train-wrong.jsonl` is the same with wrong answers in a share of
the lines, each at a small distance from the right one. The same arguments give the same bytes.
"""
import argparse
import json
import pathlib
import random

from problems import LARGEST, QUESTIONS, Problem, bracketed_expression, forget_last, plain_expression, story_problem


def expression(operators):
    def make(rng):
        text, steps, careless = plain_expression(rng, operators, LARGEST)
        return Problem(rng.choice(QUESTIONS).format(text), text, steps, careless)
    return make


def brackets(rng):
    text, steps, careless = bracketed_expression(rng, LARGEST)
    return Problem(rng.choice(QUESTIONS).format(text), text, steps, careless or forget_last(steps))


# From one step to four, as Pico was taught two and three.
FAMILIES = {
    "one-step": expression(1),
    "two-steps": expression(2),
    "three-steps": expression(3),
    "four-steps": expression(4),
    "brackets": brackets,
    "stories": lambda rng: story_problem(rng, LARGEST),
}


def distinct(make, rng, count, held_out):
    """Distinct problems of one part; fewer where the family has no more."""
    found, misses = {}, 0
    while len(found) < count and misses < 20000:
        problem = make(rng)
        if problem.is_held_out != held_out or problem.text in found:
            misses += 1
            continue
        misses = 0
        found[problem.text] = problem
    return list(found.values())


def lines(problems, rng, wrong):
    for problem in problems:
        answer = problem.answer
        if rng.random() < wrong:
            answer = max(0, answer + rng.choice((-10, -2, -1, 1, 2, 10)))
            if answer == problem.answer:
                answer += 1
        yield json.dumps({"problem": problem.text, "answer": answer}) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--wrong", type=float, default=0.1, help="share of wrong answers in train-wrong.jsonl")
    parser.add_argument("--held-out", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    arguments = parser.parse_args()
    for name in arguments.families:
        folder = pathlib.Path(arguments.out) / name
        folder.mkdir(parents=True, exist_ok=True)
        rng = random.Random(f"{name} {arguments.seed}")
        held = distinct(FAMILIES[name], rng, arguments.held_out, True)
        train = distinct(FAMILIES[name], rng, arguments.count, False)
        (folder / "heldout.jsonl").write_text("".join(lines(held, rng, 0)))
        (folder / "train.jsonl").write_text("".join(lines(train, rng, 0)))
        (folder / "train-wrong.jsonl").write_text("".join(lines(train, rng, arguments.wrong)))
        print(f"{name}: {len(train)} training and {len(held)} held-out problems")


if __name__ == "__main__":
    main()
