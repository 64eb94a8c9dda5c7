"""Golden blocks for the quantisers: llama.cpp's own bytes, and what the gguf package reads from them.

usage: quantise.py LIBGGML OUT.safetensors

LIBGGML is libggml-base.so of a llama.cpp, such as the one inside the Python package llama-cpp-python. Writes
"values" (float32), for every type T "T/blocks" (bytes), and for those that gguf_base.py has not "T/values" (float32).
"""

import ctypes
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]


def values() -> np.ndarray:
    rng = np.random.default_rng(7)
    normal = rng.standard_normal((6, 256)) * 0.05
    heavy = rng.standard_normal((4, 256)) ** 3 * 0.01
    parts = [normal, heavy, heavy[:, ::-1] * 100]
    rounded = rng.standard_normal((4, 256)).astype(np.float32)
    parts.append((rounded.view(np.uint32) & 0xFFFF0000).view(np.float32))
    odd = np.zeros((8, 256))
    odd[1] = -0.0
    odd[2] = np.abs(normal[0])
    odd[3] = -np.abs(normal[1])
    odd[4] = 0.25
    odd[5, :64] = normal[2, :64]  # groups of zeros beside others
    odd[6] = normal[3] * 1e-20
    odd[7] = np.where(np.arange(256) % 2, 1, -1) * 0.5  # two extremes of one size
    parts.append(odd)
    return np.concatenate(parts).astype(np.float32)


def main() -> None:
    library, out = sys.argv[1:]
    ggml = ctypes.CDLL(library)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [
        ctypes.c_void_p
    ]
    x = values()
    tensors = {"values": x.reshape(-1)}
    for name in TYPES:
        kind = getattr(gguf.GGMLQuantizationType, name)
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = np.zeros(x.size // elements * size, np.uint8)
        ggml.ggml_quantize_chunk(int(kind), x.ctypes.data, blocks.ctypes.data, 0, x.shape[0], x.shape[1], None)
        tensors[name + "/blocks"] = blocks
        if name in ("Q4_1", "Q5_0", "Q5_1"):
            tensors[name + "/values"] = gguf.quants.dequantize(blocks.reshape(1, -1), kind).reshape(-1)
    save_file(tensors, out)


main()
