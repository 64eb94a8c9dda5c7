#!/usr/bin/env python3
"""Kills a training run with SIGKILL at random moments and compares what it ends in with an undisturbed run.

  python tools/check/kill_resume.py .build/release/tina --kills 20
  python tools/check/kill_resume.py .build/release/tina --kills 20 --command    # rewards by a program, killed too
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from programs import PICO

REWARD = pathlib.Path(__file__).resolve().parents[2] / "Examples/reward/near_answer.py"

RECIPE = f"""
dataset_path: {PICO}/train.jsonl
prompt_template: model
system_prompt: ""
lora_r: 8
lora_alpha: 32
lora_dropout: 0.05
learning_rate: 1.0e-3
num_generations: 8
per_device_train_batch_size: 8
gradient_accumulation_steps: 2
max_prompt_length: 128
max_completion_length: 128
max_steps: 24
save_steps: 1
temperature: 1.0
"""


def children(process):
    """The children of a process that run now."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True).stdout
    return [int(number) for number in found.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tina")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest", type=float, default=3, help="seconds before a kill at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", action="store_true", help="a reward in Python, whose process is killed too")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        recipe = pathlib.Path(folder) / "r.yaml"
        recipe.write_text(RECIPE + (f"reward_command: [python3, {REWARD}]\n" if arguments.command else ""))

        def start(name):
            command = [arguments.tina, "train", str(recipe), "--model", PICO, "--output",
                       f"{folder}/{name}", "--ignore-missing-signal", "--memory", "2"]
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        killed, judges, rounds = 0, 0, 0
        while killed < arguments.kills:
            process = start(f"killed{rounds}")
            time.sleep(rng.uniform(0.05, arguments.longest))
            if arguments.command and rng.random() < 0.5:
                # The run goes on with another; the program itself is killed later.
                for child in children(process.pid):
                    os.kill(child, signal.SIGKILL)
                    judges += 1
                time.sleep(rng.uniform(0.05, arguments.longest))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            elif process.returncode == 0:
                rounds += 1  # it had reached its end: the rest of the kills go to another run
            process.wait()
        names = [f"killed{i}" for i in range(rounds + 1)]
        ends = []
        for name in names + ["whole"]:
            process = start(name)
            process.wait()
            assert process.returncode == 0, process.returncode
            ends.append(pathlib.Path(f"{folder}/{name}/checkpoint-24/adapter.tina").read_bytes())
        same = all(end == ends[-1] for end in ends)
        others = f" and {judges} of rewards" if arguments.command else ""
        print(f"{killed} kills{others} over {len(names)} runs: final adapters {'identical' if same else 'DIFFER'}")
        return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
