#!/usr/bin/env python3
"""The seeded initial A of spec/tina-format.md section 8.3, from the text and numpy alone.

  seeded_a.py SEED MODULE RANK IN    prints the words as F32, row by row

"""
import hashlib
import sys

import numpy as np


def philox4x32(counter, key):
    c, k = [int(x) for x in counter], [int(x) for x in key]
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [second >> 32 ^ c[1] ^ k[0], second & 0xFFFFFFFF, first >> 32 ^ c[3] ^ k[1], first & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


# Known answers of Random123 (kat_vectors: philox4x32 10).
assert philox4x32([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox4x32([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def seeded_a(seed, module, rank, columns):
    digest = hashlib.sha256(module.encode()).digest()
    h = [int.from_bytes(digest[i : i + 4], "little") for i in (0, 4)]
    bound = np.float32(1 / np.sqrt(np.float64(columns)))
    out = []
    for i in range(rank * columns):
        n = i // 4
        block = philox4x32([n & 0xFFFFFFFF, n >> 32, *h], [seed & 0xFFFFFFFF, seed >> 32])
        out.append((np.float32(block[i % 4] >> 8) * np.float32(2.0**-23) - np.float32(1)) * bound)
    return np.array(out, np.float32)


if __name__ == "__main__":
    seed, module, rank, columns = int(sys.argv[1], 0), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    print(", ".join(f"0x{int(x.view(np.uint32)):08x}" for x in seeded_a(seed, module, rank, columns)))
