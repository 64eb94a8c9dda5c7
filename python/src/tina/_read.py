"""Reading: ``load_file``, ``safe_open``, ``info``, ``to_peft``."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from . import _config, _json
from ._directory import KINDS, ROWS, Entry, Layer, Tensor
from ._elements import Words, as_array, as_bytes
from ._errors import AdapterError
from ._file import Source, TinaFile
from ._identity import BaseIdentity
from ._names import usual

Parents = Iterable["Source | TinaFile"]


def entry_names(entry: Entry) -> list[str]:
    """Names of an entry's tensors in PEFT: those of the source, else the usual ones."""
    return entry.tensor_names or usual(entry.kind, entry.path or entry.module, entry.parameter)


def names(file: TinaFile) -> dict[str, int]:
    """Number of each tensor by its name in PEFT. The numbers of rows have no name there."""
    found: dict[str, int] = {}
    for entry in file.directory.entries:
        for position, name in enumerate(entry_names(entry)):
            if name in found:
                raise AdapterError(f"{file.path}: two tensors are called {name} in PEFT")
            found[name] = entry.first + position
    return found


def load_file(
    path: Source, layers: int | None = None, parents: Parents = (), *, raw: bool = False, trust: bool = False
) -> dict[str, Words]:
    """All tensors by their names in PEFT, as ``safetensors.numpy.load_file`` gives those of a PEFT directory.

    Plain F32, F16 and integer tensors are views of the mapped file; writing to one leaves the file alone. BF16, which
    NumPy lacks, becomes F32 of the same numbers; with ``raw`` it stays words of 16 bits. ``layers`` reads so many
    quality layers. ``trust`` compares no digests of plain tensors, which are then not even read.

    Raises ``TinaError`` naming the rule that the file breaks.
    """
    file = TinaFile(path, layers, parents, trust=trust)
    numbers = names(file)
    words = file.words(list(numbers.values()))
    tensors = file.directory.tensors
    return {name: as_array(words[i], tensors[i].element, tensors[i].shape, raw) for name, i in numbers.items()}


class Slice:
    """A tensor that is not decoded yet; indexing decodes it."""

    def __init__(self, file: safe_open, number: int) -> None:
        self._file, self._number = file, number

    @property
    def _tensor(self) -> Tensor:
        return self._file.file.directory.tensors[self._number]

    def get_shape(self) -> list[int]:
        """Sizes from the slowest to the fastest dimension."""
        return list(self._tensor.shape)

    def get_dtype(self) -> str:
        """The name of its type in safetensors: ``F32``, ``BF16``."""
        return self._tensor.element.name

    def __getitem__(self, index: Any) -> Any:
        return self._file._value(self._number)[index]


class safe_open:  # noqa: N801  (the name that safetensors gave it)
    """An adapter opened lazily: its index is checked, a tensor is decoded when it is asked for.

    ``framework`` is ``"np"`` or ``"pt"``. Use it as a context, or as it is; nothing needs to be closed.
    """

    def __init__(
        self, filename: Source, framework: str = "np", layers: int | None = None, parents: Parents = (), *,
        raw: bool = False, trust: bool = False,
    ) -> None:  # fmt: skip
        if framework not in ("np", "numpy", "pt", "torch", "pytorch"):
            raise ValueError(f"framework is {framework!r}; it can be 'np' or 'pt'")
        self.file = TinaFile(filename, layers, parents, trust=trust)
        self._torch = framework in ("pt", "torch", "pytorch")
        self._raw = raw
        self._names = names(self.file)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def keys(self) -> list[str]:
        """The tensors' names in PEFT."""
        return list(self._names)

    def offset_keys(self) -> list[str]:
        """The names in the order of the file."""
        return sorted(self._names, key=lambda name: self._names[name])

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def metadata(self) -> dict[str, str] | None:
        """``__metadata__`` of the source's safetensors file, or None."""
        return self.file.meta.get("tensor_metadata")

    def get_tensor(self, name: str) -> Any:
        """Decodes one tensor."""
        return self._value(self._number(name))

    def get_slice(self, name: str) -> Slice:
        """Shape and type of a tensor; indexing decodes it."""
        return Slice(self, self._number(name))

    def _number(self, name: str) -> int:
        if name not in self._names:
            raise KeyError(f"there is no tensor {name}")
        return self._names[name]

    def _value(self, number: int) -> Any:
        tensor, words = self.file.tensor(number)
        if self._torch:
            return as_torch(words, tensor)
        return as_array(words, tensor.element, tensor.shape, self._raw)


def as_torch(words: Words, tensor: Tensor) -> Any:
    """A PyTorch tensor of the same bits."""
    import torch

    kinds = {"BF16": torch.bfloat16, "F8_E5M2": torch.float8_e5m2, "F8_E4M3": torch.float8_e4m3fn}
    kind = kinds.get(tensor.element.name)
    if kind is None:
        return torch.from_numpy(as_array(words, tensor.element, tensor.shape).copy())
    signed = words.copy().view(f"i{words.dtype.itemsize}")
    return torch.from_numpy(signed).view(kind).reshape(tensor.shape)


@dataclass(frozen=True)
class EntryInfo:
    """One thing that an adapter does to one module."""

    module: str
    kind: str
    rank: int | None
    scale: float
    alpha: float | None
    shapes: list[list[int]]
    dtypes: list[str]
    errors: list[float]
    """Relative error of ΔW when the first 1, 2, … layers are read."""


@dataclass(frozen=True)
class Info:
    """What a file's index says; its data are not read."""

    file_digest: str
    content_digest: str
    parent: str | None
    byte_count: int
    parameter_count: int
    layers: list[Layer]
    layers_there: int
    entries: list[EntryInfo]
    base: BaseIdentity | None
    base_model_name: str | None
    configuration: dict[str, Any] | None
    training: dict[str, Any] | None
    sections: list[str]

    @property
    def is_exact(self) -> bool:
        """Whether the numbers are those of the source, bit for bit."""
        return not any(error for entry in self.entries for error in entry.errors)


def info(path: Source) -> Info:
    """Checks a file's index and tells what it says; a cut file is described too, its parent is not needed."""
    file = TinaFile(path, _allows_cut=True, _needs_parent=False)
    directory = file.directory
    entries = []
    for entry in directory.entries:
        tensors = directory.tensors[entry.first : entry.first + entry.count]
        entries.append(
            EntryInfo(
                entry.module, KINDS[entry.kind - 1], tensors[0].shape[0] if entry.kind <= 3 else None, entry.scale,
                entry.alpha, [list(tensor.shape) for tensor in tensors], [tensor.element.name for tensor in tensors],
                list(entry.errors),
            )
        )  # fmt: skip
    return Info(
        file.header.file_digest.hex(), directory.content_digest.hex(),
        directory.parent.hex() if any(directory.parent) else None, file.header.file_length,
        sum(tensor.count for tensor in directory.tensors if directory.entries[tensor.entry].kind != ROWS
            or tensor.position == 0),
        directory.layers, file.layers_there, entries, file.base, file.meta.get("base_model_name"),
        _json.plain(file.meta["configuration"]) if "configuration" in file.meta else None,
        _json.plain(file.meta["training"]) if "training" in file.meta else None,
        [section.type.decode() for section in file.header.sections],
    )  # fmt: skip


def peft_configuration(file: TinaFile) -> dict[str, Any]:
    """The adapter's ``adapter_config.json``; numbers are as the file writes them."""
    entries = file.directory.entries
    pairs = [(entry, file.directory.tensors[entry.first].shape[0]) for entry in entries if entry.kind <= 3]
    stated = [(_with_path(entry), rank) for entry, rank in pairs]
    return _config.make(file.meta.get("configuration"), stated, entries, file.meta.get("base_model_name"))


def _with_path(entry: Entry) -> Entry:
    if not entry.path:
        entry.path = entry.module
    return entry


def to_peft(path: Source, directory: str | os.PathLike[str], layers: int | None = None, parents: Parents = ()) -> None:
    """Writes a PEFT directory: the same names, bits and configuration that the adapter was made from."""
    file = TinaFile(path, layers, parents)
    config = peft_configuration(file)
    numbers = names(file)
    words = file.words(list(numbers.values()))
    header: dict[str, Any] = {}
    metadata = file.meta.get("tensor_metadata")
    if "peft_type" not in file.meta.get("configuration", {}):
        metadata = {"format": "pt"}
    if metadata:
        header["__metadata__"] = metadata
    at = 0
    # As safetensors' own library: the widest types first.
    ordered = sorted(numbers, key=lambda name: (-file.directory.tensors[numbers[name]].element.code, name.encode()))
    for name in ordered:
        tensor = file.directory.tensors[numbers[name]]
        header[name] = {
            "dtype": tensor.element.name, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.bytes],
        }  # fmt: skip
        at += tensor.bytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    target = os.fspath(directory)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    if os.path.isdir(target) and os.listdir(target):
        raise FileExistsError(f"{target}: the folder is not empty")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(target)), prefix=".tina-") as scratch:
        inner = os.path.join(scratch, "adapter")
        os.mkdir(inner)
        with open(os.path.join(inner, "adapter_config.json"), "w", encoding="utf-8") as out:
            out.write(_json.dump(config, indent=2) + "\n")
        with open(os.path.join(inner, "adapter_model.safetensors"), "wb") as data:
            data.write(struct.pack("<Q", len(text)) + text)
            for name in ordered:
                data.write(as_bytes(words[numbers[name]]))
        os.replace(inner, target)

