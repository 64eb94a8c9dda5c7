"""Base identity (spec/base-identity.md): its bytes."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from ._elements import Words, widened
from ._errors import TinaError, need

MAXIMUM_BYTES = 131072
RUN = 32
ELEMENTS = ("F32", "F16", "BF16")
WIDTHS = (4, 2, 2)
_IDENTIFIER = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class SketchTensor(NamedTuple):
    """A tensor of the base of which some weights are stored."""

    name: str
    element: int
    shape: tuple[int, ...]
    rows: int
    columns: int


class Run(NamedTuple):
    """Neighbouring weights of one row."""

    tensor: int
    row: int
    column: int
    values: Words


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        need(count <= len(self.data) - self.at, "base", f"byte {self.at}", "it ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int, low: int, high: int, what: str) -> int:
        value = int.from_bytes(self.take(count), "little")
        need(low <= value <= high, "base", f"byte {self.at - count}", f"{what} is {value}, not {low} to {high}")
        return value

    def identifier(self) -> str:
        name = self.take(self.number(1, 1, 64, "the length of a name"))
        need(set(name) <= _IDENTIFIER, "base", f"byte {self.at}", f"{name!r} is no name")
        return name.decode()


class BaseIdentity:
    """What a .tina file says of its base: architecture, sizes, digest, and sampled weights."""

    def __init__(self, data: bytes) -> None:
        """Checks every rule of section 5."""
        self.bytes = data
        need(len(data) <= MAXIMUM_BYTES, "base", "", f"{len(data)} bytes")
        cursor = _Cursor(data)
        cursor.number(1, 1, 1, "the version")
        self.architecture = cursor.identifier()
        self.digest = cursor.take(32)
        self.dimensions: dict[str, int] = {}
        for _ in range(cursor.number(1, 0, 32, "the number of dimensions")):
            name = cursor.identifier()
            need(all(other < name for other in self.dimensions), "base", "", f"the dimension {name} out of order")
            self.dimensions[name] = cursor.number(8, 1, 1 << 48, "a dimension")
        self.tensors: list[SketchTensor] = []
        for _ in range(cursor.number(2, 1, 1024, "the number of tensors")):
            self._tensor(cursor)
        places: list[tuple[int, int, int]] = []
        for _ in range(cursor.number(2, 1, 4096, "the number of runs")):
            index = cursor.number(2, 0, len(self.tensors) - 1, "a tensor")
            tensor = self.tensors[index]
            row = cursor.number(4, 0, tensor.rows - 1, "a row")
            column = cursor.number(4, 0, tensor.columns - min(RUN, tensor.columns), "a column")
            need(column % RUN == 0, "base", "", f"column {column} begins no run")
            need(not places or places[-1] < (index, row, column), "base", "", "runs out of order")
            places.append((index, row, column))
        need(len({place[0] for place in places}) == len(self.tensors), "base", "", "a tensor without a run")
        self.runs: list[Run] = []
        for index, row, column in places:
            tensor = self.tensors[index]
            size = WIDTHS[tensor.element] * min(RUN, tensor.columns)
            values = widen(np.frombuffer(cursor.take(size), np.uint8), tensor.element)
            need(np.isfinite(values).all(), "base", "", "a weight that is not finite")
            self.runs.append(Run(index, row, column, values))
        need(cursor.at == len(data), "base", f"byte {cursor.at}", "it goes on behind the last weight")

    def _tensor(self, cursor: _Cursor) -> None:
        raw = cursor.take(cursor.number(1, 1, 255, "the length of a name"))
        need(min(raw) >= 0x20 and 0x7F not in raw, "base", "", f"{raw!r} holds a control character")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TinaError("base", "", f"{raw!r} is no UTF-8") from error
        last = self.tensors[-1].name.encode() if self.tensors else b""
        need(last < raw, "base", "", f"the tensor {name} out of order")
        element = cursor.number(1, 0, 2, "an element type")
        shape = []
        count = 1
        for _ in range(cursor.number(1, 0, 8, "the number of sizes")):
            shape.append(cursor.number(8, 1, 1 << 40, "a size"))
            count *= shape[-1]
        need(count <= 1 << 48, "base", "", f"the tensor {name} has too many elements")
        columns = shape[-1] if shape else 1
        self.tensors.append(SketchTensor(name, element, tuple(shape), count // columns, columns))

    def __repr__(self) -> str:
        return f"<BaseIdentity {self.architecture} {self.digest.hex()[:16]}…>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseIdentity) and self.bytes == other.bytes

    def __hash__(self) -> int:
        return hash(self.bytes)

    def compare(self, model: Any) -> Any:
        """Whether a model, or a directory of one, is this base: see ``tina.Comparison``."""
        from . import _compare

        return _compare.compare(self, model)


def widen(data: Words, element: int) -> Words:
    """F32 numbers of stored weights."""
    if element == 0:
        return data.view("<f4")
    return data.view("<f2").astype("<f4") if element == 1 else widened(data.view("<u2"))


def pack(
    architecture: str, digest: bytes, dimensions: dict[str, int], tensors: list[SketchTensor], runs: list[Run],
    values: bytes,
) -> bytes:  # fmt: skip
    """The bytes of section 5; ``values`` are the runs' weights as they are stored."""
    raw = architecture.encode()
    out = bytearray([1, len(raw)]) + raw + digest + bytes([len(dimensions)])
    for name, value in sorted(dimensions.items()):
        out += bytes([len(name)]) + name.encode() + struct.pack("<Q", value)
    out += struct.pack("<H", len(tensors))
    for tensor in tensors:
        raw = tensor.name.encode()
        out += bytes([len(raw)]) + raw + bytes([tensor.element, len(tensor.shape)])
        out += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
    out += struct.pack("<H", len(runs))
    for run in runs:
        out += struct.pack("<HII", run.tensor, run.row, run.column)
    return bytes(out) + values
