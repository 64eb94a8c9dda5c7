#!/usr/bin/env python3
"""What a reward in Python that takes a millisecond an answer adds to a step of Pico's recipe.

    tools/check/reward_cost.py [--tina .build/debug/tina] [--steps 40] [--rounds 3]

Three runs of the same steps take turns: the recipe as it is, and with a command beside its rewards that sleeps (as one
that asks a server) or computes for a millisecond an answer. Its weight is 0, so that all three sample and learn the
same. The median times of a step, and what each adds.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MILLISECOND = 0.001


def judge(kind):
    """The command: 0 for each completion, after its millisecond."""
    for line in sys.stdin:
        batch = json.loads(line)
        for _ in batch["completions"]:
            if kind == "sleep":
                time.sleep(MILLISECOND)
            elif kind == "compute":
                end = time.perf_counter() + MILLISECOND
                while time.perf_counter() < end:
                    pass
        values = [0.0] * len(batch["completions"])
        print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)


def steps(tina, kind, count):
    """Seconds of each step of a run but the first five, what each waited for the command, and the adapter's norms."""
    with tempfile.TemporaryDirectory() as folder:
        command = [tina, "train", "Recipes/pico.yaml", "--output", folder, "--stop-at", str(count),
                   "--ignore-missing-signal", "--set", "eval_dataset_path=null"]
        if kind:
            program = json.dumps([sys.executable, __file__, "--judge", kind])
            command += ["--set", f"reward_command={program}", "--set", "rl_post_train_reward_weights=[1, 2, 0]"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        lines = [json.loads(line) for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()]
    norms = [line["adapter_norm"] for line in lines]
    return ([line["step_time"] for line in lines[5:]],
            [line.get("speed/reward_wait_seconds", 0) for line in lines[5:]], norms)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge")
    parser.add_argument("--tina", default=str(ROOT / ".build/debug/tina"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.judge:
        return judge(arguments.judge)
    kinds = [None, "none", "sleep", "compute"]
    times, waits, norms = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}, set()
    for _ in range(arguments.rounds):
        for kind in kinds:
            seconds, waited, norm = steps(arguments.tina, kind, arguments.steps)
            times[kind] += seconds
            waits[kind] += waited
            norms.add(tuple(norm))
    if len(norms) != 1:
        sys.exit("reward_cost: the runs learnt different things")
    base = statistics.median(times[None])
    names = {None: "built-in rewards alone", "none": "and a command that answers at once",
             "sleep": "and one that sleeps 1 ms an answer", "compute": "and one that computes 1 ms an answer"}
    print("| rewards | a step | added | waited for it |\n|---|---|---|---|")
    for kind in kinds:
        middle = statistics.median(times[kind])
        print(f"| {names[kind]} | {1000 * middle:.0f} ms | {100 * (middle / base - 1):+.1f} % "
              f"| {1000 * statistics.median(waits[kind]):.0f} ms |")


main()
