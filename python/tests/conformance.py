"""The conformance files, as the manifest describes them."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "spec/conformance"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())


def cases(kind):
    return [(case["file"], case) for case in MANIFEST[kind]]


def parents(case):
    """The files that may be parents: paths, or the contents of a pack."""
    if "pack" not in case:
        return [FOLDER / name for name in case.get("parents", [])]
    data, found = (FOLDER / case["pack"]).read_bytes(), []
    while data:
        length = int.from_bytes(data[24:32], "little")
        found.append(data[:length])
        data = data[length:]
    return found
