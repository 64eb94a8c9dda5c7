#!/usr/bin/env python3
"""Kills a sweep with SIGKILL at random moments and compares the files that it ends in with those of an undisturbed one.

  python tools/check/sweep_kill.py .build/release/tina --kills 10

Compared is every file but those that hold times: logs, TensorBoard's events, timing.json, reports, and of
metrics.jsonl, state.json and about.json (whose sessions tell each start) the members that do. Then a seed and a value
are added: no file of the old runs may change. Two sweeps on one folder must exclude each other.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from programs import PICO

RECIPE = f"""
dataset_path: {PICO}/train.jsonl
eval_dataset_path: {PICO}/heldout.jsonl
prompt_template: model
system_prompt: ""
lora_alpha: 32
learning_rate: 1.0e-3
num_generations: 8
per_device_train_batch_size: 8
gradient_accumulation_steps: 2
max_prompt_length: 128
max_completion_length: 96
max_steps: 6
save_steps: 2
eval_steps: 4
temperature: 1.0
"""
SWEEP = """
recipe: r.yaml
axes: {{lora_r: {ranks}}}
seeds: {seeds}
ignore_missing_signal: true
evaluation: {{benchmark: pico, limit: 12, samples: 2, max_tokens: 96, checkpoints: [all, best]}}
"""
# Members of JSON lines that hold times, or follow from them.
TIMES = {"step_time", "tokens_per_second", "speed/rollout_seconds", "speed/product_gflops", "speed/pass_gflops",
         "spent_seconds", "sha256", "dollars", "seconds", "sessions"}


def is_timed(name):
    return (name.endswith((".log", ".html")) or name.startswith(("events.out", "report.", ".tina-lock"))
            or name in ("timing.json",))


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items()
                if key not in TIMES and "dollars" not in key and "seconds" not in key}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def content(folder):
    """Every file that must be the same, by its path in the folder, with a digest."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if not path.is_file() or is_timed(path.name):
            continue
        data = path.read_bytes()
        if path.name in ("metrics.jsonl", "state.json", "about.json"):
            lines = data.decode().splitlines() if path.suffix == ".jsonl" else [data.decode()]
            data = json.dumps([without_times(json.loads(line)) for line in lines]).encode()
        found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tina")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=4, help="seconds before a kill at most")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tina = os.path.abspath(arguments.tina)
    os.environ.setdefault("TINA_PICO", PICO)  # a program that lies elsewhere does not find it
    rng = random.Random(arguments.seed)
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "r.yaml").write_text(RECIPE)
        (folder / "s.yaml").write_text(SWEEP.format(ranks="[2, 8]", seeds="[1, 2]"))

        def command(name, jobs=arguments.jobs):
            return [tina, "sweep", "s.yaml", "--output", name, "--no-trial", "--jobs", str(jobs), "--memory", "4"]

        def start(name):
            return subprocess.Popen(command(name), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def finish(name):
            done = subprocess.run(command(name), cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stderr}")
            return done.stderr

        kills, rounds = 0, 0
        while kills < arguments.kills:
            process = start(f"killed{rounds}")
            time.sleep(rng.uniform(0.05, arguments.longest))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            elif process.returncode == 0:
                rounds += 1  # it had reached its end: the rest of the kills go to another folder
            else:
                raise SystemExit(f"exit code {process.returncode} of a sweep after {kills} kills")
            process.wait()
        names = [f"killed{i}" for i in range(rounds + 1)]
        for name in names:
            finish(name)
        subprocess.run(command("whole", jobs=1), cwd=folder, check=True, capture_output=True)
        whole = content(folder / "whole")
        for name in names:
            found = content(folder / name)
            for path in sorted(set(whole) | set(found)):
                if whole.get(path) != found.get(path):
                    what = "differs" if path in whole and path in found else "in one only"
                    complaints.append(f"{name}/{path}: {what}")

        # Another rank and another seed: the old runs stay as they are, to the file's time.
        before = {p: p.stat().st_mtime_ns for p in (folder / "whole").rglob("result.json")}
        before |= {p: p.stat().st_mtime_ns for p in (folder / "whole").rglob("completions.jsonl")}
        (folder / "s.yaml").write_text(SWEEP.format(ranks="[2, 8, 4]", seeds="[1, 2, 3]"))
        finish("whole")
        complaints += [f"{path} was written again" for path, at in before.items() if path.stat().st_mtime_ns != at]
        results = list((folder / "whole").rglob("result.json"))
        if len(results) != 10:
            complaints.append(f"{len(results)} results after an addition, expected nine runs and the base")

        # Two on one folder.
        (folder / "s.yaml").write_text(SWEEP.format(ranks="[2, 8]", seeds="[4, 5]"))
        first = start("twice")
        deadline = time.monotonic() + 20
        while not (folder / "twice/.tina-lock").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        second = subprocess.run(command("twice"), cwd=folder, capture_output=True, text=True)
        if second.returncode != 1 or "a sweep that goes on in it" not in second.stderr:
            complaints.append(f"a second sweep: exit code {second.returncode}: {second.stderr}")
        first.kill()
        first.wait()
        finish("twice")
    for complaint in complaints:
        print(complaint)
    print(f"{kills} kills over {len(names)} sweeps, {len(whole)} files: {'identical' if not complaints else 'WRONG'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
