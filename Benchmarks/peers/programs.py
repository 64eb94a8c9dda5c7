"""The programs that take turns. Each answers rate(cell, adapter): tokens a second of one piece of work.

A cell is ("streams", N, STEPS): N continuations of one prompt of 64 tokens that is computed already, STEPS rows each.
Or it is ("prompt", N, 1): N new tokens.
"""
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

PROMPT = 64
vocabulary = 150000  # ids of prompts are below it


def token(i):
    """Some ordinary token of the vocabulary."""
    return (i * 7919 + 13) % vocabulary


class Tina:
    """`tina serve`. Its time has HTTP and drawing in it; those of one row are subtracted with the prompt's."""

    def __init__(self, program, model, adapter, threads, activations, isa):
        flags = ["--threads", str(threads)] if threads else []
        flags += ["--activations", activations] if activations != "default" else []
        environment = dict(os.environ, **({"TINA_ISA": isa} if isa != "native" else {}))
        self.process = subprocess.Popen(
            [program, "serve", model, "--adapter", f"lora={adapter}", "--port", "0", "--quiet", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.address = found.group(0)
                break
            print(line, end="", file=sys.stderr)
        else:
            sys.exit(f"{program} serve ended before it served")
        self.base = self.get("/v1/models")["data"][0]["id"]
        self.asked = 0

    def get(self, path):
        with urllib.request.urlopen(self.address + path) as reply:
            return json.load(reply)

    def complete(self, adapter, prompt, tokens, n=1):
        """Tokens and seconds."""
        body = {"model": "lora" if adapter else self.base, "prompt": prompt, "max_tokens": tokens, "temperature": 1,
                "seed": 1, "n": n}
        request = urllib.request.Request(self.address + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        start = time.perf_counter()
        with urllib.request.urlopen(request) as reply:
            made = json.load(reply)["usage"]["completion_tokens"]
        return made, time.perf_counter() - start

    def rate(self, cell, adapter):
        kind, count, steps = cell
        self.asked += 1
        if kind == "prompt":
            # Nobody asked for this one before: what is known already costs nothing.
            prompt = [token(10**6 + self.asked)] + [token(i) for i in range(1, count)]
            return count / self.complete(adapter, prompt, 1)[1]
        prompt = [token(i) for i in range(PROMPT)]
        first = self.complete(adapter, prompt, 1)[1]
        made, seconds = self.complete(adapter, prompt, steps + 1, count)
        return (made - count) / (seconds - first)

    def end(self):
        self.process.terminate()
        self.process.wait()


class Llama:
    """llama.cpp's library, decoding alone."""

    def __init__(self, model, adapter, threads, streams):
        import llama_api
        self.api = llama_api
        self.model = llama_api.load(model)
        self.context = llama_api.context(self.model, 4096, max(streams), threads or os.cpu_count())
        self.lora = llama_api.adapter(self.model, adapter)

    def rate(self, cell, adapter):
        kind, count, steps = cell
        api, context = self.api, self.context
        api.attach(context, self.lora if adapter else None)
        api.clear(context)
        start = time.perf_counter()
        api.prompt(context, count if kind == "prompt" else PROMPT)
        if kind == "prompt":
            return count / (time.perf_counter() - start)
        api.share(context, count)
        start = time.perf_counter()
        for step in range(PROMPT, PROMPT + steps):
            api.decode(context, [(token(step + s), step, s, 1) for s in range(count)])
        return steps * count / (time.perf_counter() - start)

    def end(self):
        self.api.free(self.context)
        self.api.free_model(self.model)


class Batched:
    """A llama-batched-bench of another build, a process for each round. It has no adapters."""

    def __init__(self, folder, model, threads, flags):
        places = [os.path.join(folder, *inner, "llama-batched-bench") for inner in ([], ["bin"], ["build", "bin"])]
        self.program = next((place for place in places if os.access(place, os.X_OK)), None)
        if not self.program:
            sys.exit(f"{folder}: found no llama-batched-bench there, in bin or in build/bin. Name its folder.")
        threads = str(threads or os.cpu_count())
        self.always = ["-m", model, "-c", "4096", "-ub", "512", "-t", threads, "-tb", threads, "-pps", *flags.split()]

    def rates(self, cells):
        streams = [cell for cell in cells if cell[0] == "streams"]
        prompts = [cell for cell in cells if cell[0] == "prompt"]
        found = {}
        if streams:
            steps = max(steps for _, _, steps in streams)
            rows = self.run("-npp", PROMPT, "-ntg", steps, "-npl", ",".join(str(n) for _, n, _ in streams))
            found |= {cell: row[7] for cell in streams for row in rows if row[2] == cell[1]}
        if prompts:
            rows = self.run("-npp", ",".join(str(n) for _, n, _ in prompts), "-ntg", 1, "-npl", 1)
            found |= {cell: row[5] for cell in prompts for row in rows if row[0] == cell[1]}
        return found

    def run(self, *arguments):
        done = subprocess.run([self.program, *self.always, *map(str, arguments)], capture_output=True, text=True)
        # | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | ...
        rows = [[float(x) for x in line.strip("| \n").split("|")] for line in (done.stdout + done.stderr).splitlines()
                if re.match(r"\|\s*\d", line)]
        if done.returncode or not rows:
            sys.exit(f"{self.program} ended with {done.returncode}: {done.stderr[-500:]}")
        return rows
