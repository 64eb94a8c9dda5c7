"""Integer pairs and their refinements (section 8.2 of the format)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ._directory import Block, Directory
from ._elements import Words
from ._errors import TinaError, need

Streams = Callable[[int], list[Words]]


def decode(directory: Directory, number: int, streams: Streams, layers: int) -> dict[int, Words]:
    """The F32 words of each tensor of a block, by number of the tensor."""
    block, place = directory.blocks[number], f"block {number}"
    parts = streams(number)
    tiers = None
    if block.arrangement == 1:
        tiers = parts[-2]
        need(not tiers.size or tiers.max() <= 15, "tier", place, "a tier above 15")
    scales = parts[-1].view("<f4")
    normal = np.isfinite(scales) & (scales >= np.float32(2.0**-126))
    need((normal | (scales.view("<u4") == 0)).all(), "scale", place, "a scale that is neither normal nor zero")
    symbols = _first_layer(block, parts)
    for layer, refinement in enumerate(block.refinements, 1):
        bits = directory.layers[layer].bits
        if layer >= layers:
            symbols <<= bits
        else:
            _refine(symbols, bits, streams(refinement)[0], f"block {refinement}")
    return _floats(block, symbols, tiers, scales)


def _first_layer(block: Block, parts: Sequence[Words]) -> Words:
    assert block.element is not None
    width = block.element.width
    if block.arrangement == 0:
        return parts[0].view(f"<i{width}").astype(np.int32)
    z = parts[0].astype(np.int32)
    if width == 2:
        z |= parts[1].astype(np.int32) << 8
    return (z >> 1) ^ -(z & 1)


def _refine(symbols: Words, bits: int, stream: Words, place: str) -> None:
    flags = np.unpackbits(stream, bitorder="little")
    used = bits * symbols.size
    if flags[used:].any():
        raise TinaError("padding", place, "unused bits that are not zero")
    rows = flags[:used].reshape(-1, bits)
    u = rows[:, 0].copy()
    for j in range(1, bits):
        u |= rows[:, j] << np.uint8(j)
    symbols <<= bits
    symbols += u
    symbols -= 1 << (bits - 1)


def _floats(block: Block, symbols: Words, tiers: Words | None, scales: Words) -> dict[int, Words]:
    lengths: list[int] = []
    for rank, inner, outer in block.pairs:
        lengths += [inner] * rank + [outer] * rank
    order = range(len(lengths)) if tiers is None else np.argsort(tiers, kind="stable").tolist()
    starts, at = [0] * len(lengths), 0
    for row in order:
        starts[row] = at
        at += lengths[row]
    out: dict[int, Words] = {}
    row = component = 0
    for (rank, inner, outer), first in zip(block.pairs, block.tensors[::2], strict=True):
        a, b = np.empty((rank, inner), "<f4"), np.empty((outer, rank), "<f4")
        for c in range(rank):
            g = scales[component + c]
            h = np.float32(2.0 ** ((math.frexp(float(g))[1] - 1) // 2)) if g else np.float32(1)
            a[c] = symbols[starts[row + c] :][:inner] * h
            b[:, c] = symbols[starts[row + rank + c] :][:outer] * (g / h)
        out[first], out[first + 1] = a.reshape(-1).view("<u4"), b.reshape(-1).view("<u4")
        row, component = row + 2 * rank, component + rank
    return out
