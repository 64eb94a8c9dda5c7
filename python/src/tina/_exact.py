"""Exact blocks: words, byte planes, predictors (sections 8.1, 8.3 and 8.4 of the format), both ways."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence

import numpy as np

from ._elements import ROTATED, SIGNED, Element, Words, narrowed

# Elements that are turned at once: what stays in the cache of a core.
CHUNK = 1 << 16


def unzigzag(words: Words) -> Words:
    one = words.dtype.type(1)
    out: Words = (words >> one) ^ (np.zeros_like(words) - (words & one))
    return out


def zigzag(words: Words) -> Words:
    one, top = words.dtype.type(1), words.dtype.type(8 * words.dtype.itemsize - 1)
    out: Words = (words << one) ^ (np.zeros_like(words) - (words >> top))
    return out


def _signs(words: Words) -> Words:
    """All bits where a word's top bit is set, else none."""
    bits = 8 * words.dtype.itemsize - 1
    out: Words = (words.view(f"<i{words.dtype.itemsize}") >> bits).view(words.dtype)
    return out


def to_order(words: Words) -> Words:
    mask = _signs(words)
    mask |= words.dtype.type(1 << (8 * words.dtype.itemsize - 1))
    mask ^= words
    return mask


def from_order(words: Words) -> Words:
    mask = ~_signs(words)
    mask |= words.dtype.type(1 << (8 * words.dtype.itemsize - 1))
    mask ^= words
    return mask


def join(planes: Sequence[Words], element: Element, out: Words) -> None:
    """Puts byte planes together and undoes the turn of the words."""
    width, bits = element.width, element.bits
    if width == 1:
        out[:] = unzigzag(planes[0]) if element.name in SIGNED else planes[0]
        return
    rotated, signed = element.name in ROTATED, element.name in SIGNED
    one, top = out.dtype.type(1), out.dtype.type(bits - 1)
    buffer = np.empty((CHUNK, width), np.uint8)
    for start in range(0, out.size, CHUNK):
        part = out[start : start + CHUNK]
        target = buffer[: part.size] if rotated or signed else part.view(np.uint8).reshape(-1, width)
        for j in range(width):
            target[:, j] = planes[j][start : start + part.size]
        if rotated:
            words = target.view(out.dtype).reshape(-1)
            np.right_shift(words, one, out=part)
            np.left_shift(words, top, out=words)
            np.bitwise_or(part, words, out=part)
        elif signed:
            part[:] = unzigzag(target.view(out.dtype).reshape(-1))


def split(words: Words, element: Element) -> Words:
    """The planes of words, one a row."""
    if element.name in ROTATED:
        words = (words << words.dtype.type(1)) | (words >> words.dtype.type(element.bits - 1))
    elif element.name in SIGNED:
        words = zigzag(words)
    return planes_of(words)


def planes_of(words: Words) -> Words:
    return np.ascontiguousarray(np.ascontiguousarray(words).view(np.uint8).reshape(words.size, words.itemsize).T)


def exponents(predicted: Words, element: Element) -> Words:
    shift, mask = {"F32": (23, 0xFF), "BF16": (7, 0xFF), "F16": (10, 0x1F)}[element.name]
    field: Words = (predicted >> predicted.dtype.type(shift)) & predicted.dtype.type(mask)
    return field.astype(np.uint8)


def add_predicted(planes: Sequence[Words], element: Element, predicted: Words) -> Words:
    """The words of a block whose differences stand by the exponents of the predicted words."""
    differences = np.empty(predicted.size, element.word)
    view = differences.view(np.uint8).reshape(-1, element.width)
    for j in range(element.width):
        view[:, j] = planes[j]
    # Back to the elements' own order; everything else needs no order.
    words = np.empty(predicted.size, element.word)
    words[np.argsort(exponents(predicted, element), kind="stable")] = unzigzag(differences)
    words += to_order(predicted)
    return from_order(words)


def subtract_predicted(words: Words, element: Element, predicted: Words) -> tuple[Words, list[int]]:
    """Planes of the differences, and where the stretches of the exponents begin."""
    exponent = exponents(predicted, element)
    order = np.argsort(exponent, kind="stable")
    differences = zigzag(to_order(words[order]) - to_order(predicted[order]))
    counts = np.bincount(exponent, minlength=256)
    starts = np.concatenate([[0], np.cumsum(counts[counts > 0])])[:-1]
    return planes_of(differences), [int(start) for start in starts]


def seeded(seed: int, module: str, shape: tuple[int, ...], element: Element) -> Words:
    """The words of the A that a seed gives a module, in row-major order."""
    count = shape[0] * shape[1]
    group = np.arange(-(-count // 4), dtype=np.uint64)
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    h0, h1 = struct.unpack("<II", hashlib.sha256(module.encode()).digest()[:8])
    c0, c1, c2, c3 = group & low, group >> shift, np.full_like(group, h0), np.full_like(group, h1)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        first, second = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (second >> shift) ^ c1 ^ np.uint64(k0), second & low
        c2, c3 = (first >> shift) ^ c3 ^ np.uint64(k1), first & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    v = (np.stack([c0, c1, c2, c3], 1).reshape(-1)[:count] >> np.uint64(8)).astype(np.float64)
    bound = np.float32(1 / math.sqrt(shape[1]))
    p = ((v * 2.0**-23 - 1).astype("<f4") * bound).astype("<f4")
    if element.name == "F32":
        return p.view("<u4")
    return p.astype("<f2").view("<u2") if element.name == "F16" else narrowed(p)
