"""The minimal reader of spec/tina-format.md, from its text alone: low-rank pairs, exact, in one layer.

    python3 minimal_reader.py FILE
"""

import re
import struct
import sys
from hashlib import sha256

import numpy as np
import zstandard

BITS = [0, 8, 8, 8, 8, 8, 8, 8, 8, 4, 6, 6, 16, 16, 16, 16, 32, 32, 32, 64, 64, 64, 64]
ROTATED, SIGNED = (15, 18, 20), (3, 12, 16, 21)  # BF16 F32 F64; I8 I16 I32 I64


class Refused(Exception):
    """What is broken, or what this reader does not read."""


def need(condition, what):
    if not condition:
        raise Refused(what)


def decode(data, codec, length):
    need(codec == 1 or (codec == 0 and len(data) == length), "codec, or the length of a stored stream")
    if codec == 0:
        return data
    need(length <= 32768 * len(data), "a frame that expands too far")
    frame = zstandard.get_frame_parameters(data)
    plain = not frame.dict_id and not frame.has_checksum
    need(plain and frame.content_size == length and frame.window_size <= 1 << 20, "frame header")
    return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)


class Records:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        self.at += struct.calcsize("<" + layout)
        return struct.unpack_from("<" + layout, self.data, self.at - struct.calcsize("<" + layout))


def index(data):
    """The directory's bytes, and where the blocks begin."""
    need(data[:8] == b"\x89TINA\r\n\n" and len(data) >= 128, "signature")
    major, _, count, begin, length = struct.unpack_from("<HHIQQ", data, 8)
    need(major == 1 and sha256(data[:96]).digest() == data[96:128] and not any(data[64:96]), "header")
    need(2 <= count <= 64 and begin % 64 == 0 and 128 + 64 * count <= begin <= length == len(data), "lengths")
    need(sha256(data[128 : 128 + 64 * count]).digest() == data[32:64], "section table")
    at, known = 128 + 64 * count, {}
    for n in range(count):
        name, codec, stored, decoded, reserved, digest = struct.unpack_from("<4sIQQ8s32s", data, 128 + 64 * n)
        need(name.isalpha() and name[2:3].isupper() and not any(reserved) and name not in known, "section")
        need(name[:1].islower() or name in (b"META", b"BASE", b"TDIR"), "an unknown critical section")
        part, at = data[at : at + stored], at + stored
        need(sha256(part).digest() == digest, "section digest")
        need(decoded <= 64 << 20 or name[:1].islower(), "section size")
        known[name] = decode(part, codec, decoded) if name[:1].isupper() else b""
    need(-(-at // 64) * 64 == begin and {b"META", b"TDIR"} <= set(known), "sections")
    return known[b"TDIR"], begin


def read(data):
    """{module: (scale, A, B)} with words of each element type."""
    directory, at = index(data)
    records = Records(directory)
    layers, entries, count, blocks, _, reserved, _, _, more = records.take("IIIIQ8s32s32s16s")
    need(not any(reserved + more) and records.take("QIffI")[4] == 0, "reserved fields of the directory")
    need(layers == 1, "several quality layers, which the minimal reader does not read")
    need(entries <= 1 << 17 and blocks <= 1 << 19 and count == 2 * entries, "counts, or other kinds than pairs")
    last, modules, tensors, words = (-2,), [], [], [None] * count
    for _ in range(entries):
        kind, _, flags, n, scale, _, module, path, parameter, zero, attributes, _ = records.take("BBBBfdHHHHIf")
        need(kind == 1 and n == 2, "a kind other than low-rank pairs, which the minimal reader does not read")
        need(flags <= 1 and zero == 0, "flags or a reserved field of an entry")
        name, at_path = (records.take(f"{length}s")[0] for length in (module, path))
        records.take(f"{parameter + attributes}x")
        depth = next((int(part) for part in name.split(b".") if re.fullmatch(rb"[0-9]{1,9}", part)), -1)
        need(last < (depth, name, at_path), "entries out of order")
        last = depth, name, at_path
        modules.append((name.decode(), scale))
    for _ in range(count):
        element, dimensions, zero, block = records.take("BBHI")
        need(zero == 0, "a reserved field of a tensor")
        need(1 <= element <= 22 and BITS[element] >= 8 and dimensions == 2 and block < blocks, "a tensor")
        shape = records.take("QQ")
        need(0 < min(shape) and max(shape) < 1 << 40, "a shape")
        tensors.append((element, shape, block))
    total = sum(BITS[element] // 8 * a * b for element, (a, b), _ in tensors)
    need(total <= max(512 << 20, 64 * len(data)), "tensors that are too large for the file")
    for number in range(blocks):
        form, element, planes, predictor, streams, zeros, target, digest = records.take("BBBBB3sI16s")
        need(not any(zeros), "a reserved field of a block")
        need(form == predictor == target == 0 and planes <= 1, "a form or predictor beyond the minimal reader")
        listed = [records.take("IQ") for _ in range(streams)]
        held = [i for i in range(count) if tensors[i][2] == number]
        in_place = planes == 0 and listed[0][0] == 0
        need(held and all(tensors[i][0] == element for i in held) and len(held) < 2 + count * (not in_place), "tensors")
        sizes = [tensors[i][1][0] * tensors[i][1][1] for i in held]
        width = BITS[element] // 8
        need(streams == (width if planes else 1), "number of streams")
        at = -(-at // 64) * 64 if in_place else at
        end = at + sum(stored for _, stored in listed)
        need(end <= len(data) and sha256(data[at:end]).digest()[:16] == digest, "a block's digest")
        rows = np.empty((sum(sizes), width), np.uint8)
        for j, (codec, stored) in enumerate(listed):
            part = np.frombuffer(decode(data[at : at + stored], codec, rows.size // streams), np.uint8)
            (rows[:, j] if planes else rows.reshape(-1))[:] = part
            at += stored
        x, one = rows.view(f"<u{width}").reshape(-1), np.array(1, f"<u{width}")[()]
        if planes and element in ROTATED:
            x = x >> one | x << x.dtype.type(8 * width - 1)
        elif planes and element in SIGNED:
            x = x >> one ^ (x & one) * x.dtype.type((1 << 8 * width) - 1)
        for i, part in zip(held, np.split(x, np.cumsum(sizes)[:-1])):
            words[i] = part.reshape(tensors[i][1])
    need(at == len(data) and records.at == len(directory), "an end elsewhere")
    need(all(a.shape[0] == b.shape[1] for a, b in zip(words[::2], words[1::2])), "ranks of a pair")
    return {module: (scale, a, b) for (module, scale), a, b in zip(modules, words[::2], words[1::2])}


if __name__ == "__main__":
    for module, (scale, a, b) in read(open(sys.argv[1], "rb").read()).items():
        print(f"{module}: scale {scale:g}, A {a.shape}, B {b.shape}, {a.dtype.itemsize} bytes a number")
