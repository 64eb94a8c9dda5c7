#!/usr/bin/env python3
"""Loads and unloads adapters in a running `tina serve`, many times, and measures time and memory.

    tools/check/serve_adapters.py [--model DIR --adapter DIR] [--cycles 1000] [--tina PROGRAM]

Pico and its adapter unless named. Prints the parts of a load as the server tells them, how long a swap takes while
answers are being made, and memory before and after. Needs nothing but Python.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import threading

from programs import PICO, Server, memory



class Connection:
    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port)

    def post(self, path, body):
        self.http.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        reply = self.http.getresponse()
        text = reply.read().decode()
        assert reply.status == 200, text
        timing = reply.headers.get("Server-Timing", "")
        return text, {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.e-]+)", timing)}


def resident(server):
    return tuple(memory(server.process.pid, kind) >> 10 for kind in ("RssAnon", "RssFile"))


def told(name, times):
    for part in ("open", "attach", "swap"):
        values = sorted(time[part] for time in times)
        print(f"{name}: {part} {statistics.median(values):.3f} ms median, {values[-1]:.3f} ms most, of {len(values)}")
    total = sorted(sum(time.values()) for time in times)
    print(f"{name}: together {statistics.median(total):.1f} ms median, {total[-1]:.1f} ms most")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    options.add_argument("--model", default=PICO)
    options.add_argument("--adapter", default=PICO + "/adapter")
    options.add_argument("--cycles", type=int, default=1000)
    options.add_argument("--busy", type=int, default=20, help="loads beside answers in the making")
    options = options.parse_args()
    folder, name = os.path.split(os.path.abspath(options.adapter))
    load = {"lora_name": "x", "lora_path": name}
    with Server(options.model, "--name", "base", "--adapter-dir", folder, "--quiet", tina=options.tina) as server:
        client = Connection(server.port)

        def cycle(count):
            times = []
            for i in range(count):
                times.append(client.post("/v1/load_lora_adapter", load)[1])
                if i % 100 == 0:
                    client.post("/v1/completions", {"model": "x", "prompt": "1", "max_tokens": 2})
                client.post("/v1/unload_lora_adapter", {"lora_name": "x"})
            return times

        cycle(max(options.cycles // 10, 2))
        before = resident(server)
        told("idle", cycle(options.cycles))
        after = resident(server)
        print(f"{options.cycles} cycles: private memory {before[0]} to {after[0]} MiB, "
              f"mapped {before[1]} to {after[1]} MiB")
        assert after[0] <= before[0] * 1.1 + 8, "memory grew"

        client.post("/v1/load_lora_adapter", load)
        left = threading.Event()

        def ask():
            own = Connection(server.port)
            while not left.is_set():
                own.post("/v1/completions", {"model": "x", "prompt": "1", "max_tokens": 30, "temperature": 2})

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for thread in clients:
            thread.start()
        times = [client.post("/v1/load_lora_adapter", {**load, "load_inplace": True})[1] for _ in range(options.busy)]
        left.set()
        for thread in clients:
            thread.join()
        told("in place, beside answers", times)
        assert max(time["swap"] for time in times) < 1, "a swap took longer than a millisecond"


if __name__ == "__main__":
    main()
