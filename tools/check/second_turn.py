#!/usr/bin/env python3
"""How often Pico, with its adapter and without, is right in the first and in the second turn of a chat.

    tools/check/second_turn.py [--tina PROGRAM] [--chats 200]

Each chat asks two held-out problems one after the other; the second prompt holds the first answer, as `tina run` and a
server's page send it. Sampled as `tina run` does unless told, one seed a chat. The control asks the second problem
alone. Told are the shares of right and of well-formed answers, with 95 % intervals (Wilson's).
"""

import argparse
import json
import math
import re

from programs import PICO, find_program, json_lines


def wilson(right, of):
    """Share and interval in percent."""
    z, share = 1.96, right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{right} of {of}, {100 * share:.1f} % ({100 * max(middle - half, 0):.1f} – {100 * (middle + half):.1f})"


def is_right(text, answer):
    boxes = re.findall(r"\\boxed\{(-?\d+)\}", text)
    return bool(boxes) and int(boxes[-1]) == answer


def is_well_formed(text):
    return text.count("\n</think>\n") == 1


def user(problem):
    return {"role": "user", "content": problem["problem"]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    options.add_argument("--chats", type=int, default=200)
    options.add_argument("--threads", default="2")
    options = options.parse_args()
    tina = find_program(options.tina)
    with open(f"{PICO}/heldout.jsonl") as file:
        problems = [json.loads(line) for line in file]
    chats = list(zip(problems, reversed(problems)))[:options.chats]
    for name, adapter in (("with its adapter", ["--adapter", f"{PICO}/adapter"]), ("base alone", [])):
        command = [tina, "run", PICO, *adapter, "--max-tokens", "160", "--threads", options.threads, "--jsonl", "-"]

        def answers(conversations):
            lines = [{"messages": messages, "seed": seed} for seed, messages in enumerate(conversations)]
            return [answer["text"] for answer in json_lines(command, lines)]

        first = answers([user(a)] for a, _ in chats)
        turns = {"first": (first, [a for a, _ in chats])}
        later = [[user(a), {"role": "assistant", "content": "<think>\n" + text}, user(b)]
                 for (a, b), text in zip(chats, first)]
        turns["second"] = answers(later), [b for _, b in chats]
        turns["the second alone"] = answers([user(b)] for _, b in chats), [b for _, b in chats]
        for turn, (texts, asked) in turns.items():
            right = sum(is_right(text, problem["answer"]) for text, problem in zip(texts, asked))
            formed = sum(map(is_well_formed, texts))
            print(f"{name}, {turn}: right {wilson(right, len(chats))}; well formed {wilson(formed, len(chats))}")


if __name__ == "__main__":
    main()
