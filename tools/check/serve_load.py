#!/usr/bin/env python3
"""Puts `tina serve` under load by good, rude and slow clients, then stops it in the middle.

    tools/check/serve_load.py [--minutes 5] [--clients 64] [--hostile 0] [--tina PROGRAM]

Serves Pico with adapters. First every question is answered alone; under load the same questions must get the same
answers, byte for byte, streamed or not, whoever else is there. Memory and open files must stay as they are, nothing
may be left running, and SIGTERM must let what has begun finish. Needs nothing but Python.

`--hostile N` puts N hostile clients beside them (hostile_clients.py says what they do). Then `/health` must answer
within 100 ms in 99 of 100 cases as well.

A machine that was suspended, or whose processes were stopped, comes back to deadlines that are over: connections that
break right after that are counted apart, and the time is made up for. Wrong answers are wrong all the same.
"""

import argparse
import asyncio
import collections
import json
import random
import time

from hostile_clients import Attack
from programs import PICO, Server

MODELS = ["pico", "math", "half", "math@0.25"]


class Client:
    """One connection's worth of HTTP, by hand: what is sent and read is chosen byte by byte."""

    def __init__(self, port):
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    def send(self, method, path, body=None, extra=""):
        body = b"" if body is None else json.dumps(body).encode()
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def head(self):
        status = int((await self.reader.readline()).split()[1])
        headers = {}
        while (line := (await self.reader.readline()).strip()):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers

    async def reply(self):
        status, headers = await self.head()
        body = await self.reader.readexactly(int(headers["content-length"]))
        return status, json.loads(body) if "json" in headers["content-type"] else body.decode()

    async def events(self, pause=0.0):
        """The events of a stream, and the end of its chunks."""
        held = b""
        while (size := int(await self.reader.readline(), 16)):
            held += (await self.reader.readexactly(size + 2))[:-2]
            while b"\n\n" in held:
                event, held = held.split(b"\n\n", 1)
                yield event.removeprefix(b"data: ")
            if pause:
                await asyncio.sleep(pause)
        await self.reader.readline()


def text_of(choices):
    return [(c["message"]["reasoning_content"] or "", c["message"]["content"], c["finish_reason"]) for c in choices]


async def whole(port, question):
    async with Client(port) as client:
        client.send("POST", "/v1/chat/completions", question)
        status, reply = await client.reply()
        return status, text_of(reply["choices"]) if status == 200 else reply


async def streamed(port, question, pause=0.0, times=None):
    async with Client(port) as client:
        began = time.monotonic()
        client.send("POST", "/v1/chat/completions", {**question, "stream": True})
        status, headers = await client.head()
        if status != 200:
            return status, await client.reader.readexactly(int(headers["content-length"]))
        parts = [["", "", None] for _ in range(question.get("n", 1))]
        done = False
        async for event in client.events(pause):
            if event == b"[DONE]":
                done = True
                continue
            chunk = json.loads(event)
            assert "error" not in chunk, chunk
            for choice in chunk["choices"]:
                part, delta = parts[choice["index"]], choice["delta"]
                if times is not None and (delta.get("reasoning_content") or delta.get("content")):
                    times.append(time.monotonic() - began)
                    times = None
                part[0] += delta.get("reasoning_content") or ""
                part[1] += delta.get("content") or ""
                part[2] = choice["finish_reason"] or part[2]
        assert done, "a stream ended without [DONE]"
        return status, [tuple(part) for part in parts]


def questions(count, rng):
    asked = []
    for i in range(count):
        a, b, c = (rng.randint(2, 20) for _ in range(3))
        text = f"What is {a} + {b} * {c}?"
        if i % 5 == 0:  # a beginning that many share, longer than a page
            text = "Do this step by step and be careful with every single number that you write. " * 2 + text
        asked.append({
            "model": MODELS[i % len(MODELS)], "messages": [{"role": "user", "content": text}], "seed": i,
            "temperature": rng.choice([0, 0.6, 1, 2]), "n": rng.choice([1, 1, 1, 2, 4]),
            "max_tokens": rng.choice([8, 60, 200])})
    return asked


class Load:
    def __init__(self, server, asked, answers):
        self.server, self.asked, self.answers = server, asked, answers
        self.counts = collections.Counter()
        self.times = []
        self.wrong = []
        self.tick = self.resumed = time.monotonic()
        self.stopped = 0.0  # seconds

    async def watch(self):
        """Notices when everything stood still."""
        while True:
            self.note_stop()
            await asyncio.sleep(0.2)

    def note_stop(self):
        now = time.monotonic()
        if now - self.tick > 5:
            self.resumed = now
            self.stopped += now - self.tick
        self.tick = now

    def compare(self, kind, index, status, found):
        self.counts[f"{kind} {status}"] += 1
        if status != 200 or found != self.answers[index]:
            self.wrong.append((kind, index, status, found))

    async def good(self, rng):
        index = rng.randrange(len(self.asked))
        if rng.random() < 0.4:
            self.compare("whole", index, *await whole(self.server.port, self.asked[index]))
        else:
            self.compare("stream", index, *await streamed(self.server.port, self.asked[index], times=self.times))

    async def slow(self, rng):
        index = rng.randrange(len(self.asked))
        self.compare("slow stream", index, *await streamed(self.server.port, self.asked[index], pause=0.02))

    async def leaver(self, rng):
        question = {**rng.choice(self.asked), "n": 8, "temperature": 2, "max_tokens": 500}
        async with Client(self.server.port) as client:
            if rng.random() < 0.5:
                client.send("POST", "/v1/chat/completions", question)
                await asyncio.sleep(rng.random() * 0.05)
            else:
                client.send("POST", "/v1/chat/completions", {**question, "stream": True})
                await client.head()
                async for _ in client.events():
                    if rng.random() < 0.1:
                        break
            if rng.random() < 0.5:
                client.writer.transport.abort()  # a reset instead of a farewell
        self.counts["left"] += 1

    async def malformed(self, rng):
        kind = rng.randrange(5)
        async with Client(self.server.port) as client:
            if kind == 0:
                client.writer.write(rng.randbytes(rng.randint(1, 400)) + b"\r\n\r\n")
                await client.reader.read(1000)
                self.counts["noise"] += 1
                return
            if kind == 1:
                body = bytearray(json.dumps(rng.choice(self.asked)).encode())
                body[rng.randrange(len(body))] = rng.randrange(1, 32)  # never legal in JSON's text
                client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                                    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                status, _ = await client.reply()
                # A line's end or a tab between two tokens is as good as the blank that stood there.
                if status not in (200, 400):
                    self.wrong.append(("bad JSON", status))
            elif kind == 2:
                client.send("POST", "/v1/chat/completions", {**rng.choice(self.asked), "temprature": 1})
                status, reply = await client.reply()
                if (status, reply["error"]["param"]) != (400, "temprature"):
                    self.wrong.append(("unknown field", status, reply))
            elif kind == 3:
                client.send("POST", "/v1/chat/completions", {**rng.choice(self.asked), "model": "nobody"})
                status, _ = await client.reply()
                if status != 404:
                    self.wrong.append(("unknown model", status))
            else:
                client.writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le")  # and no more
                await asyncio.sleep(rng.random() * 0.2)
        self.counts["malformed"] += 1

    async def oversized(self, rng):
        async with Client(self.server.port) as client:
            client.writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                                b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(100):
                    client.writer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                    await client.writer.drain()
            except ConnectionError:
                pass
            try:
                status, _ = await client.reply()
                if status != 413:
                    self.wrong.append(("oversized", status))
            except (ConnectionError, asyncio.IncompleteReadError, IndexError):
                self.counts["oversized, cut"] += 1
        self.counts["oversized"] += 1

    async def adapters(self, rng):
        """Loads, uses and unloads an adapter of its own, in the middle of everything."""
        name = f"own-{rng.randrange(1 << 30)}"
        async with Client(self.server.port) as client:
            client.send("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": "adapter"})
            status, _ = await client.reply()
            index = next(i for i, q in enumerate(self.asked) if q["model"] == "math")
            client.send("POST", "/v1/chat/completions", {**self.asked[index], "model": name})
            status, reply = await client.reply()
            self.compare("own adapter", index, status, text_of(reply["choices"]) if status == 200 else reply)
            client.send("POST", "/v1/unload_lora_adapter", {"lora_name": name})
            status, _ = await client.reply()
            if status != 200:
                self.wrong.append(("unload", status))

    async def client(self, number, until):
        rng = random.Random(number)
        kinds = [self.good] * 12 + [self.slow] * 2 + [self.leaver] * 3 + [self.malformed] * 2 + [
            self.oversized, self.adapters]
        while time.monotonic() < until + self.stopped and not self.wrong:
            try:
                await asyncio.wait_for(rng.choice(kinds)(rng), 60)  # longer is stuck
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, IndexError, ValueError):
                self.note_stop()
                if time.monotonic() - self.resumed > 30 or not self.stopped:
                    raise
                self.counts["broken by a stop of everything"] += 1


async def metrics(port):
    async with Client(port) as client:
        client.send("GET", "/metrics")
        _, text = await client.reply()
        return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line[0] != "#"}


async def settle(port):
    """Waits until nothing runs, which must be soon."""
    for _ in range(200):
        now = await metrics(port)
        names = ["tina_requests_running", "tina_requests_waiting", "tina_engine_running", "tina_engine_waiting"]
        if all(now[name] == 0 for name in names):
            return now
        await asyncio.sleep(0.05)
    raise AssertionError(f"still running: {now}")


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def is_healthy(port):
    try:
        async with Client(port) as client:
            client.send("GET", "/health")
            return (await client.reply())[0] == 200
    except (ConnectionError, IndexError, asyncio.IncompleteReadError):
        return False  # it listens no more


async def stop_in_the_middle(server, asked, answers):
    """Begins 48 answers, sends SIGTERM, and asks for more."""
    begun = asyncio.Semaphore(0)

    async def one(index):
        async with Client(server.port) as client:
            client.send("POST", "/v1/chat/completions", {**asked[index], "stream": True})
            status, _ = await client.head()
            begun.release()
            parts = [["", "", None] for _ in range(asked[index].get("n", 1))]
            done = False
            async for event in client.events(pause=0.005):
                if event == b"[DONE]":
                    done = True
                    continue
                for choice in json.loads(event)["choices"]:
                    part, delta = parts[choice["index"]], choice["delta"]
                    part[0] += delta.get("reasoning_content") or ""
                    part[1] += delta.get("content") or ""
                    part[2] = choice["finish_reason"] or part[2]
            return status == 200 and done and [tuple(part) for part in parts] == answers[index]

    tasks = [asyncio.create_task(one(i % len(asked))) for i in range(48)]
    for _ in range(48):
        await begun.acquire()
    server.terminate()
    noticed = time.monotonic()
    while await is_healthy(server.port):
        assert time.monotonic() < noticed + 10, "SIGTERM was not noticed in ten seconds"
        await asyncio.sleep(0.005)
    noticed = time.monotonic() - noticed
    refused = collections.Counter()
    for _ in range(10):
        try:
            refused[(await whole(server.port, asked[0]))[0]] += 1
        except (ConnectionError, IndexError, asyncio.IncompleteReadError):
            refused["closed"] += 1
    finished = await asyncio.gather(*tasks)
    code, _ = await asyncio.to_thread(server.wait)
    assert all(finished), f"{finished.count(False)} of {len(finished)} answers were cut off or wrong"
    assert set(refused) <= {503, "closed"}, refused
    assert code == 0, code
    print(f"SIGTERM under load: noticed after {noticed * 1e3:.0f} ms, {len(finished)} begun answers finished,"
          f" {dict(refused)} for new ones, exit {code}")


async def run(options):
    adapters = ["--adapter", f"math={PICO}/adapter", "--adapter", f"half={PICO}/adapter@0.5", "--adapter-dir", PICO]
    limits = ["--cache-memory", "24", "--send-timeout", "600", "--max-wait", "600"]
    with Server(PICO, *adapters, *limits, tina=options.tina) as server:
        rng = random.Random(1)
        asked = questions(160, rng)
        answers = []
        for question in asked:
            status, answer = await whole(server.port, question)
            assert status == 200, answer
            answers.append(answer)
        print(f"{len(asked)} questions answered one after another")

        seconds = options.minutes * 60
        load = Load(server, asked, answers)
        watch = asyncio.create_task(load.watch())
        attack = Attack(server.port, options.hostile) if options.hostile else None
        # A fifth of the time, so that every kind of client has been there before memory is compared.
        await asyncio.gather(*(load.client(i, time.monotonic() + seconds / 5) for i in range(options.clients)))
        if attack:
            await asyncio.to_thread(attack.end)
        await settle(server.port)
        before = server.memory(), server.descriptors()
        load.stopped = 0
        began = time.monotonic()
        load.times.clear()
        attack = Attack(server.port, options.hostile) if options.hostile else None
        await asyncio.gather(*(load.client(i + 1000, began + seconds) for i in range(options.clients)))
        assert not load.wrong, load.wrong[:3]
        seconds = time.monotonic() - began - load.stopped
        watch.cancel()
        if attack:
            sent, wrong, health = await asyncio.to_thread(attack.end)
            print(f"{options.hostile} hostile clients beside them:", dict(sorted(sent.items())))
            print(f"/health: p50 {percentile(health, .5) * 1e3:.0f} ms, p99 {percentile(health, .99) * 1e3:.0f} ms,"
                  f" longest {health[-1] * 1e3:.0f} ms of {len(health)}")
            assert not wrong, wrong[:3]
            assert percentile(health, .99) < 0.1, "/health was kept waiting"
        now = await settle(server.port)
        await asyncio.sleep(1)
        after = server.memory(), server.descriptors()
        print(f"{options.clients} clients for {seconds:.0f} s ({load.stopped:.0f} s of standing still apart):",
              dict(sorted(load.counts.items())))
        p50, p99 = (percentile(load.times, share) * 1e3 for share in (.5, .99))
        print(f"first token: p50 {p50:.0f} ms, p99 {p99:.0f} ms"
              f" over {len(load.times)} streams; {now['tina_requests_cancelled_total']:.0f} requests cancelled")
        print(f"memory {before[0] >> 20} MiB before, {after[0] >> 20} MiB after; open files {before[1]}, {after[1]}")
        assert after[0] < before[0] * 1.15 + (16 << 20), "memory grew"
        assert after[1] <= before[1] + 4, "files stayed open"
        await stop_in_the_middle(server, asked, answers)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--hostile", type=int, default=0, help="hostile clients beside them")
    asyncio.run(run(options.parse_args()))


if __name__ == "__main__":
    main()
