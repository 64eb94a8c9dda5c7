"""Writing: ``save_file``."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _exact, _json, _plan
from ._config import Settings
from ._directory import (
    CONVOLUTION, EMBEDDING, LOW_RANK, PAIR_BIAS, ROWS, Directory, Entry, Tensor,
)  # fmt: skip
from ._elements import I64, PREDICTED, Element, Words, as_bytes, of_array
from ._errors import AdapterError
from ._file import Source, TinaFile, content_digest
from ._header import sha256
from ._identity import BaseIdentity
from ._names import Name, parse, usual

Value = tuple[Element, tuple[int, ...], Words]


def save_file(
    tensors: Mapping[str, Any], path: str | os.PathLike[str], config: Mapping[str, Any] | None = None, *,
    metadata: Mapping[str, str] | None = None, scale: float | None = None, base: BaseIdentity | None = None,
    training: Mapping[str, Any] | None = None, plain: bool = False, seed: int | None = None,
    parent: Source | TinaFile | None = None,
) -> None:  # fmt: skip
    """Writes an adapter bit for bit, whole or not at all.

    ``tensors`` have PEFT's names, as in ``adapter_model.safetensors``; ``config`` is its ``adapter_config.json``, from
    which the scales are computed. Without one, ``scale`` is every pair's. ``plain`` stores tensors to be used in
    place: larger, and open at once. ``seed`` stores A as differences from that seed's, ``parent`` everything as
    differences from another file, which readers then need.
    """
    settings = Settings(dict(config)) if config is not None else None
    entries = _entries(tensors, settings, scale)
    entries.sort(key=lambda item: item[0].order)
    records = [entry for entry, _ in entries]
    values = [value for _, its in entries for value in its]
    first, listed = 0, []
    for number, (entry, its) in enumerate(entries):
        entry.first, first = first, first + entry.count
        listed += [Tensor(element, shape, 0, number, i) for i, (element, shape, _) in enumerate(its)]
    for before, after in zip(records, records[1:]):
        if before.order == after.order:
            raise AdapterError(f"two entries of {after.module} are alike")
    words = [value[2] for value in values]
    source = parent if isinstance(parent, TinaFile) or parent is None else TinaFile(parent)
    predictors, predicted = _predictions(records, listed, None if plain else seed, None if plain else source)
    blocks = _plan.encode_all(_plan.plan(records, listed, predictors, plain), listed, words, predicted, plain)
    digests = [sha256(as_bytes(part)) for part in words]
    content = content_digest(records, listed, digests)
    its_parent = source.directory.content_digest if source is not None and 2 in predictors else bytes(32)
    head = (seed or 0) if 1 in predictors else 0, content, its_parent
    meta = _metadata(config, metadata, training, source if any(its_parent) else None)
    index, begins = _plan.assemble(meta, base.bytes if base else None, head, records, listed, blocks)
    _save(index, blocks, begins, os.fspath(path))


def _entries(
    tensors: Mapping[str, Any], settings: Settings | None, scale: float | None
) -> list[tuple[Entry, list[Value]]]:
    found: dict[tuple[str, int, str], dict[int, tuple[str, Name, Value]]] = {}
    for name, value in tensors.items():
        parts = parse(name)
        its = found.setdefault((parts.path, parts.kind, parts.parameter), {})
        if parts.position in its:
            raise AdapterError(f"{name}: another such tensor of {parts.path}")
        its[parts.position] = (name, parts, of_array(value))
    out = []
    for (path, kind, parameter), its in found.items():
        pair = kind in (LOW_RANK, EMBEDDING)
        if pair and set(its) != {0, 1}:
            raise AdapterError(f"{path}: a matrix of the pair is missing, found {its[min(its)][0]} alone")
        given = [its[i][0] for i in sorted(its)]
        values = [its[i][2] for i in sorted(its)]
        module = its[min(its)][1].module
        if kind == LOW_RANK and len(values[0][1]) > 2:
            kind = CONVOLUTION
        origin, alpha, factor = 0, None, 1.0
        if pair or kind == PAIR_BIAS:
            rank = settings.rank_of(path) if settings else (values[0][1] or (0,))[0]
            if pair:
                _check_pair(path, values, rank, kind)
            if settings:
                alpha = settings.alpha_of(path)
                factor, origin = settings.scale(rank, alpha), 2 if settings.is_root else 1
            elif scale is not None:
                factor = float(np.float32(scale))
            else:
                raise AdapterError("the adapter has pairs: give config=, PEFT's adapter_config.json, or scale=")
        if kind == ROWS:
            numbers = np.array(settings.tokens_of(path) if settings else [], "<i8")
            if numbers.size not in (0, (values[0][1] or (0,))[0]):
                raise AdapterError(f"{path}: {numbers.size} numbers for rows of shape {list(values[0][1])}")
            values.append((I64, (numbers.size,), numbers.view("<u8")))
        own = given != usual(kind, path, parameter)
        attributes = {"tensor_names": given} if own else None
        if not pair and kind != CONVOLUTION:
            origin, alpha = 0, None
        out.append(
            (
                Entry(
                    kind, origin, factor, alpha, module, path, parameter, attributes, (0.0,), 0, len(values),
                    struct.pack("<f", factor),
                ),
                values,
            )
        )  # fmt: skip
    return out


def _check_pair(path: str, values: list[Value], rank: int, kind: int) -> None:
    (_, a, _), (_, b, _) = values
    # PEFT's second convolution has a kernel of one element.
    fits = len(a) == len(b) and (len(a) == 2 or (len(a) > 2 and kind != EMBEDDING)) and not set(b[2:]) - {1}
    if not fits or 0 in a + b or a[0] != rank or b[1] != rank:
        raise AdapterError(
            f"{path}: A of shape {list(a)} and B of shape {list(b)}, where [{rank}, in] and [out, {rank}] are expected"
            " for the rank of the configuration"
        )


def _predictions(
    entries: list[Entry], tensors: list[Tensor], seed: int | None, parent: TinaFile | None
) -> tuple[list[int], list[Words | None]]:
    predictors, predicted = [0] * len(tensors), [None] * len(tensors)  # type: list[int], list[Words | None]
    theirs: dict[tuple[str, int, str], Entry] = {}
    words: dict[int, Words] = {}
    if parent is not None:
        words = parent.words(parent.tensor_numbers())
        if parent.content_digest_of(words) != parent.directory.content_digest:
            raise AdapterError(f"{parent.path}: the parent's content is not what it states; nothing was written")
        for entry in parent.directory.entries:
            theirs.setdefault(entry.key, entry)
    for number, tensor in enumerate(tensors):
        entry = entries[tensor.entry]
        if tensor.element.name not in PREDICTED:
            continue
        if (other := theirs.get(entry.key)) is not None and parent is not None:
            record = parent.directory.tensors[other.first + tensor.position]
            if (record.element, record.shape) == (tensor.element, tensor.shape):
                predictors[number], predicted[number] = 2, words[other.first + tensor.position]
                continue
        if seed is not None and entry.kind == LOW_RANK and tensor.position == 0:
            predictors[number] = 1
            predicted[number] = _exact.seeded(seed, entry.module, tensor.shape, tensor.element)
    return predictors, predicted


def _metadata(
    config: Mapping[str, Any] | None, metadata: Mapping[str, str] | None, training: Mapping[str, Any] | None,
    parent: TinaFile | None,
) -> bytes:  # fmt: skip
    meta: dict[str, Any] = {}
    if config is not None:
        if isinstance(name := config.get("base_model_name_or_path"), str):
            meta["base_model_name"] = name
        meta["configuration"] = dict(config)
    if metadata:
        meta["tensor_metadata"] = dict(metadata)
    if training is not None:
        meta["training"] = dict(training)
    if parent is not None and parent.path:
        meta["parent"] = {"file": os.path.basename(parent.path)}
    return _json.dump(meta).encode()


def _save(index: bytes, blocks: list[_plan.Made], begins: list[int], path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    handle, scratch = tempfile.mkstemp(dir=folder, prefix=".tina-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(index)
            for block, begin in zip(blocks, begins, strict=True):
                out.write(bytes(begin - out.tell()))
                for _, data in block.streams:
                    out.write(data)
            length = out.tell()
            out.flush()
            os.fsync(out.fileno())
        _check(scratch, length)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def _check(path: str, length: int) -> None:
    """Nothing is written that a reader would refuse."""
    file = TinaFile(path, _needs_parent=False)
    directory: Directory = file.directory
    directory.check_decoded(length)
