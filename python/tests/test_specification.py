"""The text's own claims: its examples are the files' bytes, and its minimal reader reads what it says."""

import hashlib
import re

import pytest
from conformance import FOLDER, MANIFEST, parents
from minimal_reader import Refused, read

from tina import TinaFile

TEXT = (FOLDER.parent / "tina-format.md").read_text()


@pytest.mark.parametrize("name", ["exact-special-values", "example-layers"])
def test_examples_are_the_files_bytes(name):
    data = (FOLDER / f"valid/{name}.tina").read_bytes()
    part = TEXT[TEXT.index(f"`spec/conformance/valid/{name}.tina`") :]
    rows, at = 0, None
    for line in part.splitlines():
        if not (match := re.match(r"\| (\d+) \| `([0-9A-F …]+)` \|", line)):
            if rows and not line.startswith("|"):
                break
            continue
        offset, shown = int(match[1]), match[2].split(" … ")
        first = bytes.fromhex(shown[0])
        assert data[offset : offset + len(first)] == first, line
        assert at is None or offset >= at, line
        at = offset + len(first)
        rows += 1
    assert rows > 60


def is_minimal(file):
    kinds = {entry.kind for entry in file.directory.entries} <= {1}
    blocks = all(block.form == 0 and block.predictor == 0 for block in file.directory.blocks)
    return kinds and blocks and len(file.directory.layers) == 1


@pytest.mark.parametrize("case", MANIFEST["valid"], ids=lambda case: case["file"])
def test_minimal_reader(case):
    """It reads every file of its profile, bit for bit, and refuses every other one by name."""
    data = (FOLDER / case["file"]).read_bytes()
    file = TinaFile(FOLDER / case["file"], case.get("layers"), parents(case))
    if not is_minimal(file) or "layers" in case:
        with pytest.raises(Refused):
            read(data)
        return
    found = []
    for _, a, b in read(data).values():
        found += [hashlib.sha256(words.tobytes()).hexdigest() for words in (a, b)]
    if len({entry.module for entry in file.directory.entries}) == len(file.directory.entries):
        assert found == case["tensors"]


@pytest.mark.parametrize("case", MANIFEST["invalid"], ids=lambda case: case["file"])
def test_minimal_reader_uses_no_damaged_bytes(case):
    """It may miss what only validators check, but no digest, no frame and no length."""
    data = (FOLDER / case["file"]).read_bytes()
    skipped = {
        "reserved", "scale", "name", "order", "error", "attributes", "metadata", "base", "padding", "content-digest",
        "layers", "predictor", "parent", "section-order", "directory", "layout", "limit", "shape", "section-type",
    }  # fmt: skip
    if case["rule"] in skipped:
        return
    with pytest.raises(Exception):  # noqa: B017  (a frame's fault is Zstandard's)
        read(data)
