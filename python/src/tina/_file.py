"""An open .tina file: its index is checked, its tensors are decoded when they are asked for."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Union

import numpy as np

from . import _exact, _identity, _json, _pairs
from ._directory import Directory, Entry, Tensor
from ._elements import Words, as_bytes
from ._errors import TinaError, need
from ._header import Header, sha256
from ._zstd import decompress

Source = Union[str, "os.PathLike[str]", bytes]
MAXIMUM_CHAIN = 256
_KNOWN = ("base_model_name", "configuration", "tensor_metadata", "training", "source", "parent")


def workers() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class TinaFile:
    """A .tina file, mapped.

    ``layers`` asks for so many quality layers; without it a cut file is refused. ``parents`` are files that may be
    the parent. ``trust`` leaves plainly stored tensors unread, and their digests uncompared.
    """

    def __init__(
        self, source: Source, layers: int | None = None, parents: Iterable[Source | TinaFile] = (), *,
        trust: bool = False, _allows_cut: bool = False, _needs_parent: bool = True,
    ) -> None:  # fmt: skip
        self.path = "" if isinstance(source, bytes) else os.fspath(source)
        self.trust = trust
        try:
            self._open(_map(source))
            self.layers_there = sum(len(self.data) >= layer.end for layer in self.directory.layers)
            self.layers = self._request(layers, _allows_cut)
        except TinaError as error:
            error.file = error.file or self.path
            raise
        self.parent: TinaFile | None = None
        self._lock = threading.RLock()
        self._predictions: dict[int, Words] | None = None
        self._decoded: dict[int, Words] = {}
        self._checked_size = False
        if _needs_parent:
            try:
                self._find_parents([Candidate(source) for source in parents])
            except TinaError as error:
                error.file = error.file or self.path
                raise

    def _open(self, data: memoryview) -> None:
        self.data = data
        self.header = Header(data)
        contents = self.header.contents()
        self.meta, _ = _json.parse(contents[b"META"], "metadata")
        _check_metadata(self.meta)
        self.base = _identity.BaseIdentity(contents[b"BASE"]) if b"BASE" in contents else None
        self.directory = Directory(contents[b"TDIR"], self.header.index_length, self.header.file_length)

    def _request(self, layers: int | None, allows_cut: bool) -> int:
        count, there = len(self.directory.layers), self.layers_there
        is_cut = len(self.data) < self.header.file_length
        if allows_cut and is_cut:
            return there
        wanted = count if layers is None else layers
        need(1 <= wanted <= count, "layers", "", f"{layers} layers asked for, where there are {count}")
        if is_cut and (layers is None or wanted > there):
            said = f"{there} of {count} layers are whole"
            if there:
                error = self.directory.layers[there - 1].worst_error
                said += f"; layers={there} reads them, with errors up to {100 * error:.3g} %"
            raise TinaError("truncated", "", f"{len(self.data)} of {self.header.file_length} bytes: {said}")
        return wanted

    # Parents

    def _find_parents(self, candidates: list[Candidate]) -> None:
        """Opens the parent, its parent, and so on; a chain may be longer than Python's stack."""
        file, depth = self, 0
        # A difference of nothing states the content of its parent, and may not be taken for it.
        chain: set[str] = set()
        while file.parent is None and any(wanted := file.directory.parent):
            need(depth < MAXIMUM_CHAIN, "limit", "parent", f"a chain of more than {MAXIMUM_CHAIN} parents")
            depth += 1
            # Those named come first; then those that lie where parents lie.
            chain.add(os.path.realpath(file.path) if file.path else "")
            others = (Candidate(path) for path in file._neighbours() if os.path.realpath(path) not in chain)
            found = next((its for its in candidates if its.digest == wanted and its.place not in chain), None)
            found = found or next((its for its in others if its.digest == wanted), None)
            if found is None:
                said = f"the file with the content {wanted.hex()} is not at hand: name it, or put it beside this one"
                raise TinaError("parent", "parent", said)
            file.parent = found.open()
            file = file.parent

    def _ancestors(self) -> list[TinaFile]:
        found, file = [], self.parent
        while file is not None:
            found.append(file)
            file = file.parent
        return found

    def _neighbours(self) -> list[str]:
        """The file that META names, beside this one; then the same name in a run's other checkpoints."""
        if not self.path:
            return []
        folder, own = os.path.split(os.path.abspath(self.path))
        found = []
        hint = self.meta.get("parent", {}).get("file")
        if _json.is_text(hint) and is_name(hint):
            found.append(os.path.join(folder, hint))
        run, name = os.path.split(folder)
        if name.startswith("checkpoint-"):
            others = sorted(other for other in os.listdir(run) if other.startswith("checkpoint-") and other != name)
            found += [os.path.join(run, other, own) for other in others]
        return found

    def _predicted_by_parent(self) -> dict[int, Words]:
        """The parent's words for each tensor that needs them, after comparing the parent's content with its digest."""
        with self._lock:
            if self._predictions is None:
                chain = [*reversed(self._ancestors()), self]
                for parent, child in zip([None, *chain], chain):
                    if child._predictions is None:
                        child._predictions = child._predictions_of(parent) if parent else {}
                    if parent is not None:
                        parent._predictions = None  # of no use any more, and large
            return self._predictions or {}

    def _predictions_of(self, parent: TinaFile) -> dict[int, Words]:
        words = parent.words(parent.tensor_numbers())
        digest = parent.content_digest_of(words)
        need(digest == self.directory.parent, "parent", "parent", "the parent's content is not what it states")
        entries: dict[tuple[str, int, str], Entry] = {}
        for entry in parent.directory.entries:
            entries.setdefault(entry.key, entry)
        found: dict[int, Words] = {}
        for block in self.directory.blocks:
            for number in block.tensors if block.predictor == 2 else []:
                tensor = self.directory.tensors[number]
                its = entries.get(self.directory.entries[tensor.entry].key)
                other = parent.directory.tensors[its.first + tensor.position] if its else None
                fits = other is not None and (other.element, other.shape) == (tensor.element, tensor.shape)
                need(fits, "parent", "parent", f"it lacks a tensor of {self.directory.entries[tensor.entry].module!r}")
                assert its is not None
                found[number] = words[its.first + tensor.position]
        return found

    # Blocks

    def _streams(self, number: int) -> list[Words]:
        """The decoded streams of a block, after comparing its digest."""
        block, place = self.directory.blocks[number], f"block {number}"
        raw = self.data[block.begin : block.end]
        need(sha256(raw)[:16] == block.digest, "block-digest", place, "other bytes than its digest says")
        at, out = 0, []
        for (codec, stored), length in zip(block.streams, block.lengths, strict=True):
            part = raw[at : at + stored]
            out.append(np.frombuffer(decompress(part, length, place) if codec else part, np.uint8))
            at += stored
        return out

    def _check_padding(self) -> None:
        for number, block in enumerate(self.directory.blocks):
            if block.layer < self.layers:
                need(not any(self.data[block.gap : block.begin]), "padding", f"block {number}", "bytes before it")

    def _block_words(self, number: int) -> dict[int, Words]:
        """The words of each tensor that a block of form 0 or 1 holds."""
        directory, block = self.directory, self.directory.blocks[number]
        if block.form == 1:
            return _pairs.decode(directory, number, self._streams, self.layers)
        element = block.element
        assert element is not None
        if block.in_place and self.trust:
            return {block.tensors[0]: np.frombuffer(self.data[block.begin : block.end], element.word)}
        streams = self._streams(number)
        if block.arrangement == 0:
            words = streams[0].view(element.word)
        elif block.predictor:
            words = _exact.add_predicted(streams, element, self._prediction(number))
        else:
            words = np.empty(streams[0].size, element.word)
            _exact.join(streams, element, words)
        out, at = {}, 0
        for i in block.tensors:
            size = directory.tensors[i].bytes // element.width
            out[i] = words[at : at + size]
            at += size
        return out

    def _prediction(self, number: int) -> Words:
        block = self.directory.blocks[number]
        assert block.element is not None
        parts = []
        for i in block.tensors:
            tensor = self.directory.tensors[i]
            if block.predictor == 2:
                parts.append(self._predicted_by_parent()[i])
            else:
                module = self.directory.entries[tensor.entry].module
                parts.append(_exact.seeded(self.directory.seed, module, tensor.shape, tensor.element))
        return np.concatenate(parts)

    # Tensors

    def tensor_numbers(self) -> range:
        return range(len(self.directory.tensors))

    def words(self, numbers: Sequence[int], keep: bool = False) -> dict[int, Words]:
        """The words of tensors, decoded on all cores; ``keep`` holds what their blocks hold for later."""
        try:
            self._prepare()
            with self._lock:
                found = {i: self._decoded[i] for i in numbers if i in self._decoded}
            blocks = sorted({self.directory.tensors[i].block for i in numbers if i not in found})
            if len(blocks) > 1:
                with ThreadPoolExecutor(min(workers(), len(blocks))) as pool:
                    results = list(pool.map(self._block_words, blocks))
            else:
                results = [self._block_words(number) for number in blocks]
        except TinaError as error:
            error.file = error.file or self.path
            raise
        for result in results:
            found.update(result)
            if keep:
                with self._lock:
                    self._decoded.update(result)
        return found

    def _prepare(self) -> None:
        if not self._checked_size:
            self._check_sizes()
            self._predicted_by_parent()
            if not self.trust:
                self._check_padding()
            self._checked_size = True

    def _check_sizes(self) -> None:
        """Bounds what is decoded, of the file and of each parent, before anything is."""
        for file in (self, *self._ancestors()):
            file.directory.check_decoded(len(file.data))

    def tensor(self, number: int) -> tuple[Tensor, Words]:
        return self.directory.tensors[number], self.words([number], keep=True)[number]

    def content_digest_of(self, words: dict[int, Words]) -> bytes:
        """The content digest of all tensors (section 10 of the format)."""
        numbers = list(self.tensor_numbers())
        with ThreadPoolExecutor(workers()) as pool:
            digests = list(pool.map(lambda i: sha256(as_bytes(words[i])), numbers))
        return content_digest(self.directory.entries, self.directory.tensors, digests)


def content_digest(entries: Sequence[Entry], tensors: Sequence[Tensor], digests: Sequence[bytes]) -> bytes:
    out = hashlib.sha256()
    for entry in entries:
        module, parameter = entry.module.encode(), entry.parameter.encode()
        start = struct.pack("<H", len(module)) + module + bytes([entry.kind])
        start += struct.pack("<H", len(parameter)) + parameter + entry.scale_bytes
        for position in range(entry.count):
            tensor = tensors[entry.first + position]
            out.update(start + bytes([position, tensor.element.code, len(tensor.shape)]))
            out.update(struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape) + digests[entry.first + position])
    return out.digest()


class Candidate:
    """A file that may be a parent, and the content that it states."""

    def __init__(self, source: Source | TinaFile) -> None:
        self.source = source
        self.digest = b""
        path = source.path if isinstance(source, TinaFile) else "" if isinstance(source, bytes) else os.fspath(source)
        self.place = os.path.realpath(path) if path else None
        try:
            if isinstance(source, TinaFile):
                self.digest = source.directory.content_digest
            else:
                header = Header(_map(source))
                directory = next(section for section in header.sections if section.type == b"TDIR")
                self.digest = (header.content(directory) or b"")[32:64]
        except (TinaError, OSError):
            pass

    def open(self) -> TinaFile:
        if isinstance(self.source, TinaFile):
            need(self.source.layers == len(self.source.directory.layers), "parent", "parent", "opened in part")
            return self.source
        return TinaFile(self.source, _needs_parent=False)


def is_name(name: str) -> bool:
    """Whether a name of a file stays in its folder (section 10.2 of the format)."""
    if not 1 <= len(name.encode()) <= 255 or name in (".", ".."):
        return False
    return all(character >= " " and character not in "\x7f/\\:" for character in name)


def _map(source: Source) -> memoryview:
    if isinstance(source, bytes):
        return memoryview(source)
    with open(source, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        # A private copy, page by page: arrays may be written to, and the file stays as it is.
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _check_metadata(meta: dict[str, Any]) -> None:
    for key in _KNOWN:
        if key in meta:
            value = meta[key]
            fits = _json.is_text(value) if key == "base_model_name" else isinstance(value, dict)
            if key == "tensor_metadata" and fits:
                fits = all(map(_json.is_text, value.values()))
            need(fits, "metadata", f"key {key!r}", "a value of another type")
