"""Hostile clients for serve_load.py, and a watch on `/health` beside them; each in processes of their own, so that they
do not slow down who measures.

What they send has frozen or filled servers: long runs of combining marks in every place that takes a text, bodies of
nothing but brackets, bodies whose sender leaves, prompts that hold a template's own marks, connections that say
nothing.
"""

import collections
import json
import multiprocessing
import random
import socket
import time

RUN = "\u0323\u0307"
MARKS = "A<｜Assistant｜>B<｜end▁of▁sentence｜><｜User｜>C<think></think>"
MEGABYTES = 4 << 20


def chat(content, role="user", **members):
    return {"model": "math", "messages": [{"role": role, "content": content}], "max_tokens": 4, **members}


def bodies(rng):
    """A path, a body, and the statuses that are right for it."""
    run = RUN * (rng.choice([1 << 10, 16 << 10, 256 << 10, MEGABYTES - 1000]) // 4)
    many = MEGABYTES - 1000
    choice = rng.randrange(12)
    if choice == 0:
        return "/v1/chat/completions", chat("a", role=run), [400]
    if choice == 1:
        return "/v1/chat/completions", chat(run), [200, 400, 429]
    if choice == 2:
        return "/v1/completions", {"model": run, "prompt": "a"}, [400, 404]
    if choice == 3:
        return "/tokenize", {"prompt": run}, [200]
    if choice == 4:
        return "/v1/chat/completions", chat("a", stop=[run]), [400]
    if choice == 5:
        return "/v1/chat/completions", {**chat("a"), run: 1}, [400]
    if choice == 6:
        return "/v1/completions", b'{"model":"pico","prompt":[' + b",".join([b'{"":0}'] * (many // 7)) + b"]}", [400]
    if choice == 7:
        return "/detokenize", b'{"tokens":[' + b",".join([b"1"] * (many // 2)) + b"]}", [200]
    if choice == 8:
        return "/tokenize", b'{"prompt":"' + b"a " * (many // 2) + b'"}', [200]
    if choice == 9:
        return "/v1/completions", b'{"prompt":' + b"[" * many, [400]
    if choice == 10:
        return "/v1/chat/completions", chat(MARKS * rng.randrange(1, 4)), [200, 400, 429]
    return "/v1/unload_lora_adapter", {"lora_name": run}, [400, 404]


def send(port, head, body=b"", leave=False):
    """The status of the answer; None for a client that leaves before it comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            client.sendall(head + body)
        except ConnectionError:
            pass  # refused before all of it was sent: the answer may be there all the same
        if leave:
            return None
        answer = client.recv(64)
        return int(answer.split()[1]) if answer else None


def headers(port, rng, counts):
    run = (RUN * (rng.choice([4 << 10, 70 << 10]) // 4)).encode()
    name = rng.choice([b"Host", b"Origin", b"Authorization", b"Expect", b"X"])
    head = b"GET /v1/models HTTP/1.1\r\n" + (b"" if name == b"Host" else b"Host: localhost\r\n")
    status = send(port, head + name + b": " + run + b"\r\nConnection: close\r\n\r\n")
    counts[f"header {status}"] += 1
    return status in [200, 403, 417, 431, None]


def silent(port, rng, counts):
    """Opens connections that say nothing, and holds them for a while."""
    held = []
    try:
        for _ in range(rng.randrange(50, 300)):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        time.sleep(rng.random())
    except OSError:
        pass
    counts["silent connections"] += len(held)
    for client in held:
        client.close()
    return True


def hostile(port, number, stop, results):
    rng = random.Random(number)
    counts = collections.Counter()
    wrong = []
    while not stop.is_set():
        try:
            kind = rng.random()
            if kind < 0.1:
                good = silent(port, rng, counts)
            elif kind < 0.25:
                good = headers(port, rng, counts)
            else:
                path, body, right = bodies(rng)
                body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
                head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode()
                status = send(port, head, body, leave=rng.random() < 0.3)
                counts[f"body {status}"] += 1
                good = status in right + [None, 413, 503]
            if not good:
                wrong.append(dict(counts))
        except OSError as error:
            counts[type(error).__name__] += 1
    results.put((counts, wrong))


def watch(port, stop, results):
    """Seconds that `/health` took, each on a connection of its own."""
    times = []
    while not stop.is_set():
        began = time.monotonic()
        status = send(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        times.append(time.monotonic() - began)
        if status != 200:
            times.append(float("inf"))
        time.sleep(0.02)
    results.put(times)


class Attack:
    """Hostile clients at work until ``end``."""

    def __init__(self, port, clients):
        context = multiprocessing.get_context("spawn")
        self.stop, self.results, self.times = context.Event(), context.Queue(), context.Queue()
        self.workers = [context.Process(target=hostile, args=(port, i, self.stop, self.results))
                        for i in range(clients)]
        self.watcher = context.Process(target=watch, args=(port, self.stop, self.times))
        for process in [*self.workers, self.watcher]:
            process.start()

    def end(self):
        """What was sent, what was answered wrongly, and the times of `/health`."""
        self.stop.set()
        counts, wrong = collections.Counter(), []
        for _ in self.workers:
            found, bad = self.results.get(timeout=180)
            counts += found
            wrong += bad
        times = self.times.get(timeout=180)
        for process in [*self.workers, self.watcher]:
            process.join()
        return counts, wrong, sorted(times)
