"""Blocks and index of a file to be written (sections 7, 8 and 12 of the format)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from . import _exact
from ._directory import Entry, Tensor
from ._elements import Words, as_bytes
from ._file import workers
from ._header import HEADER, SIGNATURE, sha256
from ._json import dump
from ._zstd import compress

# A block ends at so many elements: small tensors share tables, large ones stay alone.
EXACT_SIZE = 1 << 16
PREDICTED_SIZE = 1 << 19
_LEAST_STRETCH = 16384


@dataclass
class Plan:
    """A block: its tensors, and what their words are differences from."""

    tensors: list[int]
    predictor: int
    size: int = 0


@dataclass
class Made:
    """An encoded block."""

    plan: Plan
    element: int
    arrangement: int
    streams: list[tuple[int, bytes | memoryview]]

    @property
    def in_place(self) -> bool:
        return self.arrangement == 0 and self.streams[0][0] == 0


def plan(entries: Sequence[Entry], tensors: list[Tensor], predictors: Sequence[int], plain: bool) -> list[Plan]:
    """Assigns tensors to blocks, and writes the blocks' numbers into the tensors."""
    blocks: list[Plan] = []
    still_open: dict[tuple[int, int, int], int] = {}
    for number, tensor in enumerate(tensors):
        side = tensor.position if entries[tensor.entry].kind <= 3 else 2
        key = tensor.element.code, side, predictors[number]
        if key not in still_open:
            still_open[key] = len(blocks)
            blocks.append(Plan([], predictors[number]))
        tensor.block = still_open[key]
        block = blocks[tensor.block]
        block.tensors.append(number)
        block.size += tensor.count
        limit = PREDICTED_SIZE if block.predictor else EXACT_SIZE
        if plain or tensor.element.bits < 8 or block.size >= limit:
            del still_open[key]
    return blocks


def encode(
    block: Plan, tensors: Sequence[Tensor], words: Sequence[Words], predicted: Sequence[Words | None], plain: bool
) -> Made:
    """The streams of a block."""
    element = tensors[block.tensors[0]].element
    parts = [words[i] for i in block.tensors]
    if plain or element.bits < 8:
        return Made(block, element.code, 0, [(0, as_bytes(parts[0]))])
    cuts: list[int] = []
    starts, at = [], 0
    for part in parts:
        if part.size:
            starts.append(at)
        at += part.size
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if block.predictor:
        expected = np.concatenate([its for i in block.tensors if (its := predicted[i]) is not None])
        planes, starts = _exact.subtract_predicted(joined, element, expected)
    else:
        planes = _exact.split(joined, element)
    for start in starts:
        if start - (cuts[-1] if cuts else 0) >= _LEAST_STRETCH:
            cuts.append(start)
    streams: list[tuple[int, bytes | memoryview]] = []
    for plane in planes.reshape(element.width, -1):
        raw = as_bytes(plane)
        frame = compress(raw, False, tuple(cuts)) if len(raw) else None
        streams.append((1, frame) if frame is not None else (0, raw))
    return Made(block, element.code, 1, streams)


def encode_all(
    blocks: list[Plan], tensors: Sequence[Tensor], words: Sequence[Words], predicted: Sequence[Words | None],
    plain: bool,
) -> list[Made]:  # fmt: skip
    with ThreadPoolExecutor(workers()) as pool:
        return list(pool.map(lambda block: encode(block, tensors, words, predicted, plain), blocks))


def assemble(
    meta: bytes, base: bytes | None, head: tuple[int, bytes, bytes], entries: Sequence[Entry],
    tensors: Sequence[Tensor], blocks: Sequence[Made],
) -> tuple[bytes, list[int]]:  # fmt: skip
    """The index, and where the blocks begin. ``head``: seed, content digest, parent's digest."""
    fixed = _entries(entries) + _tensors(tensors) + _blocks(blocks)
    length = 0
    for attempt in range(8):
        begins, end = _places(blocks, length)
        seed, content, parent = head
        directory = struct.pack(
            "<IIIIQ8x32s32s16xQIffI", 1, len(entries), len(tensors), len(blocks), seed, content, parent, end, 0, 0, 0, 0
        )
        sections = [(b"META", meta, True)]
        sections += [(b"BASE", base, False)] if base is not None else []
        # Compressed, the directory may change its length with the ends that it states: in the end it is stored.
        sections.append((b"TDIR", directory + fixed, attempt < 6))
        index = _index(sections, end)
        if len(index) == length:
            return index, begins
        length = len(index)
    raise AssertionError("the index does not come to rest")


def _places(blocks: Sequence[Made], at: int) -> tuple[list[int], int]:
    begins = []
    for block in blocks:
        begins.append(-(-at // 64) * 64 if block.in_place else at)
        at = begins[-1] + sum(len(data) for _, data in block.streams)
    return begins, at


def _entries(entries: Sequence[Entry]) -> bytes:
    out = bytearray()
    for entry in entries:
        texts = [text.encode() for text in (entry.module, entry.path, entry.parameter)]
        attributes = dump(entry.attributes).encode() if entry.attributes else b""
        out += struct.pack("<BBBB", entry.kind, entry.origin, int(entry.alpha is not None), entry.count)
        out += entry.scale_bytes + struct.pack("<d", entry.alpha if entry.alpha is not None else 0.0)
        out += struct.pack("<HHHHI", *map(len, texts), 0, len(attributes))
        out += struct.pack(f"<{len(entry.errors)}f", *entry.errors) + b"".join(texts) + attributes
    return bytes(out)


def _tensors(tensors: Sequence[Tensor]) -> bytes:
    out = bytearray()
    for tensor in tensors:
        out += struct.pack("<BBHI", tensor.element.code, len(tensor.shape), 0, tensor.block)
        out += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
    return bytes(out)


def _blocks(blocks: Sequence[Made]) -> bytes:
    out = bytearray()
    for block in blocks:
        digest = hashlib.sha256()
        for _, data in block.streams:
            digest.update(data)
        out += struct.pack(
            "<BBBBB3xI16s", 0, block.element, block.arrangement, block.plan.predictor, len(block.streams), 0,
            digest.digest()[:16],
        )  # fmt: skip
        for codec, data in block.streams:
            out += struct.pack("<IQ", codec, len(data))
    return bytes(out)


def _index(sections: Sequence[tuple[bytes, bytes, bool]], file_length: int) -> bytes:
    table, body = bytearray(), bytearray()
    for name, data, compresses in sections:
        frame = compress(data, True) if compresses and data else None
        stored = data if frame is None else frame
        table += struct.pack("<4sIQQ8x32s", name, int(frame is not None), len(stored), len(data), sha256(stored))
        body += stored
    end = HEADER + len(table) + len(body)
    length = -(-end // 64) * 64
    head = struct.pack("<8sHHIQQ32s32x", SIGNATURE, 1, 0, len(sections), length, file_length, sha256(bytes(table)))
    return head + sha256(head) + bytes(table + body) + bytes(length - end)
