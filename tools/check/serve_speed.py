#!/usr/bin/env python3
"""Measures `tina serve` beside the engine alone, and beside llama-server, on one machine in one run.

    tools/check/serve_speed.py MODEL ADAPTER [--gguf FILE --lora FILE [--llama-server PROGRAM] [--llama-python PYTHON]]

So many clients (8) stream answers of so many tokens (32), each to a prompt of 32 token ids of its own, under the
adapter. Told are all tokens by the time from the first token of all to the last (the prompts' time is apart), and the
time to the first token. The engine alone is `tina bench --peers`' decoding of as many streams; llama.cpp's alone, which
llama-server can't be faster than, is Benchmarks/peers/llama.py's, for a PYTHON that has llama-cpp-python (8 clients).
Programs take turns, --rounds times. With --steady the clients then ask again and again for so many seconds, each as
soon as it has its answer, which is how a server is loaded for long: the time to the first token is told at p50 and p99.
Needs nothing else.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import time
import urllib.request

from programs import ROOT, Server, find_program


async def stream(port, path, body):
    """When each token's event came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    data = json.dumps(body).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
    assert b" 200 " in (line := await reader.readline()), (line, await reader.read())
    times, tokens = [], 0
    async for line in reader:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[6:])
        times.append(time.monotonic())
        usage = event.get("usage") or {}
        tokens = usage.get("completion_tokens", tokens)
    writer.close()
    return times, tokens


async def measure(port, path, bodies):
    began = time.monotonic()
    results = await asyncio.gather(*(stream(port, path, body) for body in bodies))
    firsts = [times[0] - began for times, _ in results]
    tokens = sum(tokens for _, tokens in results)
    # From when all have begun: what came after it. Each client's tokens come one an event.
    start = max(times[0] for times, _ in results)
    end = max(times[-1] for times, _ in results)
    later = sum(sum(start < at <= end for at in times) for times, _ in results)
    return {"decode": later / (end - start), "all": tokens / (end - began), "tokens": tokens,
            "first": statistics.median(firsts), "first_most": max(firsts)}


async def steady(port, path, body, options):
    """Clients that never pause, each with prompts of its own that no cache can know."""
    firsts, tokens = [], 0
    began = time.monotonic()

    async def client(number):
        nonlocal tokens
        rng = random.Random(1000 + number)
        while time.monotonic() < began + options.steady:
            asked = time.monotonic()
            prompt = [rng.randrange(1000, 100000) for _ in range(32)]
            times, count = await stream(port, path, {**body, "prompt": prompt, "seed": rng.randrange(1 << 30)})
            firsts.append(times[0] - asked)
            tokens += count

    await asyncio.gather(*(client(number) for number in range(options.clients)))
    took = time.monotonic() - began
    firsts.sort()
    return {"steady": tokens / took, "steady_p50": firsts[len(firsts) // 2],
            "steady_p99": firsts[min(int(len(firsts) * 0.99), len(firsts) - 1)], "steady_requests": len(firsts)}


def all_measures(options, port, body, prompts):
    path = "/v1/completions"
    bodies = [{**body, "prompt": prompt, "seed": i} for i, prompt in enumerate(prompts)]
    asyncio.run(measure(port, path, [{**bodies[0], "max_tokens": 2, "prompt": [1, 2, 3]}]))
    found = asyncio.run(measure(port, path, bodies))
    if options.steady:
        found |= asyncio.run(steady(port, path, body, options))
    return found


def tina(options, prompts):
    with Server(options.model, "--adapter", "x=" + options.adapter, "--quiet", "--threads", str(options.threads),
                "--context", "2048", tina=options.tina) as server:
        body = {"model": "x", "max_tokens": options.tokens, "temperature": 1, "stream": True, "logprobs": 0,
                "stream_options": {"include_usage": True}}
        return all_measures(options, server.port, body, prompts)


def llama(options, prompts):
    port = 18431
    process = subprocess.Popen(
        [options.llama_server, "-m", options.gguf, "--lora", options.lora, "--port", str(port), "-t",
         str(options.threads), "-np", str(options.clients), "-c", str(2048 * options.clients), "--no-warmup"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
                break
            except OSError:
                time.sleep(0.1)
        body = {"max_tokens": options.tokens, "temperature": 1, "stream": True, "ignore_eos": True,
                "cache_prompt": False, "stream_options": {"include_usage": True}}
        return all_measures(options, port, body, prompts)
    finally:
        process.terminate()
        process.wait()


def decoding(options, command):
    """A program's own benchmark of as many streams."""
    what = f"decode{options.clients}+adapter"
    command = [*command, "--only", what, "--threads", str(options.threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"decode": json.loads(result.stdout)[what]}


def engine(options):
    program = find_program(options.tina)
    return decoding(options, [program, "bench", options.model, "--adapter", options.adapter, "--peers", "--json"])


def llama_engine(options):
    return decoding(options, [options.llama_python, ROOT + "/Benchmarks/peers/llama.py", options.gguf, options.lora])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("adapter")
    options.add_argument("--tina", help="the program; the built one unless given")
    options.add_argument("--llama-server")
    options.add_argument("--llama-python")
    options.add_argument("--gguf")
    options.add_argument("--lora")
    options.add_argument("--clients", type=int, default=8, choices=[1, 8, 16])
    options.add_argument("--tokens", type=int, default=32)
    options.add_argument("--steady", type=float, default=0, help="seconds; none unless given")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options = options.parse_args()
    rng = random.Random(3)
    prompts = [[rng.randrange(1000, 100000) for _ in range(32)] for _ in range(options.clients)]
    for number in range(options.rounds):
        programs = [("server", lambda: tina(options, prompts)), ("engine", lambda: engine(options))]
        if options.llama_server:
            programs.append(("llama-server", lambda: llama(options, prompts)))
        if options.llama_python:
            programs.append(("llama.cpp", lambda: llama_engine(options)))
        found = {}
        for name, run in programs:
            found[name] = run()
            rounded = {key: round(value, 3) for key, value in found[name].items()}
            print(f"round {number + 1}: {name}:", rounded, flush=True)
        ratio = lambda other, what="decode": found["server"][what] / found[other][what]
        print(f"round {number + 1}: server to engine {ratio('engine'):.3f}", end="")
        if "llama.cpp" in found:
            print(f", to llama.cpp's engine {ratio('llama.cpp'):.2f}", end="")
        if "llama-server" in found:
            print(f", server to llama-server {ratio('llama-server'):.2f} decoding,"
                  f" {ratio('llama-server', 'all'):.2f} altogether", end="")
        print(flush=True)


if __name__ == "__main__":
    main()
