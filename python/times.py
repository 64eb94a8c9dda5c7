"""Times of reading an adapter of 37 million parameters, beside safetensors.

    python3 python/times.py [ROUNDS]      needs the package, and safetensors

Medians over the rounds, all ways in turns; everything is in the system's cache. The time of processors tells more than
the clock where other programs run.
"""

import gc
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "src"))
import tina  # noqa: E402

SHAPES = {
    "self_attn.q_proj": (1536, 1536), "self_attn.k_proj": (1536, 256), "self_attn.v_proj": (1536, 256),
    "self_attn.o_proj": (1536, 1536), "mlp.gate_proj": (1536, 8960), "mlp.up_proj": (1536, 8960),
    "mlp.down_proj": (8960, 1536),
}  # fmt: skip


def adapter():
    rng = np.random.default_rng(0)
    tensors = {}
    for i in range(28):
        for module, (inner, outer) in SHAPES.items():
            name = f"base_model.model.model.layers.{i}.{module}"
            tensors[name + ".lora_A.weight"] = rng.uniform(-1, 1, (32, inner)).astype("<f4") / np.float32(inner**0.5)
            tensors[name + ".lora_B.weight"] = rng.normal(0, 0.01, (outer, 32)).astype("<f4")
    return tensors


def first(tensors):
    """Touches every tensor."""
    return sum(float(value.reshape(-1)[0]) for value in tensors.values())


def all_of(tensors):
    return sum(float(value.sum()) for value in tensors.values())


def names(path):
    with safe_open(path, "np") as file:
        return len(list(file.keys()))


def main(rounds=9):
    tensors = adapter()
    size = sum(value.nbytes for value in tensors.values())
    config = {"peft_type": "LORA", "r": 32, "lora_alpha": 64}
    with tempfile.TemporaryDirectory() as folder:
        st, plain, exact, child = (os.path.join(folder, name) for name in ("a.safetensors", "plain", "exact", "child"))
        save_file(tensors, st)
        tina.save_file(tensors, plain, config, plain=True)
        tina.save_file(tensors, exact, config)
        tina.save_file({k: np.nextafter(v, np.float32(1)) for k, v in tensors.items()}, child, config, parent=plain)
        ways = {
            "safetensors, safe_open: names": lambda: names(st),
            "plain .tina, safe_open: names": lambda: len(tina.safe_open(plain).keys()),
            "safetensors, load_file": lambda: first(load_file(st)),
            "plain .tina, load_file": lambda: first(tina.load_file(plain)),
            "plain .tina, load_file(trust=True)": lambda: first(tina.load_file(plain, trust=True)),
            "exact .tina, load_file": lambda: first(tina.load_file(exact)),
            "safetensors, load_file and sum": lambda: all_of(load_file(st)),
            "plain .tina, load_file and sum": lambda: all_of(tina.load_file(plain)),
            "difference .tina, load_file": lambda: first(tina.load_file(child, parents=[plain])),
        }
        times = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, run in ways.items():
                gc.collect()
                start, busy = time.perf_counter(), time.process_time()
                run()
                if number:
                    times[way].append((time.perf_counter() - start, time.process_time() - busy))
        sizes = ", ".join(f"{pathlib.Path(p).name} {os.path.getsize(p) / 1e6:.0f} MB" for p in (plain, exact, child))
    print(f"{size / 4e6:.1f} million parameters, {size / 1e6:.0f} MB; {sizes}")
    for way, its in times.items():
        wall, busy = (statistics.median(column) for column in zip(*its))
        best = min(its)[0]
        print(f"{way:36} {wall * 1e3:7.1f} ms (best {best * 1e3:7.1f}), {busy * 1e3:7.1f} ms of processors,", end=" ")
        print(f"{size / busy / 1e6:7.0f} MB/s and processor")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
