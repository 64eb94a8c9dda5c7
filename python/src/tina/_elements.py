"""Element types (section 7.2 of the format), and how NumPy holds them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[Any]


class Element(NamedTuple):
    """An element type: its number in files, its name in safetensors, its bits."""

    code: int
    name: str
    bits: int

    @property
    def width(self) -> int:
        """Bytes of the words in which elements are stored; packed elements are stored as bytes."""
        return max(1, self.bits // 8)

    @property
    def word(self) -> np.dtype[Any]:
        return np.dtype(f"<u{self.width}")


_NAMES = (
    ("BOOL", 8), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("I16", 16), ("U16", 16), ("F16", 16),
    ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
)  # fmt: skip
BY_CODE = {code: Element(code, name, bits) for code, (name, bits) in enumerate(_NAMES, 1)}
BY_NAME = {element.name: element for element in BY_CODE.values()}
F32, F16, BF16, I8, I16, I64 = (BY_NAME[name] for name in ("F32", "F16", "BF16", "I8", "I16", "I64"))
ROTATED = ("F32", "F64", "BF16")
SIGNED = ("I8", "I16", "I32", "I64")
PREDICTED = ("F32", "F16", "BF16")
_NUMPY = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
    "F32": "<f4", "C64": "<c8", "F64": "<f8", "I64": "<i8", "U64": "<u8",
}  # fmt: skip


def as_bytes(words: Words) -> memoryview:
    """The bytes of words, for digests and files."""
    return np.ascontiguousarray(words).reshape(-1).view(np.uint8).data


def as_array(words: Words, element: Element, shape: tuple[int, ...], raw: bool = False) -> Words:
    """The array of a tensor's words.

    NumPy lacks BF16: it becomes F32, which holds every such number exactly; with ``raw`` the words of 16 bits stay.
    Types of 8 bits and less that NumPy lacks stay bytes; packed ones lose their shape.
    """
    if element.bits < 8:
        return words
    if element.name == "BF16" and not raw:
        return widened(words).reshape(shape)
    return words.view(_NUMPY.get(element.name, words.dtype.str)).reshape(shape)


def widened(words: Words) -> Words:
    """F32 of BF16 words."""
    return (words.astype("<u4") << np.uint32(16)).view("<f4")


def narrowed(values: Words) -> Words:
    """BF16 words of F32 numbers that are not NaN, to nearest, ties to even."""
    bits = values.astype("<f4", copy=False).view("<u4").astype(np.uint64)
    return ((bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)).astype("<u2")


def of_array(value: Any) -> tuple[Element, tuple[int, ...], Words]:
    """Element type, shape and words of a NumPy array, or of a PyTorch tensor.

    Arrays of ``ml_dtypes.bfloat16`` are BF16.
    """
    if type(value).__module__.split(".")[0] == "torch":
        import torch

        value = value.detach().cpu().contiguous()
        if value.dtype == torch.bfloat16:
            return BF16, tuple(value.shape), value.view(torch.int16).numpy().reshape(-1).view("<u2")
        value = value.numpy()
    array = np.ascontiguousarray(value).reshape(np.shape(value))
    if array.dtype.name == "bfloat16":
        return BF16, array.shape, array.reshape(-1).view("<u2")
    kind = array.dtype.newbyteorder("<")
    for name, dtype in _NUMPY.items():
        if np.dtype(dtype) == kind:
            element = BY_NAME[name]
            return element, array.shape, array.astype(kind, copy=False).reshape(-1).view(element.word)
    raise TypeError(f"an array of {array.dtype}, which .tina files do not hold")
