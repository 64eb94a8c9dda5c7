"""Prints a .tina file byte by byte, as the tables of ../tina-format.md have it.

    python3 annotate.py FILE
"""

import struct
import sys


def shown(data):
    text = " ".join(f"{byte:02X}" for byte in data)
    return f"`{text if len(data) <= 24 else text[:23] + ' … ' + text[-11:]}`"


def main(path):
    data = open(path, "rb").read()
    at = 0

    def row(size, meaning):
        nonlocal at
        if size:
            print(f"| {at} | {shown(data[at : at + size])} | {meaning} |")
        at += size

    def number(layout, meaning):
        (value,) = struct.unpack_from("<" + layout, data, at)
        row(struct.calcsize("<" + layout), meaning.format(value))
        return value

    print("| offset | bytes | meaning |\n|---|---|---|")
    row(8, "signature")
    number("H", "major version {}")
    number("H", "minor version {}")
    count = number("I", "{} sections")
    index = number("Q", "index length {}")
    number("Q", "file length {}")
    row(32, f"SHA-256 of bytes 128…{127 + 64 * count}, the table")
    row(32, "reserved")
    row(32, "SHA-256 of bytes 0…95: the file digest")
    sections = []
    for _ in range(count):
        name = data[at : at + 4].decode()
        row(4, f"`{name}`")
        number("I", "codec {}")
        stored = number("Q", "stored length {}")
        number("Q", "decoded length {}")
        row(8, "reserved")
        row(32, "SHA-256 of its stored bytes")
        sections.append((name, stored))
    for name, stored in sections:
        if name == "TDIR":
            blocks = directory(number, row, data, at)
        else:
            row(stored, f"`{name}`: `{data[at : at + stored].decode()}`")
    row(index - at, "padding")
    for n, (in_place, lengths) in enumerate(blocks):
        row(-at % 64 if in_place else 0, "padding")
        for i, length in enumerate(lengths):
            row(length, f"block {n}, stream {i}")


def directory(number, row, data, at):
    layers = number("I", "N = {} layers")
    entries = number("I", "E = {} entries")
    number("I", "T = {} tensors")
    blocks = number("I", "K = {} blocks")
    number("Q", "seed {}")
    row(8, "reserved")
    row(32, "content digest")
    row(32, "the parent's content digest")
    row(16, "reserved")
    for n in range(1, layers + 1):
        number("Q", f"layer {n} ends at {{}}")
        number("I", "{} refinement bits")
        number("f", "largest error {:.6g}")
        number("f", "whole error {:.6g}")
        row(4, "reserved")
    tensors = 0
    for _ in range(entries):
        number("B", "kind {}")
        number("B", "origin {} of the scale")
        number("B", "flags {}")
        tensors += number("B", "{} tensors")
        number("f", "scale {:g}")
        number("d", "alpha {:g}")
        lengths = [number("H", what + " of {} bytes") for what in ("module name", "path", "parameter name")]
        row(2, "reserved")
        lengths.append(number("I", "attributes of {} bytes"))
        for n in range(1, layers + 1):
            number("f", f"error with {n} of the layers: {{:.6g}}")
        for length, what in zip(lengths, ("module name", "path", "parameter name", "attributes")):
            row(length, what)
    for _ in range(tensors):
        number("B", "element type {}")
        dimensions = number("B", "{} dimensions")
        row(2, "reserved")
        number("I", "in block {}")
        for _ in range(dimensions):
            number("Q", "size {}")
    found = []
    for n in range(blocks):
        form = number("B", f"block {n}: form {{}}")
        number("B", "element type {}")
        arrangement = number("B", "arrangement {}")
        number("B", "predictor {}")
        streams = number("B", "{} streams")
        row(3, "reserved")
        number("I", "refines block {}")
        row(16, "SHA-128 of its bytes")
        codecs, lengths = [], []
        for i in range(streams):
            codecs.append(number("I", f"stream {i}: codec {{}}"))
            lengths.append(number("Q", "stored length {}"))
        found.append((form < 2 and arrangement == 0 and codecs[0] == 0, lengths))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
