#!/usr/bin/env python3
"""What llama.cpp's own n-gram speculation gains on a model's own answers, beside its plain decoding.

  peer.py LLAMA_SERVER MODEL.gguf QUESTIONS.jsonl [--types ngram-simple,ngram-mod,ngram-cache] [--count 60]
          [--tokens 128]

One server without and one with each type; all answer a question before the next one comes, each time in another
order. Told are tokens a second of decoding as the servers report them, and the ratio with its 95 % interval over
questions. Whether the servers write the same texts is not looked at; the numbers of tokens are told.
"""
import argparse
import json
import os
import random
import socket
import subprocess
import time
import urllib.request

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("server")
parser.add_argument("model")
parser.add_argument("questions")
parser.add_argument("--types", default="ngram-simple,ngram-mod,ngram-cache")
parser.add_argument("--count", type=int, default=60)
parser.add_argument("--tokens", type=int, default=128)
parser.add_argument("--instruction", default="Think step by step.")
parser.add_argument("--threads", type=int, default=os.cpu_count())
a = parser.parse_args()


class Server:
    def __init__(self, kind):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.address, self.tokens, self.times, self.right, self.guessed = f"http://127.0.0.1:{port}", [], [], 0, 0
        flags = ["--spec-type", kind] if kind else []
        self.process = subprocess.Popen(
            [a.server, "-m", a.model, "--port", str(port), "-c", "2048", "-np", "1", "-t", str(a.threads), "-tb",
             str(a.threads), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                with urllib.request.urlopen(self.address + "/health"):
                    return
            except OSError:
                time.sleep(0.2)
        raise SystemExit(f"llama-server did not begin with {flags}")

    def answer(self, question):
        body = dict(messages=[dict(role="user", content=question + "\n" + a.instruction)], max_tokens=a.tokens,
                    temperature=0.6, top_p=0.95, top_k=0, min_p=0, seed=1)
        request = urllib.request.Request(self.address + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            timings = json.load(reply)["timings"]
        self.tokens.append(timings["predicted_n"])
        self.times.append(timings["predicted_ms"] / 1000)
        self.guessed += timings.get("draft_n", 0)
        self.right += timings.get("draft_n_accepted", 0)


def rate(server, chosen):
    return sum(server.tokens[i] for i in chosen) / sum(server.times[i] for i in chosen)


servers = {}
try:
    for kind in ["", *a.types.split(",")]:
        servers[kind] = Server(kind)
    with open(a.questions) as file:
        questions = [json.loads(line)["question"] for line in file][: a.count]
    for server in servers.values():  # warm
        server.answer(questions[0])
        server.tokens, server.times, server.right, server.guessed = [], [], 0, 0
    for i, question in enumerate(questions):
        order = list(servers.values())
        for server in order[i % len(order):] + order[:i % len(order)]:
            server.answer(question)
finally:
    for server in servers.values():
        server.process.terminate()
every = range(len(questions))
plain = servers.pop("")
print(f"plain: {rate(plain, every):.1f} tok/s, {sum(plain.tokens)} tokens of {len(questions)} answers")
for kind, server in servers.items():
    picks = [random.choices(every, k=len(every)) for _ in range(2000)]
    ratios = sorted(rate(server, p) / rate(plain, p) for p in picks)
    print(f"{kind}: {rate(server, every):.1f} tok/s, {sum(server.tokens)} tokens = "
          f"{rate(server, every) / rate(plain, every):.3f} (95 %: {ratios[50]:.3f} to {ratios[1949]:.3f}); "
          f"{server.right} of {server.guessed} guesses right")
