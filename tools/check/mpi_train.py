#!/usr/bin/env python3
"""Trains, evaluates and sweeps with several processes under Open MPI's mpirun: the files are those of one process.

  python tools/check/mpi_train.py --tina .build/release/tina            everything that needs no root
  python tools/check/mpi_train.py --quick                               1, 2 and 3 processes, one killed, one refused
  python tools/check/mpi_train.py --only hosts --rate 1gbit             two hosts of network namespaces (root)

Parts: same, kill, refuse, stop, eval, sweep; hosts, shape and cable need root, `ip` and `tc`, cable a C compiler. All
need mpirun (openmpi-bin). `cable` measures how long a gradient of the 1.5B shape takes between two hosts, `shape` how
long a whole step does.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from programs import PICO, ROOT, find_program
from two_hosts import TwoHosts

STEPS = 4
# Recipes/pico.yaml, shortened.
CHANGES = {"num_generations": 4, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 6,
           "max_completion_length": 96, "save_steps": 1, "eval_steps": 2, "max_steps": STEPS}
TIMES = re.compile(r"^(step_time|tokens_per_second|speed/.*)$")


def fail(text):
    raise SystemExit("mpi_train: " + text)


class Bench:
    def __init__(self, tina, folder):
        self.tina, self.folder = tina, pathlib.Path(folder)
        held_out = self.folder / "heldout.jsonl"
        with open(PICO + "/heldout.jsonl") as lines:
            held_out.write_text("".join(line for line, _ in zip(lines, range(6))))
        self.changes = {**CHANGES, "eval_dataset_path": held_out}

    def words(self, output, *more):
        changes = [word for key, value in self.changes.items() for word in ("--set", f"{key}={value}")]
        return [self.tina, "train", ROOT + "/Recipes/pico.yaml", *changes, "--output", str(self.folder / output),
                "--threads", "1", "--memory", "1", "--ignore-missing-signal", *more]

    @staticmethod
    def mpirun(count, *more):
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        return ["mpirun", *root, "--oversubscribe", "--bind-to", "none", *more, "-n", str(count)]

    @staticmethod
    def run(command, expected=0):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
        if expected is not None and done.returncode != expected:
            fail(f"exit code {done.returncode} of {' '.join(command)}\n{done.stderr[-3000:]}")
        return done

    def train(self, count, output, *more):
        launcher = self.mpirun(count) if count else []
        started = time.monotonic()
        done = self.run(launcher + self.words(output, *more))
        told = [line for line in done.stderr.splitlines() if line.startswith("step ")]
        if more == () and len(told) != len({line.split()[1] for line in told}):
            fail(f"a step was told twice by {count} processes:\n" + "\n".join(told))
        print(f"  {count or 'no'} processes: {time.monotonic() - started:.1f} s", flush=True)

    def files(self, output, step=STEPS):
        """What a run leaves, times apart."""
        run = self.folder / output
        result = {name: (run / name).read_bytes() for name in
                  [f"checkpoint-{step}/adapter.tina", f"checkpoint-{step}/optimizer.bin", "samples.jsonl"]}
        for line in (run / "metrics.jsonl").read_text().splitlines():
            values = json.loads(line)
            values = {key: value for key, value in values.items() if not TIMES.match(key)}
            result[f"metrics of step {values['step']}, {'eval' if 'eval/format' in values else 'training'}"] = values
        return result

    def compare(self, expected, output):
        found = self.files(output)
        if expected.keys() != found.keys():
            fail(f"{output}: other files: {expected.keys() ^ found.keys()}")
        for name, value in expected.items():
            if found[name] != value:
                fail(f"{output}: {name} differs")


def same(bench, counts):
    for count in counts:
        bench.train(count, f"with-{count}")
        bench.compare(bench.files("alone"), f"with-{count}")
    print(f"  byte-identical with {', '.join(map(str, counts))} processes")


def processes_of(launcher):
    """Process numbers below a launcher by rank."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            parent = int(re.search(r"\nPPid:\s+(\d+)", (entry / "status").read_text())[1])
            if parent != launcher.pid:
                continue
            environment = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, TypeError):
            continue
        for variable in environment:
            if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(variable.split(b"=")[1])] = int(entry.name)
    return found


def kill(bench, kills, longest, seed):
    """Kills a process at a random moment again and again; the run goes on under another number."""
    rng = random.Random(seed)
    expected, rounds, killed, slowest = bench.files("alone"), 0, 0, 0.0
    victims, told, hung = [0, 0, 0, 0], 0, 0
    while killed < kills:
        count = rng.randint(2, 4)
        with open(bench.folder / "errors", "w+") as errors:
            run = subprocess.Popen(bench.mpirun(count) + bench.words(f"killed-{rounds}"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=errors)
            deadline = time.monotonic() + rng.uniform(0.1, longest)
            while time.monotonic() < deadline and run.poll() is None:
                time.sleep(0.02)
            found = processes_of(run)
            # Every rank in turn, the last ones too, which fewer runs have.
            rank = min(range(count), key=lambda rank: (victims[rank], -rank))
            if run.poll() is None and rank in found:
                os.kill(found[rank], signal.SIGKILL)
                ticks = 0  # of 20 ms; time in which the check itself stands still doesn't count
                while run.poll() is None and ticks < 3000 and (ticks < 500 or processes_of(run)):
                    time.sleep(0.02)
                    ticks += 1
                if run.poll() is None and not processes_of(run):
                    # Open MPI 4.1.4's mpirun can wait for its own lock in PMIx_server_finalize.
                    hung, ticks = hung + 1, 0
                    run.kill()
                    run.wait()
                slowest, code = max(slowest, ticks * 0.02), run.poll()
                killed, victims[rank] = killed + 1, victims[rank] + 1
                errors.seek(0)
                text = errors.read()
                print(f"  rank {rank} of {count} killed, step {text.count('step ')}; gone after {ticks * 0.02:.1f} s",
                      flush=True)
                if code is None:
                    run.kill()
                    fail(f"a minute after the kill mpirun still ran:\n{text[-2000:]}")
                if code == 0:
                    fail("mpirun ended with 0 although a process was killed")
                if f"rank {rank}" not in text:
                    fail(f"nothing names rank {rank}:\n{text[-2000:]}")
                told += f"rank {rank} of {count} on " in text and "Start the same command again" in text
            elif run.wait(timeout=600) == 0:
                rounds += 1  # it had reached its end
            else:
                errors.seek(0)
                fail(f"an undisturbed run failed:\n{errors.read()[-2000:]}")
    for number in range(rounds + 1):
        bench.train(rng.randint(0, 3), f"killed-{number}")
        found = bench.files(f"killed-{number}")
        for name in expected:
            if expected[name] != found[name]:
                fail(f"killed-{number}: {name} differs")
    print(f"  {killed} kills (ranks 0 to 3: {victims}), {rounds + 1} runs: byte-identical; "
          f"all were gone after {slowest:.1f} s at most; {told} times tina told what to do; "
          f"mpirun itself hung {hung} times after all had ended")


def refuse(bench):
    """A process that would give other bits is refused by name."""
    for what, options, words in [("the cache type", ["--cache-type", "f32"], "found cache type f32; expected f16"),
                                 ("the seed", ["--seed", "7"], "found seed 7; expected 42")]:
        command = [*bench.mpirun(1), *bench.words("refused"), ":", "-n", "1", *bench.words("refused", *options)]
        done = bench.run(command, expected=None)
        if done.returncode == 0 or words not in done.stderr or "rank 1 of 2 on " not in done.stderr:
            fail(f"{what} of another process was not refused:\n{done.stderr[-2000:]}")
        if done.stderr.count("Error: ") != 1:
            fail(f"not one error:\n{done.stderr[-2000:]}")
    missing = bench.run([*bench.mpirun(3), *bench.words("refused", "--data", "/nowhere")], expected=None)
    if missing.returncode == 0 or missing.stderr.count("Error: ") != 1:
        fail(f"a missing file was told otherwise than once:\n{missing.stderr[-2000:]}")
    if (bench.folder / "refused").exists():
        fail("a refused run left a folder")
    print("  other settings and missing files are refused by name, once")


def stop(bench):
    """SIGUSR1 to mpirun ends the run after its step; it goes on under another number."""
    run = subprocess.Popen(bench.mpirun(2) + bench.words("stopped"), stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in run.stderr:
        if line.startswith("step 1/"):
            run.send_signal(signal.SIGUSR1)
            break
    rest = run.stderr.read()
    if run.wait(timeout=60) != 0 or "stopped as asked" not in rest:
        fail(f"SIGUSR1 did not stop the run: {rest[-1000:]}")
    bench.train(3, "stopped")
    bench.compare(bench.files("alone"), "stopped")
    print("  stopped by SIGUSR1 and gone on with 3 processes: byte-identical")


def evaluate(bench):
    words = [bench.tina, "eval", PICO, "--adapter", PICO + "/adapter", "--limit", "8", "--samples", "3",
             "--max-tokens", "120", "--threads", "1"]
    results = {}
    for count in [0, 2, 3]:
        out = bench.folder / f"eval-{count}"
        launcher = bench.mpirun(count) if count else []
        done = bench.run(launcher + words + ["--out", str(out)])
        if done.stdout.count("results: ") != 1:
            fail(f"not one summary:\n{done.stdout}")
        results[count] = {name: (out / name).read_bytes() for name in
                          ["completions.jsonl", "summary.json", "settings.json", "problems.jsonl"]}
        if results[count] != results[0]:
            fail(f"an evaluation by {count} processes differs")
    # Half of it is there already.
    out = bench.folder / "eval-half"
    shutil.copytree(bench.folder / "eval-0", out)
    lines = (out / "completions.jsonl").read_text().splitlines(keepends=True)
    (out / "completions.part.jsonl").write_text("".join(random.Random(1).sample(lines, len(lines) // 2)))
    for name in ["completions.jsonl", "summary.json", "report.html"]:
        (out / name).unlink()
    bench.run(bench.mpirun(2) + words + ["--out", str(out)])
    if (out / "completions.jsonl").read_bytes() != results[0]["completions.jsonl"]:
        fail("an evaluation that was gone on with differs")
    replayed = bench.run([*bench.mpirun(3), bench.tina, "eval", "--replay", str(out)])
    told = (replayed.stdout.count("results: "), replayed.stderr.count("verdicts changed"))
    if told != (1, 1):
        fail(f"--replay by 3 processes told its results {told} times:\n{replayed.stdout}{replayed.stderr}")
    print("  tina eval with 2 and 3 processes, and gone on with: the same files; --replay by 3 is told once")


def sweep(bench):
    changes = "".join(f"  {key}: {value}\n" for key, value in {**bench.changes, "max_steps": 2}.items())
    for count in [0, 2]:
        file = bench.folder / f"sweep-{count}.yaml"
        file.write_text(f"recipe: {ROOT}/Recipes/pico.yaml\noutput: {bench.folder}/sweep-{count}\nset:\n{changes}"
                        "axes:\n  lora_r: [2, 4]\nseeds: [1, 2]\n")
        launcher = bench.mpirun(count) if count else []
        bench.run(launcher + [bench.tina, "sweep", str(file), "--threads", "2", "--no-trial", "--memory", "1"])
    runs = sorted(path.name for path in (bench.folder / "sweep-0").iterdir() if path.is_dir())
    if len(runs) != 4:
        fail(f"expected 4 runs, found {runs}")
    for name in runs:
        both = [(bench.folder / f"sweep-{count}" / name / "checkpoint-2/adapter.tina").read_bytes()
                for count in [0, 2]]
        if both[0] != both[1]:
            fail(f"the run {name} of a sweep differs")
    print("  tina sweep with 2 processes: the same adapters")


def hosts(bench, rate):
    """2 × 2 processes on two hosts."""
    with TwoHosts(bench.folder, rate) as pair:
        before = pair.sent()
        done = bench.run(pair.mpirun(bench, 4) + bench.words("hosts"))
        if "rank" in done.stderr and "Error" in done.stderr:
            fail(done.stderr[-2000:])
        bench.compare(bench.files("alone"), "hosts")
        print(f"  2 × 2 processes on two hosts at {rate or 'full speed'}: byte-identical; "
              f"{(pair.sent() - before) / 1e6 / STEPS:.1f} MB a step through the cable")
        tell(bench, "hosts")


def whole_step(bench, rate, shape):
    """Whole steps of a model of the 1.5B shape, rank 32: 8 completions of 48 tokens, four passes."""
    if not shape:
        fail("shape: name a model with --shape, such as `tina bench --make DIR` makes")
    steps, reward = 2, bench.folder / "reward.py"
    # Values that differ, so that gradients are not 0.
    reward.write_text("import json, sys\nfor line in sys.stdin:\n    batch = json.loads(line)\n"
                      "    values = [len(one['completion']) % 7 for one in batch['completions']]\n"
                      "    print(json.dumps({'batch': batch['batch'], 'values': values}), flush=True)\n")
    changes = {"reward_command": f'["{sys.executable}", "{reward}"]', "rl_post_train_reward_funcs": "[command]",
               "rl_post_train_reward_weights": "[1.0]", "model_name_or_path": shape, "lora_r": 32,
               "lora_alpha": 128, "num_generations": 2,
               "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "max_completion_length": 48,
               "max_steps": steps, "save_steps": steps, "prompt_template": "reason",
               "eval_dataset_path": "null", "eval_steps": "null"}

    def train(name, launcher, threads):
        words = [bench.tina, "train", ROOT + "/Recipes/pico.yaml", "--data", PICO + "/train.jsonl", "--threads",
                 str(threads), "--memory", "4", "--ignore-missing-signal", "--output", str(bench.folder / name)]
        words += [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
        bench.run(launcher + words)
        tell(bench, name)
        found = bench.files(name, steps)
        if name != "shape-alone" and found != bench.files("shape-alone", steps):
            fail(f"{name}: other bytes than alone")

    print("  one process, 2 threads", flush=True)
    train("shape-alone", [], 2)
    print("  2 processes on one host, 1 thread each", flush=True)
    train("shape-loopback", bench.mpirun(2), 1)
    with TwoHosts(bench.folder, rate) as pair:
        print(f"  2 processes on two hosts at {rate or 'full speed'}, 1 thread each", flush=True)
        before = pair.sent()
        train("shape-hosts", pair.mpirun(bench, 2), 1)
        print(f"    {(pair.sent() - before) / 1e6 / steps:.0f} MB a step through the cable, both ways")
    print("  adapter, optimiser, samples and metrics: byte-identical")


def cable(bench, rate):
    program, sources = str(bench.folder / "exchange"), ROOT + "/Sources/CMPI"
    bench.run(["clang", "-O2", f"-I{sources}/include", "-o", program, ROOT + "/Benchmarks/exchange/exchange.c",
               sources + "/mpi.c", "-ldl"])
    for count in [2, 4]:
        print(f"  on this host:\n{bench.run(bench.mpirun(count) + [program]).stdout}", end="")
    with TwoHosts(bench.folder, rate) as pair:
        for count in [2, 4]:
            before = pair.sent()
            done = bench.run(pair.mpirun(bench, count) + [program])
            print(f"  on two hosts at {rate or 'full speed'}:\n{done.stdout}    "
                  f"{(pair.sent() - before) / 3e6:.0f} MB through the cable each time")


def tell(bench, output):
    for line in (bench.folder / output / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        if "step_time" in values:
            seconds, exchange = values["step_time"], values.get("speed/exchange_seconds", 0)
            print(f"    step {values['step']}: {seconds:.2f} s, of it {exchange:.2f} s in exchanges (with waiting); "
                  f"rank 0 sent {values.get('speed/sent_megabytes', 0):.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tina")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="one of the parts")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest", type=float, default=10, help="seconds before a kill at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", default="1gbit", help="of the cable between the two hosts; empty for its own")
    parser.add_argument("--shape", help="a model of the 1.5B shape, for that part: tina bench --make DIR makes one")
    arguments = parser.parse_args()
    if not shutil.which("mpirun"):
        fail("there is no mpirun here: apt-get install openmpi-bin")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(os.path.abspath(find_program(arguments.tina)), folder)
        parts = {
            "same": lambda: same(bench, [2, 3] if arguments.quick else [1, 2, 3, 4]),
            "refuse": lambda: refuse(bench),
            "stop": lambda: stop(bench),
            "kill": lambda: kill(bench, 1 if arguments.quick else arguments.kills, arguments.longest, arguments.seed),
            "eval": lambda: evaluate(bench),
            "sweep": lambda: sweep(bench),
            "hosts": lambda: hosts(bench, arguments.rate),
            "shape": lambda: whole_step(bench, arguments.rate, arguments.shape),
            "cable": lambda: cable(bench, arguments.rate),
        }
        privileged = ("hosts", "shape", "cable")
        chosen = [arguments.only] if arguments.only else [part for part in parts if part not in privileged]
        if arguments.quick:
            chosen = ["same", "refuse", "kill", "eval"]
        if chosen not in (["eval"], ["sweep"], ["shape"], ["cable"]):
            print("alone")
            bench.train(0, "alone")
        for part in chosen:
            print(part, flush=True)
            parts[part]()
    print("all is right")


if __name__ == "__main__":
    sys.exit(main())
