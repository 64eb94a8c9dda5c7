#!/usr/bin/env python3
"""Writes the data of real-language.yaml from GSM8K: the easier half of its problems, and solutions in R1's format.

    python Experiments/real_language.py TRAIN.jsonl TEST.jsonl

The files are grade_school_math/data/train.jsonl and test.jsonl of github.com/openai/grade-school-math (MIT licence).
A problem is easier if its solution has fewer calculations, or as many in fewer letters. runs/gsm8k/ gets train.jsonl,
solutions.jsonl (256 of its solutions, which train.jsonl then lacks) and heldout.jsonl (from the easier half of TEST).
"""
import argparse
import json
import pathlib
import random
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
CALCULATION = re.compile(r"<<.*?>>")


def easier_half(path):
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(records, key=lambda r: (len(CALCULATION.findall(r["answer"])), len(r["answer"])))[:len(records) // 2]


def parts(record):
    thought, answer = CALCULATION.sub("", record["answer"]).rsplit("\n#### ", 1)
    return thought.strip(), answer.strip().replace(",", "")


def problem(record):
    return json.dumps({"problem": record["question"].strip(), "answer": parts(record)[1]}, ensure_ascii=False) + "\n"


def solution(record):
    thought, answer = parts(record)
    text = f"<think>\n{thought}\n</think>\nThe answer is \\boxed{{{answer}}}."
    return json.dumps({"prompt": [{"role": "user", "content": record["question"].strip()}],
                       "completion": [{"role": "assistant", "content": text}]}, ensure_ascii=False) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("train", type=pathlib.Path)
    parser.add_argument("test", type=pathlib.Path)
    parser.add_argument("--solutions", type=int, default=256)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs/gsm8k")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train, held_out = easier_half(options.train), easier_half(options.test)
    random.Random("gsm8k").shuffle(train)
    random.Random("gsm8k").shuffle(held_out)
    shown, rest = train[:options.solutions], train[options.solutions:]
    for name, lines in (("solutions", map(solution, shown)), ("train", map(problem, rest)),
                        ("heldout", map(problem, held_out[:options.held_out]))):
        (options.out / f"{name}.jsonl").write_text("".join(lines))
    print(f"{options.out}: {len(shown)} solutions, {len(rest)} problems, {options.held_out} held out")


if __name__ == "__main__":
    main()
