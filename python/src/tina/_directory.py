"""The directory: layers, entries, tensors and blocks (section 7 of the format)."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from . import _json
from ._elements import BY_CODE, F32, I64, PREDICTED, Element
from ._errors import TinaError, need
from ._header import MAXIMUM_FILE
from ._zstd import RATIO

LOW_RANK, CONVOLUTION, EMBEDDING, MAGNITUDE, PAIR_BIAS, BIAS, ROWS, FULL = range(1, 9)
KINDS = ("lowrank", "convolution", "embedding", "magnitude", "pair-bias", "bias", "rows", "full")
TENSORS_OF_KIND = {1: 2, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1, 7: 2, 8: 1}
MAXIMUM_ATTRIBUTES = 1 << 20
MAXIMUM_DECODED = 512 << 20


@dataclass(slots=True)
class Layer:
    """A quality layer: where it ends, its refinement bits, the errors up to it."""

    end: int
    bits: int
    worst_error: float
    total_error: float


@dataclass(slots=True)
class Tensor:
    """A decoded tensor's type and shape, and the block that holds it."""

    element: Element
    shape: tuple[int, ...]
    block: int
    entry: int
    position: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * self.element.bits // 8


@dataclass(slots=True)
class Entry:
    """One thing that the adapter does to one module."""

    kind: int
    origin: int
    scale: float
    alpha: float | None
    module: str
    path: str
    parameter: str
    attributes: dict[str, Any] | None
    errors: tuple[float, ...]
    first: int
    count: int
    scale_bytes: bytes = b""

    @property
    def tensor_names(self) -> list[str] | None:
        return (self.attributes or {}).get("tensor_names")

    @property
    def key(self) -> tuple[str, int, str]:
        return self.module, self.kind, self.parameter

    @property
    def order(self) -> tuple[int, bytes, int, bytes, bytes]:
        return depth(self.module), self.module.encode(), self.kind, self.path.encode(), self.parameter.encode()


@dataclass(slots=True)
class Block:
    """A piece of the data region."""

    form: int
    element: Element | None
    arrangement: int
    predictor: int
    target: int
    digest: bytes
    streams: list[tuple[int, int]]
    tensors: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    refinements: list[int] = field(default_factory=list)
    layer: int = 0
    gap: int = 0
    begin: int = 0
    end: int = 0

    @property
    def in_place(self) -> bool:
        return self.form != 2 and self.arrangement == 0 and self.streams[0][0] == 0

    @property
    def symbols(self) -> int:
        return sum(rank * (inner + outer) for rank, inner, outer in self.pairs)


_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"(?:^|\.)([0-9]{1,9})(?=\.|$)", re.ASCII)


def depth(module: str) -> int:
    """The first component of 1 to 9 digits as a number; -1 if there is none."""
    found = _NUMBER.search(module)
    return int(found[1]) if found else -1


_STRUCTS: dict[str, struct.Struct] = {}


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.end = data, 0, len(data)

    def take(self, count: int) -> bytes:
        at = self.at
        if count > self.end - at:
            raise TinaError("directory", f"directory, byte {at}", "it ends early")
        self.at = at + count
        return self.data[at : at + count]

    def unpack(self, layout: str) -> Any:
        packed = _STRUCTS.get(layout) or _STRUCTS.setdefault(layout, struct.Struct("<" + layout))
        at = self.at
        if packed.size > self.end - at:
            raise TinaError("directory", f"directory, byte {at}", "it ends early")
        self.at = at + packed.size
        return packed.unpack_from(self.data, at)

    def reserved(self, count: int, place: str) -> None:
        if self.take(count).count(0) != count:
            raise TinaError("reserved", place, "a reserved byte that is not zero")


class Directory:
    """The checked records of a file."""

    def __init__(self, data: bytes, index_length: int, file_length: int) -> None:
        self._cursor = cursor = _Cursor(data)
        n, e, t, k, self.seed = cursor.unpack("IIIIQ")
        cursor.reserved(8, "directory")
        self.content_digest, self.parent = cursor.unpack("32s32s")
        cursor.reserved(16, "directory")
        need(n <= 8 and e <= 1 << 17 and k <= 1 << 19, "limit", "directory", "too many layers, entries or blocks")
        need(n >= 1, "limit", "directory", "no layer")
        least = 24 * n + (29 + 4 * n) * e + 28 * k
        need(least <= len(data) - cursor.at, "directory", "directory", "too short for its counts")
        self.layers = [self._layer(number) for number in range(n)]
        need(sum(layer.bits for layer in self.layers) <= 8, "layers", "directory", "more than 8 refinement bits")
        self.entries: list[Entry] = []
        self._values = 0
        self._last: tuple[int, bytes, int, bytes, bytes] | None = None
        for number in range(e):
            self._entry(number)
        first = self.entries[-1].first + self.entries[-1].count if self.entries else 0
        need(t == first, "directory", "directory", f"{t} tensors, {first} of the entries")
        self.tensors: list[Tensor] = []
        for number, entry in enumerate(self.entries):
            for position in range(entry.count):
                self._tensor(number, position)
            if entry.count == 2:
                _check_shapes(entry, *self.tensors[-2:])
        self.blocks = [self._block(number) for number in range(k)]
        need(cursor.at == len(data), "directory", f"directory, byte {cursor.at}", "it ends late")
        self._relate()
        self._lay_out(index_length, file_length)

    def _layer(self, number: int) -> Layer:
        place = f"layer {number + 1}"
        end, bits, worst, total = self._cursor.unpack("QIff")
        self._cursor.reserved(4, place)
        need(end <= MAXIMUM_FILE, "limit", place, f"an end at {end}")
        need(1 <= bits <= 8 if number else bits == 0, "layers", place, f"{bits} refinement bits")
        _check_errors(place, worst, total)
        return Layer(end, bits, worst, total)

    def _entry(self, number: int) -> None:
        place = f"entry {number + 1}"
        cursor = self._cursor
        kind, origin, flags, count, scale_bytes, alpha_bytes, *lengths = cursor.unpack("BBBB4s8sHHH")
        cursor.reserved(2, place)
        (attributes_length,) = cursor.unpack("I")
        (scale,), (alpha,) = struct.unpack("<f", scale_bytes), struct.unpack("<d", alpha_bytes)
        need(flags <= 1, "reserved", place, f"flags {flags}")
        need(TENSORS_OF_KIND.get(kind) == count, "kind", place, f"kind {kind} with {count} tensors")
        is_pair = kind <= EMBEDDING
        fine = math.isfinite(scale) and math.isfinite(alpha) and (flags == 1 or not any(alpha_bytes)) and origin <= 2
        fine = fine and (is_pair or kind == PAIR_BIAS or scale == 1) and (is_pair or (origin == 0 and not flags))
        need(fine, "scale", place, f"scale {scale}, alpha {alpha}, origin {origin}")
        need(max(lengths) <= 1024, "name", place, "a name of more than 1024 bytes")
        need(attributes_length <= 65536, "limit", place, f"attributes of {attributes_length} bytes")
        errors = []
        for _ in self.layers:
            errors += cursor.unpack("f")
            _check_errors(place, errors[-1])
        module, path, parameter = (_text(cursor.take(length), place) for length in lengths)
        need(module and (kind == FULL or not parameter), "name", place, "no module, or a parameter that it has not")
        attributes = self._attributes(cursor.take(attributes_length), kind, place)
        first = self.entries[-1].first + self.entries[-1].count if self.entries else 0
        entry = Entry(
            kind, origin, scale, alpha if flags else None, module, path, parameter, attributes, tuple(errors), first,
            count, scale_bytes,
        )  # fmt: skip
        order = entry.order
        need(self._last is None or self._last < order, "order", place, "out of order")
        self._last = order
        need(self._values <= MAXIMUM_ATTRIBUTES, "attributes", place, "too many values in all attributes")
        self.entries.append(entry)

    def _attributes(self, data: bytes, kind: int, place: str) -> dict[str, Any] | None:
        if not data:
            return None
        try:
            value, count = _json.parse(data, "attributes")
        except TinaError as error:
            raise TinaError("attributes", place, error.found) from error
        self._values += count
        if "tensor_names" in value:
            names, expected = value["tensor_names"], 1 if kind == ROWS else TENSORS_OF_KIND[kind]
            fine = isinstance(names, list) and len(names) == expected and all(map(_json.is_text, names))
            need(fine, "attributes", place, "tensor_names that are not one string for each tensor")
        return value

    def _tensor(self, entry: int, position: int) -> None:
        place = f"tensor of {self.entries[entry].module!r}"
        code, dimensions = self._cursor.unpack("BB")
        self._cursor.reserved(2, place)
        (block,) = self._cursor.unpack("I")
        need(code in BY_CODE, "element", place, f"element type {code}")
        need(dimensions <= 8, "limit", place, f"{dimensions} dimensions")
        element, shape = BY_CODE[code], []
        for _ in range(dimensions):
            (size,) = self._cursor.unpack("Q")
            if size >= 1 << 40:
                raise TinaError("limit", place, f"a size of {size}")
            shape.append(size)
        bits = math.prod(shape) * element.bits
        need(bits <= 8 << 40, "limit", place, f"shape {shape}")
        need(bits % 8 == 0, "shape", place, f"shape {shape}: no whole number of bytes")
        self.tensors.append(Tensor(element, tuple(shape), block, entry, position))

    def _block(self, number: int) -> Block:
        place = f"block {number}"
        form, code, arrangement, predictor, count = self._cursor.unpack("BBBBB")
        self._cursor.reserved(3, place)
        target, digest = self._cursor.unpack("I16s")
        need(form <= 2, "block", place, f"form {form}")
        element = BY_CODE.get(code)
        fits = (element is not None, element is not None and element.name in ("I8", "I16"), code == 0)[form]
        need(fits, "element", place, f"element type {code} for form {form}")
        need(arrangement <= (0 if form == 2 else 1), "arrangement", place, f"arrangement {arrangement}")
        need(predictor <= (2 if form == 0 else 0), "predictor", place, f"predictor {predictor}")
        need(form == 2 or target == 0, "block", place, "a refined block")
        width = element.width if element else 1
        expected = ((1, width), (2, width + 2), (1, 1))[form][arrangement]
        need(count == expected, "block", place, f"{count} streams, where {expected} are expected")
        streams = []
        for _ in range(count):
            codec, length = self._cursor.unpack("IQ")
            need(codec <= 1, "codec", place, f"codec {codec}")
            need(length <= MAXIMUM_FILE, "limit", place, f"a stream of {length} bytes")
            streams.append((codec, length))
        return Block(form, element, arrangement, predictor, target, digest, streams)

    # Records held against each other

    def _relate(self) -> None:
        first = next((i for i, block in enumerate(self.blocks) if block.form == 2), len(self.blocks))
        refined = [i for i in range(first) if self.blocks[i].form == 1]
        expected = [(layer, i) for layer in range(1, len(self.layers)) for i in refined]
        need(len(self.blocks) - first == len(expected), "block", "directory", "a wrong number of refinements")
        for number, (layer, target) in enumerate(expected, first):
            block = self.blocks[number]
            need(block.form == 2 and block.target == target, "block", f"block {number}", "another refinement")
            block.layer = layer
            self.blocks[target].refinements.append(number)
        for number, tensor in enumerate(self.tensors):
            need(tensor.block < first, "block", f"tensor of {self.entries[tensor.entry].module!r}", "no such block")
            self.blocks[tensor.block].tensors.append(number)
        for number, block in enumerate(self.blocks):
            (self._relate_exact, self._relate_pairs, self._relate_refinement)[block.form](block, f"block {number}")
            for (codec, stored), length in zip(block.streams, block.lengths, strict=True):
                need(codec == 1 or stored == length, "stream", f"block {number}", f"a stream of {stored} bytes")
                need(codec == 0 or length <= RATIO * stored, "zstd", f"block {number}", "it expands too far")
        uses = {block.predictor for block in self.blocks}
        need(self.seed == 0 or 1 in uses, "predictor", "directory", "a seed that no block uses")
        need(any(self.parent) == (2 in uses), "parent", "directory", "a parent that no block uses, or none")

    def _relate_exact(self, block: Block, place: str) -> None:
        held = [self.tensors[i] for i in block.tensors]
        element = block.element
        assert element is not None
        need(held, "block", place, "no tensors")
        need(not block.in_place or len(held) == 1, "block", place, "several tensors, stored plainly")
        need(all(tensor.element is element for tensor in held), "element", place, "a tensor of another type")
        need(block.arrangement == 0 or element.bits >= 8, "arrangement", place, "byte planes of packed elements")
        if block.predictor:
            need(element.name in PREDICTED, "predictor", place, f"a predictor of {element.name}")
            need(block.arrangement == 1, "arrangement", place, "a predictor without byte planes")
        for tensor in held if block.predictor == 1 else []:
            is_a = self.entries[tensor.entry].kind == LOW_RANK and tensor.position == 0
            need(is_a, "predictor", place, "a seeded tensor that is no A of a low-rank pair")
        total = sum(tensor.bytes for tensor in held)
        need(total <= MAXIMUM_FILE, "limit", place, "tensors of more than 2^48 bytes")
        block.lengths = [total // len(block.streams)] * len(block.streams)

    def _relate_pairs(self, block: Block, place: str) -> None:
        assert block.element is not None
        need(block.tensors, "block", place, "no tensors")
        symbols = 0
        for number in block.tensors:
            tensor = self.tensors[number]
            entry = self.entries[tensor.entry]
            both = entry.kind == LOW_RANK and all(
                self.tensors[entry.first + i].block == tensor.block for i in range(entry.count)
            )
            need(both, "block", place, "a tensor that is no part of a whole low-rank pair")
            need(tensor.element is F32, "element", place, f"a tensor of {tensor.element.name}")
            rank = tensor.shape[tensor.position]
            symbols += tensor.count
            need(rank <= 65536 and symbols <= 1 << 32, "limit", place, f"rank {rank}, {symbols} symbols")
            if tensor.position:
                block.pairs.append((rank, self.tensors[number - 1].shape[1], tensor.shape[0]))
        need(not block.in_place or len(block.pairs) == 1, "block", place, "several pairs, stored plainly")
        ranks = sum(pair[0] for pair in block.pairs)
        if block.arrangement == 0:
            block.lengths = [symbols * block.element.width, 4 * ranks]
        else:
            block.lengths = [symbols] * block.element.width + [2 * ranks, 4 * ranks]

    def _relate_refinement(self, block: Block, place: str) -> None:
        block.lengths = [-(-self.layers[block.layer].bits * self.blocks[block.target].symbols // 8)]

    def _lay_out(self, at: int, file_length: int) -> None:
        ends = [at] * len(self.layers)
        for number, block in enumerate(self.blocks):
            block.gap = at
            block.begin = -(-at // 64) * 64 if block.in_place else at
            at = block.end = block.begin + sum(stored for _, stored in block.streams)
            need(at <= MAXIMUM_FILE, "limit", f"block {number}", "an end above 2^48")
            ends[block.layer :] = [at] * (len(ends) - block.layer)
        for number, layer_record in enumerate(self.layers):
            need(layer_record.end == ends[number], "layout", f"layer {number + 1}", "another end")
        need(at == file_length, "layout", "directory", "blocks that end elsewhere than the file")

    def check_decoded(self, length: int) -> None:
        """Bounds what has to be decoded by the bytes at hand (section 11)."""
        total = 0
        for tensor in self.tensors:
            block = self.blocks[tensor.block]
            if not (block.form == 0 and block.in_place):
                total += tensor.bytes
        most = max(MAXIMUM_DECODED, 64 * length)
        need(total <= most, "limit", "directory", f"tensors of {total} bytes in a file of {length}")


def _check_errors(place: str, *errors: float) -> None:
    for error in errors:
        if not (math.isfinite(error) and error >= 0):
            raise TinaError("error", place, f"an error of {error}")


def _text(data: bytes, place: str) -> str:
    try:
        name = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TinaError("name", place, "a name that is no UTF-8") from error
    if _CONTROL.search(data):
        raise TinaError("name", place, "a control character in a name")
    return name


def _check_shapes(entry: Entry, first: Tensor, second: Tensor) -> None:
    place = f"entry of {entry.module!r}"
    if entry.kind == ROWS:
        need(second.element is I64, "element", place, f"numbers of rows in {second.element.name}")
        fits = len(first.shape) == 2 and len(second.shape) == 1 and second.shape[0] in (first.shape[0], 0)
        need(fits, "shape", place, f"rows {first.shape}, numbers {second.shape}")
        return
    for shape in (first.shape, second.shape):
        fits = len(shape) >= 3 if entry.kind == CONVOLUTION else len(shape) == 2
        need(fits and 0 not in shape, "shape", place, f"shape {shape} in a pair")
    need(first.shape[0] == second.shape[1], "shape", place, f"A {first.shape}, B {second.shape}")
