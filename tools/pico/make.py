"""Makes Pico's base from nothing: tokenizer, held-out problems, model, measurements.

    pip install -r tools/pico/requirements.txt
    python tools/pico/make.py Models/pico

Its adapter is made from that by `tina train Recipes/pico.yaml`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import problems
import tokenizer

HELD_OUT = 400


def run(script, *arguments):
    path = Path(__file__).with_name(script)
    subprocess.run([sys.executable, str(path), *map(str, arguments)], check=True)


def write_held_out(folder):
    lines = [
        json.dumps({"id": f"heldout-{i:03d}", "problem": p.text, "answer": p.answer})
        for i, p in enumerate(problems.held_out_problems(HELD_OUT))
    ]
    (folder / "heldout.jsonl").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tokenizer.save(options.model)
    write_held_out(options.model)
    run("train.py", options.model, "--threads", options.threads)
    run("evaluate.py", options.model, "--threads", options.threads, "--show", 3)


if __name__ == "__main__":
    main()
