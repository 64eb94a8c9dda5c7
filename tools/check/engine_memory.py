"""Feeds 10,000 requests through one engine with a small cache and watches its memory.

    python tools/check/engine_memory.py .build/release/tina Models/pico [REQUESTS]

Prompts, lengths and adapters differ from request to request. The process's anonymous memory after the first fifth and
at the end may differ by at most 8 MiB. Needs Linux and nothing but Python.
"""

import json
import random
import subprocess
import sys
import tempfile

from programs import memory

SLACK = 8 << 10  # KiB


def main():
    tina, model = sys.argv[1], sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
    random.seed(7)
    adapters = [None, f"{model}/adapter", f"{model}/adapter@0.5"]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for i in range(count):
            terms = " + ".join(str(random.randint(1, 99)) for _ in range(random.randint(2, 12)))
            line = {"prompt": f"What is {terms}?", "seed": i, "max_tokens": random.randint(1, 64)}
            adapter = random.choice(adapters)
            file.write(json.dumps(line | ({"adapter": adapter} if adapter else {})) + "\n")
        file.flush()
        command = [tina, "run", model, "--jsonl", file.name, "--cache-memory", "16"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        points, failures = {}, 0
        for done, line in enumerate(process.stdout, 1):
            failures += "error" in json.loads(line)
            if done % (count // 10) == 0 and done < count:
                points[done] = memory(process.pid)
                print(f"{done} requests: {points[done] / 1024:.1f} MiB", flush=True)
        code = process.wait()
    values = list(points.values())
    growth = max(values[2:]) - values[1]
    print(f"{count} requests, {failures} failed, exit {code}; growth after the first fifth {growth / 1024:.1f} MiB")
    sys.exit(0 if done == count and failures == code == 0 and growth <= SLACK else 1)


if __name__ == "__main__":
    main()
