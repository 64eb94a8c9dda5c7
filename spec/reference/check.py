"""Runs the Python reader over the conformance files.

    python3 check.py [--flips]      --flips: also every byte flipped and every truncation of every valid file
"""

import json
import os
import sys

from tina_reader import TinaError, validate

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../conformance")


def load(path):
    with open(os.path.join(FOLDER, path), "rb") as file:
        return file.read()


def open_parents(paths):
    parents = []
    for path in paths:
        parents.append(validate(load(path), parents)[0])
    return parents


def content(file, layers):
    """The content digest of what a reader of so many layers gets."""
    file.require = lambda _=None: layers
    return file.computed_content_digest().hex()


def check_valid(case):
    data = load(case["file"])
    file, layers = validate(data, open_parents(case.get("parents", [])))
    yield file.file_digest.hex() == case["file_digest"], "another file digest"
    yield layers == case.get("layers", len(file.layers)), f"{layers} layers"
    yield content(file, layers) == case["content_digest"], "another content digest"
    for number, digest in enumerate(case.get("prefix_digests", []), 1):
        cut, _ = validate(data[: file.layers[number - 1]["end"]])
        yield content(cut, number) == digest, f"another content of {number} layers"
    if "layers" in case:
        try:
            validate(data)[0].tensor(0)
            yield False, "read without a number of layers though it is cut"
        except TinaError as error:
            yield error.rule == "truncated", f"{error}, expected truncated"


def check_invalid(case):
    try:
        validate(load(case["file"]), open_parents(case.get("parents", [])))
    except TinaError as error:
        yield error.rule == case["rule"], f"{error}, expected {case['rule']}"
    else:
        yield False, f"accepted, expected {case['rule']}"


def check_flips(case):
    """Every change of a byte and every truncation is noticed; a cut between layers is a prefix."""
    data = load(case["file"])
    parents = open_parents(case.get("parents", []))
    whole = validate(data, parents)[0]
    ends = [layer["end"] for layer in whole.layers]
    for place in range(len(data)):
        yield refused(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :], parents), f"byte {place}"
        if place not in ends:
            yield refused(data[:place], parents), f"cut to {place}"


def refused(data, parents):
    try:
        validate(data, parents)
    except TinaError:
        return True
    return False


def main(arguments):
    with open(os.path.join(FOLDER, "manifest.json")) as file:
        manifest = json.load(file)
    checks = [(case, check_valid) for case in manifest["valid"]]
    checks += [(case, check_invalid) for case in manifest["invalid"]]
    if "--flips" in arguments:
        checks += [(case, check_flips) for case in manifest["valid"]]
    failures = count = 0
    for case, check in checks:
        try:
            for passed, message in check(case):
                count += 1
                if not passed:
                    failures += 1
                    print(f"{case['file']}: {message}")
        except TinaError as error:
            failures += 1
            print(f"{case['file']}: {error}")
    print(f"{count} checks of {len(checks)} files, {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
