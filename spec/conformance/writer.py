"""A writer of .tina files for the conformance files, independent of both readers.

It writes what it is told, valid or not: every field can be changed before the digests over it are computed
(`edit`), and every byte after (`damage`).
"""

import hashlib
import json
import math
import struct

import numpy as np
import zstandard

ELEMENTS = {
    "BOOL": (1, 8), "U8": (2, 8), "I8": (3, 8), "F8_E5M2": (4, 8), "F8_E4M3": (5, 8), "F8_E8M0": (6, 8),
    "F8_E4M3FNUZ": (7, 8), "F8_E5M2FNUZ": (8, 8), "F4": (9, 4), "F6_E2M3": (10, 6), "F6_E3M2": (11, 6),
    "I16": (12, 16), "U16": (13, 16), "F16": (14, 16), "BF16": (15, 16), "I32": (16, 32), "U32": (17, 32),
    "F32": (18, 32), "C64": (19, 64), "F64": (20, 64), "I64": (21, 64), "U64": (22, 64),
}  # fmt: skip
LOW_RANK, CONVOLUTION, EMBEDDING, MAGNITUDE, PAIR_BIAS, BIAS, ROWS, FULL = range(1, 9)


def sha256(data):
    return hashlib.sha256(bytes(data)).digest()


def zstd(data, level=19, **parameters):
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, write_content_size=1, write_checksum=0, write_dict_id=0, window_log=17, **parameters
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(data))


def rle_frame(size, byte, window=None):
    """The smallest frame of one byte, repeated; a single segment, or with the byte that states a window."""
    out = b"\x28\xb5\x2f\xfd" + (b"\xa0" if window is None else b"\x80" + bytes([window])) + struct.pack("<I", size)
    left, most = size, 128 << 10
    while left:
        part = min(left, most)
        left -= part
        out += ((left == 0) | 1 << 1 | part << 3).to_bytes(3, "little") + bytes([byte])
    return out


# Numbers in element types


def bf16(values):
    bits = np.asarray(values, "<f4").reshape(-1).view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def stored(values, element):
    if element == "F32":
        return np.asarray(values, "<f4").tobytes()
    if element == "F16":
        return np.asarray(values, "<f4").astype("<f2").tobytes()
    return bf16(values)


def tensor(element, shape, data):
    return {"element": element, "shape": list(shape), "data": bytes(data)}


def pair(rng, element, rank, inner, outer, zero=False, spread=0.02):
    a = rng.uniform(-1, 1, (rank, inner)) / math.sqrt(inner)
    b = np.zeros((outer, rank)) if zero else rng.normal(0, spread, (outer, rank))
    return [
        tensor(element, a.shape, stored(a, element)),
        tensor(element, b.shape, stored(b, element)),
    ]


def entry(kind, module, tensors, origin=None, scale=None, alpha=None, path="", parameter="", attributes=b""):
    is_pair = kind <= 3
    if scale is None:
        scale = 2.0 if is_pair or kind == PAIR_BIAS else 1.0
    if is_pair and origin is None:
        rank = tensors[0]["shape"][0]
        origin, alpha = (1, scale * rank) if alpha is None else (0, alpha)
    return {
        "kind": kind, "origin": origin or 0, "flags": int(alpha is not None), "scale": scale, "alpha": alpha or 0.0,
        "module": module, "path": path, "parameter": parameter, "attributes": attributes, "tensors": tensors,
        "errors": None, "reserved": 0,
    }  # fmt: skip


# Blocks


def ordered(x, bits):
    """ord(x)"""
    return x ^ ((1 << bits) - 1) if x >> (bits - 1) else x ^ (1 << (bits - 1))


def zigzag(d, bits):
    mask = (1 << bits) - 1
    return ((2 * d) & mask) ^ (mask if d >> (bits - 1) else 0)


def words_of(data, bits):
    size = max(1, bits // 8)
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ k[0], second & 0xFFFFFFFF, (first >> 32) ^ c[3] ^ k[1], first & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def seeded_values(seed, module, rows, columns):
    hashed = sha256(module.encode())
    h0, h1 = int.from_bytes(hashed[:4], "little"), int.from_bytes(hashed[4:8], "little")
    bound = np.float32(1 / math.sqrt(columns))
    values = []
    for i in range(rows * columns):
        group = i // 4
        block = philox((group & 0xFFFFFFFF, group >> 32, h0, h1), (seed & 0xFFFFFFFF, seed >> 32))
        values.append(np.float32((block[i % 4] >> 8) * 2.0**-23 - 1) * bound)
    return np.array(values, "<f4")


def exact(names, arrangement=0, predictor=0, codec=0, predicted=None, level=19):
    """A block of form 0 over the tensors `names`: (entry number, position)."""
    return {
        "form": 0, "names": names, "arrangement": arrangement, "predictor": predictor, "codec": codec,
        "predicted": predicted, "level": level,
    }  # fmt: skip


def exact_streams(plan, tensors):
    element = tensors[0]["element"]
    bits = ELEMENTS[element][1]
    data = b"".join(tensor["data"] for tensor in tensors)
    if plan["arrangement"] == 0:
        return [data]
    words = words_of(data, bits)
    mask = (1 << bits) - 1
    if plan["predictor"]:
        predictions = words_of(plan["predicted"], bits)
        shift, field = {"F32": (23, 0xFF), "BF16": (7, 0xFF), "F16": (10, 0x1F)}[element]
        pairs = sorted(zip(words, predictions), key=lambda pair: pair[1] >> shift & field)  # a stable sort
        words = [zigzag((ordered(x, bits) - ordered(p, bits)) & mask, bits) for x, p in pairs]
    elif element in ("F32", "F64", "BF16"):
        words = [((x << 1) & mask) | (x >> (bits - 1)) for x in words]
    elif element in ("I8", "I16", "I32", "I64"):
        words = [zigzag(x, bits) for x in words]
    return [bytes((word >> (8 * j)) & 0xFF for word in words) for j in range(bits // 8)]


class Quantised:
    """Integer pairs: entries whose tensors are what the integers decode to."""

    def __init__(self, rng, pairs, element="I8", bits=(), arrangement=1, codec=1, tiers=True, zero_component=False, repeated=False):
        self.element, self.bits, self.arrangement, self.codec = element, list(bits), arrangement, codec
        self.shapes, self.full, self.scales, self.entries, self.sources = pairs, [], [], [], []
        top = 127 if element == "I8" else 32767
        total = sum(bits)
        for module, rank, inner, outer in pairs:
            if repeated:
                a, b = (np.arange(rank) % 7 - 3.0).reshape(rank, 1) + 0.5, np.ones((1, rank))
                self.full.append((np.rint(2 * a).astype(np.int64), b.astype(np.int64)))
                self.scales.append(np.full(rank, 2.0**-9, np.float32))
                self.sources.append(np.ones((1, 1)))
                continue
            a = rng.uniform(-1, 1, (rank, inner)) / math.sqrt(inner)
            b = rng.normal(0, 0.02, (outer, rank)) * 2.0 ** -np.arange(rank)
            reach = top * 2**total * 0.9
            qa = np.rint(a / np.abs(a).max(1, keepdims=True) * reach).astype(np.int64)
            qb = np.rint(b / np.abs(b).max(0, keepdims=True) * reach).astype(np.int64)
            g = (np.abs(a).max(1) * np.abs(b).max(0) / reach**2).astype(np.float32)
            if zero_component:
                g[-1] = 0
            self.full.append((qa, qb))
            self.scales.append(g)
            self.sources.append((b * 1.0) @ a)
        self.rows = []
        for qa, qb in self.full:
            self.rows += list(qa) + list(qb.T)
        self.tiers = bytes((i * 5) % 16 if tiers else 0 for i in range(len(self.rows)))
        order = range(len(self.rows))
        if arrangement == 1:
            order = sorted(order, key=lambda row: self.tiers[row])
        symbols = np.concatenate([self.rows[row] for row in order]).tolist()
        # From the finest layer back: q = coarse · 2^k + u − 2^(k−1) with u in 0 … 2^k − 1.
        self.refinements = []
        for k in reversed(self.bits):
            coarse = [(q + (1 << (k - 1))) >> k for q in symbols]
            self.refinements.insert(0, [q - (c << k) + (1 << (k - 1)) for q, c in zip(symbols, coarse)])
            symbols = coarse
        self.symbols = symbols
        self.refresh()

    def refresh(self):
        """Makes the entries anew, after a change of the integers."""
        decoded = zip(self.shapes, self.decoded(len(self.bits) + 1))
        self.entries = [entry(LOW_RANK, module, tensors) for (module, *_), tensors in decoded]

    def decoded(self, layers):
        """The tensors that a reader of so many layers gets."""
        symbols = list(self.symbols)
        for n, k in enumerate(self.bits, 2):
            u = self.refinements[n - 2] if n <= layers else [1 << (k - 1)] * len(symbols)
            symbols = [(q << k) + part - (1 << (k - 1)) for q, part in zip(symbols, u)]
        order = list(range(len(self.rows)))
        if self.arrangement == 1:
            order.sort(key=lambda row: self.tiers[row])
        rows, at = {}, 0
        for row in order:
            rows[row] = np.array(symbols[at : at + len(self.rows[row])], np.float32)
            at += len(self.rows[row])
        out, row = [], 0
        for (_, rank, inner, outer), g in zip(self.shapes, self.scales):
            a, b = np.zeros((rank, inner), "<f4"), np.zeros((outer, rank), "<f4")
            for c in range(rank):
                h = np.float32(1)
                if g[c]:
                    h = np.float32(2.0 ** math.floor(math.floor(math.log2(float(g[c]))) / 2))
                a[c] = h * rows[row + c]
                b[:, c] = np.float32(g[c] / h) * rows[row + rank + c]
            row += 2 * rank
            out.append([tensor("F32", a.shape, a.tobytes()), tensor("F32", b.shape, b.tobytes())])
        return out

    def errors(self):
        """For each entry, the relative error of each prefix; and the squares of it and of the whole."""
        table, squares = [], []
        for layers in range(1, len(self.bits) + 2):
            row = []
            for source, (a, b) in zip(self.sources, self.decoded(layers)):
                product = matrix(b).astype(float) @ matrix(a).astype(float)
                row.append((np.square(source - product).sum(), np.square(source).sum()))
            squares.append(row)
        for i in range(len(self.shapes)):
            table.append([math.sqrt(row[i][0] / row[i][1]) for row in squares])
        whole = [math.sqrt(sum(e for e, _ in row) / sum(w for _, w in row)) for row in squares]
        return table, whole

    def plan(self, first=0):
        names = [(first + i, position) for i in range(len(self.shapes)) for position in (0, 1)]
        return {
            "form": 1, "names": names, "arrangement": self.arrangement, "codec": self.codec, "quantised": self,
            "refinement_codec": 0,
        }  # fmt: skip

    def streams(self):
        scales = b"".join(g.astype("<f4").tobytes() for g in self.scales)
        size = 1 if self.element == "I8" else 2
        if self.arrangement == 0:
            return [np.array(self.symbols).astype(f"<i{size}").tobytes(), scales]
        z = [2 * q if q >= 0 else -2 * q - 1 for q in self.symbols]
        planes = [bytes((word >> (8 * j)) & 0xFF for word in z) for j in range(size)]
        return planes + [self.tiers, scales]

    def refinement(self, n):
        k, value = self.bits[n], 0
        for i, u in enumerate(self.refinements[n]):
            value |= u << (i * k)
        return value.to_bytes(-(-k * len(self.symbols) // 8), "little")


def matrix(item):
    return np.frombuffer(item["data"], "<f4").reshape(item["shape"])


# Files


def content_digest(entries):
    out = b""
    for item in entries:
        module, parameter = item["module"].encode(), item["parameter"].encode()
        for position, part in enumerate(item["tensors"]):
            out += struct.pack("<H", len(module)) + module + bytes([item["kind"]])
            out += struct.pack("<H", len(parameter)) + parameter + struct.pack("<f", item["scale"])
            out += bytes([position, ELEMENTS[part["element"]][0], len(part["shape"])])
            out += struct.pack(f"<{len(part['shape'])}Q", *part["shape"]) + sha256(part["data"])
    return sha256(out)


def make(
    entries, plans=None, bits=(), errors=None, meta=b"{}", base=None, extra=(), seed=0, parent=bytes(32),
    minor=0, compress=(), edit=None, edit_sections=None, edit_header=None, damage=None,
):  # fmt: skip
    """The bytes of a file. `plans` defaults to one plain block for each tensor."""
    if plans is None:
        plans = [exact([(i, j)]) for i, item in enumerate(entries) for j in range(len(item["tensors"]))]
    layers = 1 + len(bits)
    table, whole = errors or ([[0.0] * layers for _ in entries], [0.0] * layers)
    blocks, holder = [], {}
    for plan in plans:
        tensors = [entries[i]["tensors"][j] for i, j in plan["names"]]
        if plan["form"] == 0:
            element, streams = tensors[0]["element"], exact_streams(plan, tensors)
        else:
            element, streams = plan["quantised"].element, plan["quantised"].streams()
        for name in plan["names"]:
            holder[name] = len(blocks)
        blocks.append(block(plan["form"], element, plan["arrangement"], plan.get("predictor", 0), streams, plan))
    originals = list(plans)
    for n in range(len(bits)):
        for number, plan in enumerate(originals):
            if plan["form"] == 1:
                refined = block(2, None, 0, 0, [plan["quantised"].refinement(n)], {"codec": plan["refinement_codec"]})
                blocks.append(refined | {"target": number, "layer": n + 1})
    directory = {
        "head": {
            "layers": layers, "entries": len(entries), "tensors": len(holder), "blocks": len(blocks), "seed": seed,
            "reserved": bytes(8), "content": content_digest(entries), "parent": parent, "more": bytes(16),
        },
        "layers": [
            {
                "end": None, "bits": ([0] + list(bits))[n], "largest": max([row[n] for row in table], default=0.0),
                "whole": whole[n], "reserved": 0,
            }
            for n in range(layers)
        ],
        "entries": [dict(item, errors=item["errors"] or row) for item, row in zip(entries, table)],
        "tensors": [
            {
                "element": ELEMENTS[part["element"]][0], "dimensions": None, "shape": part["shape"], "reserved": 0,
                "block": holder[i, j],
            }
            for i, item in enumerate(entries) for j, part in enumerate(item["tensors"])
        ],
        "blocks": blocks, "tail": b"",
    }  # fmt: skip
    if edit:
        edit(directory)
    sections = [{"type": b"META", "data": meta}]
    if base is not None:
        sections.append({"type": b"BASE", "data": base})
    sections.append({"type": b"TDIR", "data": None})
    sections += [{"type": name, "data": data} for name, data in extra]
    for section in sections:
        section |= {"codec": int(section["type"] in compress), "reserved": bytes(8)}
    # The directory states where data end, and its own length decides where they begin.
    index_length = 0
    for _ in range(20):
        data, ends = place(directory, index_length)
        for section in sections:
            if section["type"] == b"TDIR":
                section["data"] = pack(directory, ends)
            content = section["data"]
            section["stored"] = zstd(content) if section["codec"] == 1 else content
            section["decoded"] = len(content)
        if edit_sections:
            edit_sections(sections)
        used = 128 + 64 * len(sections) + sum(len(section["stored"]) for section in sections)
        if index_length == -(-used // 64) * 64:
            break
        index_length = -(-used // 64) * 64
    else:
        raise AssertionError("no fixed point")
    for section in sections:
        section.setdefault("digest", sha256(section["stored"]))
    records = b"".join(
        struct.pack(
            "<4sIQQ8s32s", section["type"], section["codec"], section.get("length", len(section["stored"])),
            section["decoded"], section["reserved"], section["digest"],
        )
        for section in sections
    )  # fmt: skip
    body = b"".join(section["stored"] for section in sections)
    padding = bytes(index_length - 128 - len(records) - len(body))
    header = {
        "signature": b"\x89TINA\r\n\n", "major": 1, "minor": minor, "sections": len(sections), "index": index_length,
        "length": index_length + len(data), "table": sha256(records), "reserved": bytes(32), "digest": None,
    }  # fmt: skip
    if edit_header:
        edit_header(header)
    front = struct.pack(
        "<8sHHIQQ32s32s", header["signature"], header["major"], header["minor"], header["sections"], header["index"],
        header["length"], header["table"], header["reserved"],
    )  # fmt: skip
    out = bytearray(front + (header["digest"] or sha256(front)) + records + body + padding + data)
    if damage:
        changed = damage(out)
        out = out if changed is None else changed
    return bytes(out)


def block(form, element, arrangement, predictor, streams, plan):
    records = []
    for number, data in enumerate(streams):
        codec, best = 0, data
        wanted = plan.get("codecs", [plan["codec"]] * len(streams))[number]
        if wanted:
            packed = plan["frames"][number] if "frames" in plan else zstd(data, plan.get("level", 19))
            if len(packed) < len(data) or wanted == 2:
                codec, best = 1, packed
        records.append({"codec": codec, "data": best, "length": None})
    return {
        "form": form, "element": ELEMENTS[element][0] if element else 0, "arrangement": arrangement,
        "predictor": predictor, "count": None, "reserved": bytes(3), "target": 0, "digest": None, "streams": records,
        "layer": 0,
    }  # fmt: skip


def place(directory, start):
    """The data region, and the end of each layer."""
    data, ends, at = bytearray(), [], start
    for n in range(len(directory["layers"])):
        for item in directory["blocks"]:
            if item["layer"] != n:
                continue
            if item["form"] != 2 and item["arrangement"] == 0 and item["streams"][0]["codec"] == 0:
                gap = -at % 64
                data += bytes([item.get("gap_byte", 0)]) * gap
                at += gap
            for stream in item["streams"]:
                data += stream["data"]
                at += len(stream["data"])
        ends.append(at)
    return bytes(data), ends


def pack(directory, ends):
    head = directory["head"]
    out = bytearray(
        struct.pack(
            "<IIIIQ8s32s32s16s", head["layers"], head["entries"], head["tensors"], head["blocks"], head["seed"],
            head["reserved"], head["content"], head["parent"], head["more"],
        )
    )  # fmt: skip
    for layer, end in zip(directory["layers"], ends):
        end = layer["end"](end) if layer["end"] else end
        out += struct.pack("<QIffI", end, layer["bits"], layer["largest"], layer["whole"], layer["reserved"])
    for item in directory["entries"]:
        names = [item[key] if isinstance(item[key], bytes) else item[key].encode() for key in ("module", "path", "parameter")]
        out += struct.pack(
            "<BBBBfdHHHHI", item["kind"], item["origin"], item["flags"], item.get("count", len(item["tensors"])),
            item["scale"], item["alpha"], *map(len, names), item["reserved"], len(item["attributes"]),
        )  # fmt: skip
        out += struct.pack(f"<{len(item['errors'])}f", *item["errors"]) + b"".join(names) + item["attributes"]
    for item in directory["tensors"]:
        dimensions = len(item["shape"]) if item["dimensions"] is None else item["dimensions"]
        out += struct.pack("<BBHI", item["element"], dimensions, item["reserved"], item["block"])
        out += struct.pack(f"<{len(item['shape'])}Q", *item["shape"])
    for item in directory["blocks"]:
        digest = item["digest"] or sha256(b"".join(stream["data"] for stream in item["streams"]))[:16]
        count = len(item["streams"]) if item["count"] is None else item["count"]
        out += struct.pack(
            "<BBBBB3sI16s", item["form"], item["element"], item["arrangement"], item["predictor"], count,
            item["reserved"], item["target"], digest,
        )  # fmt: skip
        for stream in item["streams"]:
            length = len(stream["data"]) if stream["length"] is None else stream["length"]
            out += struct.pack("<IQ", stream["codec"], length)
    return bytes(out) + directory["tail"]


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
