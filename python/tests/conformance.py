"""The conformance files, as the manifest describes them."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "spec/conformance"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())


def cases(kind):
    return [(case["file"], case) for case in MANIFEST[kind]]


def parents(case):
    """The files that may be parents: paths, then the contents of a pack."""
    found = [FOLDER / name for name in case.get("parents", [])]
    data = (FOLDER / case["pack"]).read_bytes() if "pack" in case else b""
    while data:
        length = int.from_bytes(data[24:32], "little")
        found.append(data[:length])
        data = data[length:]
    return found


def everywhere(case):
    """Those, and the one that is found by its place: for a copy of the file elsewhere."""
    return parents(case) + ([FOLDER / case["found"]] if "found" in case else [])
