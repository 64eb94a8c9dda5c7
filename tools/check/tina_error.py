#!/usr/bin/env python3
"""Compares the errors that a .tina file states with the true ones.

  tina_error.py FILE.tina SOURCE.safetensors

The file is read by the package in python/, the source by numpy; nothing of Tina's own program is used. For every
module and every number of layers: ||dW - dW'|| / ||dW||, with dW = B A formed in full in double precision.
Fails if a stated error is more than 1 % off, or a module of the source is missing.
"""
import json
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "src"))
import tina


def safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + x for x in entry["data_offsets"])
        raw = data[begin:end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
        out[name] = values.astype(np.float64).reshape(entry["shape"])
    return out


def main(path, source):
    count = len(tina.info(path).layers)
    files = [tina.TinaFile(path, layers) for layers in range(1, count + 1)]
    words = [file.words(file.tensor_numbers()) for file in files]
    entries = files[0].directory.entries
    tensors = safetensors(source)
    worst = 0.0
    for entry in entries:
        if entry.kind != 1:
            continue
        names = [n for n in tensors if entry.path + ".lora_A." in n]
        assert len(names) == 1, f"{entry.path}: found {names}"
        a, b = tensors[names[0]], tensors[names[0].replace(".lora_A.", ".lora_B.")]
        true = b @ a
        for layers, stated in enumerate(entry.errors, 1):
            decoded = [
                words[layers - 1][entry.first + i].view("<f4").astype(np.float64).reshape(shape)
                for i, shape in ((0, a.shape), (1, b.shape))
            ]
            norm = np.linalg.norm(true)
            error = np.linalg.norm(decoded[1] @ decoded[0] - true) / norm if norm else 0.0
            off = abs(error - stated) / error if error else abs(stated)
            worst = max(worst, off)
            assert off <= 0.01, f"{entry.module}, {layers} layers: stated {stated}, true {error}"
    print(f"{path}: {len(entries)} entries, stated errors within {100 * worst:.3f} % of the true ones")


if __name__ == "__main__":
    main(*sys.argv[1:])
