#!/usr/bin/env python3
"""Trains Pico with servers that sample, and judges models of servers.

  python tools/check/rollout_servers.py --tina .build/release/tina                      tina serve alone
  python tools/check/rollout_servers.py --llama-server llama-server --only llama eval   llama.cpp's server

Parts:
  workers  one, three, and three of which one is killed and another joins in the middle: the bytes of a run alone
  upload   adapters of hundreds of megabytes sent to a server: it takes memory for adapters, and none for requests
           (makes a model of 3.6 GB)
  llama    three seeds that llama-server samples, beside three that are sampled here
  eval     tina eval --endpoint on tina serve (byte-identical) and on llama-server, beside tina eval
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from programs import PICO, ROOT, Server, find_program, memory

KEY = "s3cret"
TIMES = re.compile(r"^(step_time|tokens_per_second|speed/.*)$")


def fail(text):
    raise SystemExit("rollout_servers: " + text)


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        fail(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return done


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train_words(tina, changes, output):
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [tina, "train", ROOT + "/Recipes/pico.yaml", *words, "--output", str(output), "--threads", "1",
            "--memory", "1", "--ignore-missing-signal"]


def metrics(output):
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


# tina serve

def worker(tina):
    return Server("--accept-adapters", "--activations", "f32", "--threads", "1", tina=tina,
                  environment={"TINA_API_KEY": KEY})


def short_run(folder, steps):
    """Recipes/pico.yaml, shortened."""
    held_out = folder / "heldout.jsonl"
    held_out.write_text("".join(open(PICO + "/heldout.jsonl").readlines()[:6]))
    return {"num_generations": 4, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 6,
            "max_completion_length": 96, "save_steps": 4, "eval_steps": 4, "max_steps": steps,
            "eval_dataset_path": held_out}


def results(output, steps):
    """A run's metrics without times, and its adapter."""
    values = [{k: v for k, v in line.items() if not TIMES.match(k)} for line in metrics(output)]
    return values, (output / f"checkpoint-{steps}/adapter.tina").read_bytes()


def workers(tina, folder, _):
    steps = 8
    changes = short_run(folder, steps)
    environment = {**os.environ, "TINA_API_KEY": KEY}

    def files(name):
        return results(folder / name, steps)

    run(train_words(tina, changes, folder / "alone"))
    servers = [worker(tina) for _ in range(3)]
    late_port = free_port()
    late = f"http://127.0.0.1:{late_port}"
    try:
        for count in [1, 3]:
            named = ", ".join(f'"{server.url}"' for server in servers[:count])
            words = train_words(tina, {**changes, "rollout_servers": f"[{named}]"}, folder / f"with-{count}")
            run(words, env=environment)
            if files(f"with-{count}") != files("alone"):
                fail(f"{count} workers give other bytes")
        # The second is killed after two steps, and one that the recipe names comes then.
        named = ", ".join(f'"{url}"' for url in [servers[0].url, servers[1].url, late])
        words = train_words(tina, {**changes, "rollout_servers": f"[{named}]"}, folder / "changing")
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        told, joined = [], None
        for line in process.stderr:
            told.append(line)
            if line.startswith(f"step 2/{steps}"):
                servers[1].process.kill()
                joined = subprocess.Popen(
                    [tina, "serve", "--accept-adapters", "--activations", "f32", "--threads", "1", "--port",
                     str(late_port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                for text in joined.stderr:
                    if text.startswith("serving "):
                        break
                threading.Thread(target=joined.stderr.read, daemon=True).start()
        if process.wait() != 0:
            fail("the run with changing workers failed:\n" + "".join(told)[-3000:])
        joined.terminate()
        joined.wait(30)
        said = "".join(told)
        for words in [servers[1].url, f"{late}/ answers again"]:
            if words not in said:
                fail(f"nothing was said of {words}:\n{said[-3000:]}")
        if files("changing") != files("alone"):
            fail("a worker that goes and one that comes give other bytes")
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.terminate()
    print(f"  1 worker, 3 workers, one killed and one that joins after step 2 of {steps}: byte-identical adapters and "
          "metrics")


def upload(tina, folder, options):
    """A server's memory while adapters of hundreds of megabytes come."""
    import numpy as np
    from safetensors.numpy import save_file
    shape = pathlib.Path(options.shape or folder / "shape")
    if not (shape / "config.json").exists():
        run([tina, "bench", "--make", str(shape)])
    config = json.loads((shape / "config.json").read_text())
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (kv, hidden), "self_attn.v_proj": (kv, hidden),
              "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
              "mlp.down_proj": (hidden, inner)}
    rank, files = options.rank, []
    for number in range(2):
        rng = np.random.default_rng(number)
        tensors = {}
        for layer in range(layers):
            for name, (rows, columns) in shapes.items():
                path = f"base_model.model.model.layers.{layer}.{name}.lora_"
                tensors[path + "A.weight"] = rng.standard_normal((rank, columns), np.float32) * np.float32(0.01)
                tensors[path + "B.weight"] = rng.standard_normal((rows, rank), np.float32) * np.float32(0.01)
        peft = folder / f"peft-{number}"
        peft.mkdir()
        save_file(tensors, peft / "adapter_model.safetensors")
        (peft / "adapter_config.json").write_text(json.dumps({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": rank, "bias": "none",
            "lora_dropout": 0.0, "target_modules": [name.split(".")[1] for name in shapes]}))
        del tensors
        files.append(folder / f"sent-{number}.tina")
        run([tina, "convert", str(peft), str(files[-1]), "--base", str(shape), "--stored"])
        shutil.rmtree(peft)
    sizes = [file.stat().st_size for file in files]
    with Server(str(shape), "--accept-adapters", "--threads", "2", tina=tina,
                environment={"TINA_API_KEY": KEY}) as server:
        pid = server.process.pid
        highest, before = [0], memory(pid)
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                try:
                    highest[0] = max(highest[0], memory(pid))
                except (OSError, TypeError):
                    return  # it has ended
                time.sleep(0.005)

        watcher = threading.Thread(target=watch)
        watcher.start()

        def put(name, file):
            started = time.monotonic()
            with open(file, "rb") as body:
                request = urllib.request.Request(
                    f"{server.url}/v1/adapters/{name}", data=body, method="PUT",
                    headers={"Authorization": "Bearer " + KEY, "Content-Length": str(os.path.getsize(file))})
                with urllib.request.urlopen(request) as reply:
                    reply.read()
            return time.monotonic() - started

        def check(what, seconds, held):
            """Adapters in use, and those that are checked, are what it may take, and a few megabytes."""
            grown = (highest[0] - before) * 1024
            print(f"    {what}: {seconds:.1f} s; private memory {before / 1024:.0f} MiB before, at most "
                  f"{highest[0] / 1024:.0f} MiB: {(grown - held * sizes[0]) / 1e6:.0f} MB beside {held} adapters "
                  f"used or checked; now {memory(pid) / 1024:.0f} MiB", flush=True)
            if grown > held * sizes[0] + max(40e6, sizes[0] / 5):
                fail(f"the server's memory grew by {grown / 1e6:.0f} MB")

        print(f"  adapters of {sizes[0] / 1e6:.0f} and {sizes[1] / 1e6:.0f} MB")
        started = time.monotonic()
        try:
            put("mine@sha256:" + "0" * 64, files[0])
            fail("another digest was taken")
        except urllib.error.HTTPError as error:
            check(f"another digest, refused with {error.code}", time.monotonic() - started, 1)
        check("sent", put("mine", files[0]), 1)
        for turn in range(2):
            check("another one in its place", put("mine", files[1 - turn % 2]), 2)
        both = [threading.Thread(target=put, args=(name, file)) for name, file in zip(["a", "b"], files)]
        started = time.monotonic()
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        check("two at once", time.monotonic() - started, 3)
        stop.set()
        watcher.join()


# llama-server

class Llama:
    """A llama-server that starts models of presets itself."""

    def __init__(self, program, presets, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = folder / f"presets-{self.port}.ini"
        file.write_text("version = 1\n" + "".join(
            f"\n[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for name, keys in presets.items()))
        self.log = open(folder / f"llama-{self.port}.log", "w")
        self.process = subprocess.Popen(
            [program, "--models-preset", str(file), "--host", "127.0.0.1", "--port", str(self.port), "--no-webui"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder)
        for _ in range(600):
            try:
                with urllib.request.urlopen(self.url + "/health") as reply:
                    if reply.status == 200:
                        return
            except OSError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.1)
        fail(f"llama-server did not start: {open(self.log.name).read()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def base_file(tina, folder):
    """Pico as GGUF, every weight as it is."""
    file = folder / "pico.gguf"
    if not file.exists():
        run([tina, "quantize", PICO, str(file), "--type", "BF16"])
    return file


PRESET = {"ctx-size": 16 * 320, "parallel": 16, "threads": 1, "threads-batch": 1, "cache-type-k": "f32",
          "cache-type-v": "f32"}


def llama(tina, folder, options):
    keep = pathlib.Path(options.keep or folder)
    keep.mkdir(parents=True, exist_ok=True)
    shared = keep / "shared"
    shared.mkdir(exist_ok=True)
    changes = {"max_steps": options.steps, "gradient_accumulation_steps": options.groups,
               "eval_steps": options.steps, "save_steps": options.steps, "eval_samples": 2}
    presets = {"policy": {"model": base_file(tina, keep), "lora": shared / "adapter.gguf", **PRESET}}
    scores = {}
    with Llama(options.llama_server, presets, keep) as server:
        there = {"rollout_servers": f'["{server.url}"]', "rollout_folder": shared,
                 "vllm_importance_sampling_mode": options.mode}
        for seed in options.seeds:
            for kind, more in [("here", {}), ("llama-server", there)]:
                if kind not in options.kinds:
                    continue
                output = keep / f"{kind}-{seed}"
                started = time.monotonic()
                done = run(train_words(tina, {**changes, **more}, output) + ["--seed", str(seed)])
                if kind != "here":
                    note = [line for line in done.stderr.splitlines() if "rollouts come from" in line]
                    print("  " + (note[0] if note else "a run that was there"), flush=True)
                lines = metrics(output)
                rewards = [line["reward"] for line in lines if "reward" in line]
                tried = [line for line in lines if "eval/format" in line]
                scores.setdefault(kind, []).append((tried[-1]["eval/pass_at_1"], tried[-1]["eval/format"]))
                text = (f"  seed {seed}, {kind}: reward {statistics.mean(rewards[:5]):.2f} in the first 5 steps, "
                        f"{statistics.mean(rewards[-10:]):.2f} in the last 10; held out: Pass@1 "
                        f"{tried[0]['eval/pass_at_1']:.3f} before, {tried[-1]['eval/pass_at_1']:.3f} after, format "
                        f"{tried[-1]['eval/format']:.3f}; {time.monotonic() - started:.0f} s")
                name = "sampling/sampling_logp_difference/"
                off = [line for line in lines if name + "mean" in line]
                if off:
                    ratio = "sampling/importance_sampling_ratio/"
                    text += (f"; off by {statistics.mean(line[name + 'mean'] for line in off):.5f} on average, "
                             f"{max(line[name + 'max'] for line in off):.4f} at most; ratios "
                             f"{min(line[ratio + 'min'] for line in off):.3f} to "
                             f"{max(line[ratio + 'max'] for line in off):.3f}")
                print(text, flush=True)
    for place, what in enumerate(["Pass@1", "format"]):
        told = []
        for kind, values in scores.items():
            values = [value[place] for value in values]
            spread = statistics.stdev(values) if len(values) > 1 else 0
            told.append(f"{kind} {statistics.mean(values):.3f} ± {spread:.3f}")
        print(f"  {what} after {options.steps} steps over {len(options.seeds)} seeds: {'; '.join(told)}")


def evaluate(tina, folder, options):
    keep = pathlib.Path(options.keep or folder)
    common = ["--benchmark", PICO + "/heldout.jsonl", "--prompt", "plain", "--samples", str(options.samples),
              "--max-tokens", "200", "--json"] + (["--limit", str(options.limit)] if options.limit else [])

    def summary(words, output):
        done = run([tina, "eval", *words, *common, "--out", str(output)])
        return json.loads(done.stdout.splitlines()[-1])

    here = summary([PICO, "--adapter", "math=" + PICO + "/adapter", "--activations", "f32"], folder / "here")
    with Server("--adapter", "math=" + PICO + "/adapter", "--activations", "f32", tina=tina) as server:
        summary(["--endpoint", server.url, "--connections", "8"], folder / "there")
    for name in ["completions.jsonl", "summary.json", "settings.json", "problems.jsonl"]:
        if (folder / "here" / name).read_bytes() != (folder / "there" / name).read_bytes():
            fail(f"tina serve gives another {name}")
    print("  tina serve: the bytes of tina eval")
    if options.llama_server:
        adapter = folder / "math.gguf"
        run([tina, "convert", PICO + "/adapter", str(adapter), "--base", PICO])
        base = base_file(tina, keep if keep.exists() else folder)
        presets = {"base": {"model": base, **PRESET}, "math": {"model": base, "lora": adapter, **PRESET}}
        with Llama(options.llama_server, presets, folder) as server:
            foreign = summary(["--endpoint", server.url, "--model", "base", "--model", "math", "--connections", "16"],
                              folder / "llama")
        for name, result in [("here", here), ("llama-server", foreign)]:
            for one in result["contestants"]:
                low, high = one["interval_95"]
                print(f"  {one['name']} {name}: Pass@1 {one['pass_at_1']:.3f} ({low:.3f} to {high:.3f}), ± "
                      f"{one['sampling_error']:.3f} by sampling, format {one['format']:.3f}, "
                      f"{one['mean_tokens']:.1f} tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tina")
    parser.add_argument("--only", nargs="+", help="some of the parts")
    parser.add_argument("--llama-server", help="llama.cpp's program")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--kinds", nargs="+", default=["here", "llama-server"], help="who samples")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--groups", type=int, default=8, help="prompts of a step")
    parser.add_argument("--mode", default="sequence_mask", help="vllm_importance_sampling_mode")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--limit", type=int, help="problems of the evaluation; all unless given")
    parser.add_argument("--keep", help="a folder for the runs of llama-server")
    parser.add_argument("--shape", help="a model of the 1.5B shape, made if it is not there")
    parser.add_argument("--rank", type=int, default=96, help="of the adapters that are sent")
    options = parser.parse_args()
    tina = os.path.abspath(find_program(options.tina))
    parts = {"workers": workers, "upload": upload, "llama": llama, "eval": evaluate}
    with tempfile.TemporaryDirectory() as folder:
        for part in options.only or ["workers", "eval"]:
            print(part, flush=True)
            if part == "llama" and not options.llama_server:
                fail("llama: name the program with --llama-server")
            parts[part](tina, pathlib.Path(folder), options)
    print("all is right")


if __name__ == "__main__":
    sys.exit(main())
