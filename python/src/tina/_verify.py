"""Validating a file: every byte is read, every rule checked."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ._elements import as_bytes
from ._errors import TinaError
from ._file import Source, TinaFile, content_digest, workers
from ._header import sha256


@dataclass
class Report:
    """What ``verify`` found."""

    extent: str
    """"complete", "prefix" (cut exactly at the end of a layer: a weaker adapter) or "damaged"."""
    faults: list[TinaError] = field(default_factory=list)
    """Everything that is wrong, in the order of reading; a prefix is no fault."""
    layers: int = 0
    """How many whole layers are there."""
    content_digest: bytes | None = None
    """Of the complete file, computed."""

    @property
    def is_valid(self) -> bool:
        """Whether the file is complete and breaks no rule."""
        return self.extent == "complete" and not self.faults

    def __bool__(self) -> bool:
        return self.is_valid


def verify(source: Source, parents: Iterable[Source | TinaFile] = ()) -> Report:
    """Reads a whole file, checks every digest and rule, and decodes everything."""
    try:
        file = TinaFile(source, parents=parents, _allows_cut=True)
        file._check_sizes()
        file._predicted_by_parent()
    except TinaError as error:
        error.file = error.file or ("" if isinstance(source, bytes) else str(source))
        return Report("damaged", [error])
    report = Report("complete", layers=file.layers)
    if len(file.data) < file.header.file_length:
        is_prefix = file.layers > 0 and file.directory.layers[file.layers - 1].end == len(file.data)
        report.extent = "prefix" if is_prefix else "damaged"
        if not is_prefix:
            report.faults.append(TinaError("truncated", "", f"{len(file.data)} of {file.header.file_length} bytes"))
    try:
        file._check_padding()
    except TinaError as error:
        report.faults.append(error)
    numbers = [i for i, block in enumerate(file.directory.blocks) if block.layer < file.layers]
    digests = [b""] * len(file.directory.tensors)

    def check(number: int) -> TinaError | None:
        try:
            if file.directory.blocks[number].form == 2:
                file._streams(number)
                return None
            for tensor, words in file._block_words(number).items():
                digests[tensor] = sha256(as_bytes(words))
            return None
        except TinaError as error:
            return error

    with ThreadPoolExecutor(workers()) as pool:
        for result in pool.map(check, numbers):
            # A damaged refinement shows twice, by itself and in the block that it refines.
            if result is not None and all(str(result) != str(other) for other in report.faults):
                report.faults.append(result)
    if not report.faults and report.extent == "complete":
        digest = content_digest(file.directory.entries, file.directory.tensors, digests)
        if digest == file.directory.content_digest:
            report.content_digest = digest
        else:
            report.faults.append(TinaError("content-digest", "directory", "other content than the digest says"))
    for fault in report.faults:
        fault.file = fault.file or file.path
    return report
