"""A reader of .tina files, written from ../tina-format.md alone.

    python3 tina_reader.py FILE [LAYERS]      checks a file and lists what it holds

`read` opens a file's bytes, `File.tensor` decodes, `validate` checks every byte. A broken rule raises `TinaError`,
whose `rule` is one of the names of section 13. Plain rather than fast.
"""

import functools
import hashlib
import json
import math
import struct
import sys

import numpy as np
import zstandard

import base_identity

SIGNATURE = b"\x89TINA\r\n\n"
# Section 7.2: code -> (name, bits).
ELEMENTS = {
    1: ("BOOL", 8), 2: ("U8", 8), 3: ("I8", 8), 4: ("F8_E5M2", 8), 5: ("F8_E4M3", 8), 6: ("F8_E8M0", 8),
    7: ("F8_E4M3FNUZ", 8), 8: ("F8_E5M2FNUZ", 8), 9: ("F4", 4), 10: ("F6_E2M3", 6), 11: ("F6_E3M2", 6),
    12: ("I16", 16), 13: ("U16", 16), 14: ("F16", 16), 15: ("BF16", 16), 16: ("I32", 32), 17: ("U32", 32),
    18: ("F32", 32), 19: ("C64", 64), 20: ("F64", 64), 21: ("I64", 64), 22: ("U64", 64),
}  # fmt: skip
CODE = {name: code for code, (name, _) in ELEMENTS.items()}
PAIRS = (1, 2, 3)
TENSORS_OF_KIND = {1: 2, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1, 7: 2, 8: 1}
SECTION_LIMITS = {b"META": 16 << 20, b"BASE": 131072, b"TDIR": 64 << 20}
WINDOW = 1 << 20


class TinaError(Exception):
    """A rule that the file breaks."""

    def __init__(self, rule, message=""):
        super().__init__(f"{rule}: {message}" if message else rule)
        self.rule = rule


def need(condition, rule, message=""):
    if not condition:
        raise TinaError(rule, message)


def sha256(data):
    return hashlib.sha256(data).digest()


class Cursor:
    """Takes records apart; running over the end breaks `rule`."""

    def __init__(self, data, rule):
        self.data, self.at, self.rule = data, 0, rule

    def take(self, count):
        need(count <= len(self.data) - self.at, self.rule, "it ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))


# Pieces used everywhere


def unzstd(data, length):
    """Section 7.3: exactly one frame, of this content size."""
    need(length <= 32768 * len(data), "zstd", "more than a frame can expand to")
    try:
        frame = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise TinaError("zstd", str(error)) from error
    need(data[:4] == b"\x28\xb5\x2f\xfd", "zstd", "no frame")
    need((data[4] >> 6) or (data[4] & 0x20), "zstd", "no content size")
    need(frame.content_size == length, "zstd", "another content size")
    need(frame.window_size <= WINDOW, "zstd", "the window is too large")
    need(not data[4] & 3 and not frame.has_checksum, "zstd", "dictionary or checksum")
    try:
        decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
        out = decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise TinaError("zstd", str(error)) from error
    need(decoder.eof and not decoder.unused_data and len(out) == length, "zstd", "not one whole frame")
    return out


def decode(data, codec, length):
    return unzstd(data, length) if codec == 1 else data


def json_object(data, rule):
    """An object by the rules of section 6; numbers stay text."""

    def unique(pairs):
        need(len({key for key, _ in pairs}) == len(pairs), rule, "a key twice")
        return dict(pairs)

    def constant(_):
        raise TinaError(rule, "no JSON number")

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TinaError(rule, "no UTF-8") from error
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            need(depth <= 64, rule, "more than 64 levels")
        elif character in "]}":
            depth -= 1
    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_constant=constant, parse_int=Number, parse_float=Number
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise TinaError(rule, str(error)) from error
    need(isinstance(value, dict), rule, "no object")
    need(not has_surrogate(value), rule, "a lone surrogate")
    return value


class Number(str):
    """A JSON number as it is written."""


def has_surrogate(value):
    if isinstance(value, str):
        return any(0xD800 <= ord(character) <= 0xDFFF for character in value)
    if isinstance(value, dict):
        return any(has_surrogate(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(has_surrogate(part) for part in value)


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


# Header and sections


class File:
    """An open file: header, sections and directory are checked; data are decoded on demand."""

    def __init__(self, data, parents=()):
        self.data = memoryview(bytes(data))
        self.parents = parents
        self.open_header()
        self.open_sections()
        self.meta = self.open_metadata(self.section(b"META"))
        if b"BASE" in self.table:
            self.open_base(self.section(b"BASE"))
        Directory(self, self.section(b"TDIR"))

    def open_header(self):
        data = bytes(self.data[:128])
        need(data[:8] == SIGNATURE[: len(data[:8])], "signature")
        need(len(data) == 128, "truncated", "shorter than the header")
        major, _, self.count, self.index_length, self.file_length = struct.unpack_from("<HHIQQ", data, 8)
        need(major == 1, "version")
        need(sha256(data[:96]) == data[96:], "header-digest")
        self.file_digest = data[96:]
        need(not any(data[64:96]), "reserved", "header")
        need(2 <= self.count <= 64, "limit", "number of sections")
        least = 128 + 64 * self.count
        need(self.index_length % 64 == 0 and self.index_length >= least, "layout", "index length")
        need(self.index_length <= self.file_length, "layout", "index length")
        need(self.file_length <= 1 << 48, "limit", "file length")
        need(len(self.data) <= self.file_length, "trailing")
        need(len(self.data) >= self.index_length, "truncated", "the index is not whole")

    def open_sections(self):
        raw = bytes(self.data[128 : 128 + 64 * self.count])
        need(sha256(raw) == bytes(self.data[32:64]), "table-digest")
        records = [struct.unpack_from("<4sIQQ8s32s", raw, 64 * i) for i in range(self.count)]
        need(not any(any(record[4]) for record in records), "reserved", "section table")
        types = [record[0] for record in records]
        for name in types:
            need(name.isalpha() and name.isascii() and name[2:3].isupper(), "section-type")
        need(len(set(types)) == len(types), "section-duplicate")
        for name in types:
            need(name[:1].islower() or name in SECTION_LIMITS, "section-unknown", name.decode())
        rank = {b"META": 0, b"BASE": 1, b"TDIR": 2}
        ranks = [rank.get(name, 3) for name in types]
        need(ranks == sorted(ranks), "section-order")
        need(b"META" in types and b"TDIR" in types, "section-missing")
        for record in records:
            need(record[1] in (0, 1), "codec", "section")
        for name, codec, stored, decoded, _, _ in records:
            need(decoded <= SECTION_LIMITS.get(name, 1 << 32), "limit", "section")
            need(codec == 1 or stored == decoded, "layout", "section lengths")
        at = 128 + 64 * self.count
        self.table = {}
        for name, codec, stored, decoded, _, digest in records:
            self.table[name] = (codec, at, stored, decoded, digest)
            at += stored
        need(-(-at // 64) * 64 == self.index_length, "layout", "sections and index length")
        need(not any(self.data[at : self.index_length]), "padding", "after the sections")
        for codec, begin, stored, _, digest in self.table.values():
            need(sha256(self.data[begin : begin + stored]) == digest, "section-digest")

    def section(self, name):
        codec, begin, stored, decoded, _ = self.table[name]
        return decode(bytes(self.data[begin : begin + stored]), codec, decoded)

    def open_metadata(self, data):
        meta = json_object(data, "metadata")
        known = {"base_model_name": is_text, "tensor_metadata": is_texts}
        for key in ("configuration", "training", "source", "parent"):
            known[key] = lambda value: isinstance(value, dict)
        for key, check in known.items():
            need(key not in meta or check(meta[key]), "metadata", key)
        return meta

    def open_base(self, data):
        try:
            self.base = base_identity.parse(data)
        except base_identity.IdentityError as error:
            raise TinaError("base", str(error)) from error

    # Layers

    def whole_layers(self):
        return sum(len(self.data) >= layer["end"] for layer in self.layers)

    def require(self, layers=None):
        """Section 9: how many layers are to be read."""
        if layers is None:
            need(len(self.data) == self.file_length, "truncated", f"{self.whole_layers()} whole layers are there")
            return len(self.layers)
        need(1 <= layers <= len(self.layers), "layers", "there are not so many")
        need(len(self.data) >= self.layers[layers - 1]["end"], "truncated")
        return layers

    # Data

    def streams(self, number):
        """The decoded streams of a block whose digest is right."""
        block = self.blocks[number]
        raw = bytes(self.data[block["begin"] : block["end"]])
        need(sha256(raw)[:16] == block["digest"], "block-digest", f"block {number}")
        at, out = 0, []
        for (codec, stored), length in zip(block["streams"], block["lengths"]):
            out.append(decode(raw[at : at + stored], codec, length))
            at += stored
        return out

    @functools.lru_cache(maxsize=None)
    def block_tensors(self, number, layers):
        """Decoded bytes of every tensor that a block of form 0 or 1 holds."""
        block = self.blocks[number]
        return (decode_exact if block["form"] == 0 else decode_pairs)(self, number, block, layers)

    def tensor(self, number, layers=None):
        """The bytes of a tensor, of all layers or of the first few."""
        layers = self.require(layers)
        return self.block_tensors(self.tensors[number]["block"], layers)[number]

    def parent_tensor(self, entry, position, tensor):
        parent = next((file for file in self.parents if file.content_digest == self.parent), None)
        need(parent, "parent", f"{self.parent.hex()} is not at hand")
        for other in parent.entries:
            if all(other[key] == entry[key] for key in ("module", "kind", "parameter")):
                number = other["first"] + position
                same = all(parent.tensors[number][key] == tensor[key] for key in ("element", "shape"))
                need(same, "parent", "another type or shape")
                return parent.tensor(number)
        raise TinaError("parent", "it lacks an entry")

    def computed_content_digest(self):
        out = hashlib.sha256()
        for entry in self.entries:
            for position in range(entry["count"]):
                number = entry["first"] + position
                tensor = self.tensors[number]
                module, parameter = entry["module"].encode(), entry["parameter"].encode()
                out.update(struct.pack("<H", len(module)) + module + bytes([entry["kind"]]))
                out.update(struct.pack("<H", len(parameter)) + parameter + entry["scale_bytes"])
                out.update(bytes([position, tensor["element"], len(tensor["shape"])]))
                out.update(struct.pack(f"<{len(tensor['shape'])}Q", *tensor["shape"]))
                out.update(sha256(self.tensor(number)))
        return out.digest()


def is_texts(value):
    return isinstance(value, dict) and all(is_text(text) for text in value.values())


# Directory


class Directory:
    def __init__(self, file, data):
        self.file, self.cursor = file, Cursor(data, "directory")
        self.head()
        self.read_layers()
        self.read_entries()
        self.read_tensors()
        self.read_blocks()
        need(self.cursor.at == len(data), "directory", "it ends late")
        self.relate()
        self.lay_out()

    def head(self):
        file = self.file
        n, e, t, k, file.seed, reserved, file.content_digest, file.parent, more = self.cursor.unpack("IIIIQ8s32s32s16s")
        need(1 <= n <= 8, "limit", "number of layers")
        need(e <= 1 << 17 and k <= 1 << 19, "limit", "number of entries or blocks")
        need(not any(reserved + more), "reserved", "directory")
        self.counts = n, e, t, k

    def read_layers(self):
        self.file.layers = []
        for number in range(self.counts[0]):
            end, bits, largest, whole, reserved = self.cursor.unpack("QIffI")
            need(1 <= bits <= 8 if number else bits == 0, "layers", "refinement bits")
            check_error(largest, whole)
            need(not reserved, "reserved", "layer")
            self.file.layers.append({"end": end, "bits": bits, "error": largest, "whole": whole})
        need(sum(layer["bits"] for layer in self.file.layers) <= 8, "layers", "refinement bits")

    def read_entries(self):
        self.file.entries = []
        first = 0
        for _ in range(self.counts[1]):
            entry = self.read_entry()
            entry["first"] = first
            first += entry["count"]
            key = order_key(entry)
            need(not self.file.entries or order_key(self.file.entries[-1]) < key, "order", entry["module"])
            self.file.entries.append(entry)
        need(first == self.counts[2], "directory", "number of tensors")

    def read_entry(self):
        fields = self.cursor.unpack("BBBB4sdHHHHI")
        kind, origin, flags, count, scale_bytes, alpha, *lengths, reserved, attributes = fields
        (scale,) = struct.unpack("<f", scale_bytes)
        need(kind in TENSORS_OF_KIND, "kind")
        need(origin <= 2, "scale", "origin")
        need(flags <= 1 and not reserved, "reserved", "entry")
        need(count == TENSORS_OF_KIND[kind], "kind", "number of tensors")
        need(math.isfinite(scale) and math.isfinite(alpha), "scale")
        need(flags or (alpha == 0), "scale", "alpha")
        need(kind not in (4, 6, 7, 8) or scale == 1, "scale")
        need(kind in PAIRS or (origin == 0 and not flags), "scale", "origin or alpha")
        need(max(lengths) <= 1024 and lengths[0] >= 1, "name", "length")
        need(attributes <= 65536, "limit", "attributes")
        errors = self.cursor.unpack("f" * self.counts[0])
        check_error(*errors)
        module, path, parameter = (text(self.cursor.take(length)) for length in lengths)
        need(kind == 8 or not parameter, "name", "parameter")
        raw = self.cursor.take(attributes)
        names = None
        if raw:
            names = json_object(raw, "attributes").get("tensor_names")
            if raw and "tensor_names" in json_object(raw, "attributes"):
                expected = 1 if kind == 7 else count
                need(isinstance(names, list) and len(names) == expected, "attributes", "tensor_names")
                need(all(is_text(name) for name in names), "attributes", "tensor_names")
        return {
            "kind": kind, "origin": origin, "scale": scale, "scale_bytes": scale_bytes,
            "alpha": alpha if flags else None, "module": module, "path": path, "parameter": parameter,
            "errors": errors, "count": count, "tensor_names": names,
        }  # fmt: skip

    def read_tensors(self):
        self.file.tensors = []
        for entry in self.file.entries:
            for _ in range(entry["count"]):
                element, dimensions, reserved, block = self.cursor.unpack("BBHI")
                need(element in ELEMENTS, "element")
                need(dimensions <= 8, "limit", "dimensions")
                need(not reserved, "reserved", "tensor")
                shape = list(self.cursor.unpack("Q" * dimensions))
                need(all(size < 1 << 40 for size in shape), "limit", "size")
                bits = math.prod(shape) * ELEMENTS[element][1]
                need(bits <= 8 << 40, "limit", "bytes of a tensor")
                need(bits % 8 == 0, "shape", "no whole number of bytes")
                need(block < self.counts[3], "block", "number")
                self.file.tensors.append(
                    {"element": element, "shape": shape, "block": block, "bytes": bits // 8, "entry": entry}
                )
            self.check_shapes(entry, self.file.tensors[-entry["count"] :])

    def check_shapes(self, entry, tensors):
        kind, shapes = entry["kind"], [tensor["shape"] for tensor in tensors]
        if kind in PAIRS:
            a, b = shapes
            if kind == 2:
                need(len(a) >= 3 and len(b) >= 3, "shape", "convolution")
            else:
                need(len(a) == 2 and len(b) == 2, "shape", "pair")
            need(all(size >= 1 for size in a + b), "shape", "empty")
            need(a[0] == b[1], "shape", "rank")
        if kind == 7:
            need(tensors[1]["element"] == CODE["I64"], "element", "row numbers")
            need(len(shapes[0]) == 2 and shapes[1] in ([shapes[0][0]], [0]), "shape", "rows")

    def read_blocks(self):
        self.file.blocks = []
        for _ in range(self.counts[3]):
            form, element, arrangement, predictor, count, reserved, target, digest = self.cursor.unpack("BBBBB3sI16s")
            need(form <= 2, "block", "form")
            if form == 0:
                need(element in ELEMENTS, "element", "block")
            else:
                need(element in ((CODE["I8"], CODE["I16"]) if form == 1 else (0,)), "element", "block")
            need(arrangement <= (1 if form < 2 else 0), "arrangement")
            need(predictor <= (2 if form == 0 else 0), "predictor")
            planes = ELEMENTS[element][1] // 8 if element else 0
            expected = ((1, planes), (2, planes + 2), (1,))[form][arrangement]
            if form == 0 and ELEMENTS[element][1] < 8:
                need(arrangement == 0, "arrangement", "packed elements")
            need(count == expected, "block", "number of streams")
            need(not any(reserved), "reserved", "block")
            need(form == 2 or target == 0, "block", "refined block")
            if predictor:
                need(element in (CODE["F32"], CODE["F16"], CODE["BF16"]), "predictor", "element type")
                need(arrangement == 1, "arrangement", "a predictor in a plain block")
            streams = [self.cursor.unpack("IQ") for _ in range(count)]
            need(all(codec <= 1 for codec, _ in streams), "codec", "stream")
            need(all(stored <= 1 << 48 for _, stored in streams), "limit", "stream")
            self.file.blocks.append(
                {
                    "form": form, "element": element, "arrangement": arrangement, "predictor": predictor,
                    "target": target, "digest": digest, "streams": streams, "tensors": [],
                }  # fmt: skip
            )

    def relate(self):
        file = self.file
        for number, tensor in enumerate(file.tensors):
            file.blocks[tensor["block"]]["tensors"].append(number)
        pairs = [number for number, block in enumerate(file.blocks) if block["form"] == 1]
        first = sum(block["form"] != 2 for block in file.blocks)
        expected = [number for _ in file.layers[1:] for number in pairs]
        need(all(block["form"] != 2 for block in file.blocks[:first]), "block", "order of blocks")
        need([block["target"] for block in file.blocks[first:]] == expected, "block", "refinements")
        for number, block in enumerate(file.blocks):
            block["layer"] = 0 if block["form"] != 2 else 1 + (number - first) // len(pairs)
            held = [file.tensors[i] for i in block["tensors"]]
            need(bool(held) == (block["form"] != 2), "block", "tensors of a block")
            if block["form"] == 2:
                continue
            in_place = block["arrangement"] == 0 and block["streams"][0][0] == 0
            if block["form"] == 0:
                need(all(tensor["element"] == block["element"] for tensor in held), "element", "of a block")
                need(len(held) == 1 or not in_place, "block", "one tensor")
                if block["predictor"] == 1:
                    for i, tensor in zip(block["tensors"], held):
                        is_a = tensor["entry"]["kind"] == 1 and i == tensor["entry"]["first"]
                        need(is_a, "predictor", "not the first of a pair")
            else:
                self.relate_pairs(block, held, in_place)
        uses = {block["predictor"] for block in file.blocks}
        need(1 in uses or file.seed == 0, "predictor", "a seed without use")
        need(2 in uses or not any(file.parent), "parent", "a parent without use")
        for block in file.blocks:
            self.stream_lengths(block)

    def relate_pairs(self, block, held, in_place):
        for tensor in held:
            need(tensor["entry"]["kind"] == 1, "block", "no pair")
            need(tensor["element"] == CODE["F32"], "element", "of a pair")
            need(tensor["shape"][0] <= 1 << 40, "limit")
        numbers = block["tensors"]
        block["pairs"] = []
        for i in range(0, len(numbers), 2):
            entry = held[i]["entry"]
            need(numbers[i : i + 2] == [entry["first"], entry["first"] + 1], "block", "a pair in two blocks")
            rank, inner = held[i]["shape"]
            need(rank <= 65536, "limit", "rank")
            block["pairs"].append((rank, inner, held[i + 1]["shape"][0]))
        need(len(block["pairs"]) == 1 or not in_place, "block", "one pair")
        block["rows"] = sum(2 * rank for rank, _, _ in block["pairs"])
        block["symbols"] = sum(rank * (inner + outer) for rank, inner, outer in block["pairs"])
        need(block["symbols"] <= 1 << 32, "limit", "symbols")

    def stream_lengths(self, block):
        file = self.file
        if block["form"] == 0:
            size = sum(file.tensors[i]["bytes"] for i in block["tensors"])
            lengths = [size // len(block["streams"])] * len(block["streams"])
        elif block["form"] == 1:
            planes = ELEMENTS[block["element"]][1] // 8
            scales = 4 * sum(pair[0] for pair in block["pairs"])
            if block["arrangement"] == 0:
                lengths = [planes * block["symbols"], scales]
            else:
                lengths = [block["symbols"]] * planes + [block["rows"], scales]
        else:
            bits = file.layers[block["layer"]]["bits"]
            lengths = [-(-bits * file.blocks[block["target"]]["symbols"] // 8)]
        block["lengths"] = lengths
        for (codec, stored), length in zip(block["streams"], lengths):
            need(codec == 1 or stored == length, "stream", "length")
            need(length <= 32768 * stored or codec == 0, "zstd", "more than a frame can expand to")

    def lay_out(self):
        file = self.file
        at, number, last = file.index_length, 0, len(file.layers) - 1
        for layer, record in enumerate(file.layers):
            while number < len(file.blocks) and file.blocks[number]["layer"] == layer:
                block = file.blocks[number]
                begin = at
                if block["form"] != 2 and block["arrangement"] == 0 and block["streams"][0][0] == 0:
                    begin = -(-at // 64) * 64
                block["gap"] = (at, begin)
                block["begin"] = begin
                at = block["end"] = begin + sum(stored for _, stored in block["streams"])
                number += 1
            need(record["end"] == at, "layout", f"end of layer {layer + 1}")
            need(layer != last or at == file.file_length, "layout", "file length")
        for block in file.blocks:
            begin, end = block["gap"]
            need(not any(file.data[begin:end]), "padding", "before a block")


def check_error(*errors):
    need(all(math.isfinite(error) and error >= 0 for error in errors), "error")


def text(data):
    try:
        name = bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TinaError("name", "no UTF-8") from error
    need(not any(ord(character) < 0x20 or ord(character) == 0x7F for character in name), "name", "control character")
    return name


def order_key(entry):
    layer = -1
    for part in entry["module"].split("."):
        if 1 <= len(part) <= 9 and part.isascii() and part.isdigit():
            layer = int(part)
            break
    return layer, entry["module"].encode(), entry["kind"], entry["path"].encode(), entry["parameter"].encode()


# Blocks


def word_type(bits):
    return np.dtype(f"<u{max(1, bits // 8)}")


def unzigzag(z):
    """Two's complement words d of zigzag(d)."""
    one = z.dtype.type(1)
    return (z >> one) ^ (np.zeros_like(z) - (z & one))


def from_order(y):
    """Words x of ord(x)."""
    top = y.dtype.type(1 << (8 * y.dtype.itemsize - 1))
    return np.where(y & top, y ^ top, ~y)


def to_order(x):
    top = x.dtype.type(1 << (8 * x.dtype.itemsize - 1))
    return np.where(x & top, ~x, x ^ top)


def decode_exact(file, number, block, _):
    name, bits = ELEMENTS[block["element"]]
    kind = word_type(bits)
    streams = file.streams(number)
    if block["arrangement"] == 0:
        words = np.frombuffer(streams[0], kind)
    else:
        planes = [np.frombuffer(stream, np.uint8) for stream in streams]
        words = np.ascontiguousarray(np.stack(planes, 1)).reshape(-1).view(kind)
        if block["predictor"] == 0:
            one = kind.type(1)
            if name in ("F32", "F64", "BF16"):
                words = (words >> one) | (words << kind.type(bits - 1))
            elif name in ("I8", "I16", "I32", "I64"):
                words = unzigzag(words)
        else:
            words = add_predicted(file, block, name, kind, unzigzag(words))
    out, at = {}, 0
    for i in block["tensors"]:
        count = file.tensors[i]["bytes"] // kind.itemsize
        out[i] = words[at : at + count].astype(kind).tobytes()
        at += count
    return out


def add_predicted(file, block, name, kind, differences):
    """The words, in their order, of differences that stand by the exponent of the predicted word."""
    parts = []
    for i in block["tensors"]:
        tensor, entry = file.tensors[i], file.tensors[i]["entry"]
        if block["predictor"] == 1:
            parts.append(seeded(file.seed, entry["module"], tensor["shape"], name).reshape(-1).astype(kind))
        else:
            parts.append(np.frombuffer(file.parent_tensor(entry, i - entry["first"], tensor), kind))
    predicted = np.concatenate(parts)
    shift, mask = {"F32": (23, 0xFF), "BF16": (7, 0xFF), "F16": (10, 0x1F)}[name]
    order = np.argsort((predicted >> kind.type(shift)) & kind.type(mask), kind="stable")
    words = np.empty_like(predicted)
    words[order] = from_order(to_order(predicted[order]) + differences)
    return words


def seeded(seed, module, shape, name):
    """Section 8.4: what a uniform initialisation draws from Philox4x32-10."""
    rows, columns = shape
    count = rows * columns
    groups = np.arange(-(-count // 4), dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    h0, h1 = struct.unpack("<II", sha256(module.encode())[:8])
    c = [groups & low, groups >> shift, np.full_like(groups, h0), np.full_like(groups, h1)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> shift) ^ c[1] ^ np.uint64(k0), second & low,
            (first >> shift) ^ c[3] ^ np.uint64(k1), first & low,
        ]  # fmt: skip
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    v = (np.stack(c, 1).reshape(-1)[:count] >> np.uint64(8)).astype(np.float64)
    bound = np.float32(1 / math.sqrt(columns))
    p = (v * 2.0**-23 - 1).astype(np.float32) * bound
    if name == "F32":
        return p.view("<u4")
    if name == "F16":
        return p.astype("<f2").view("<u2")
    bits = p.view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)).astype("<u2")


def decode_pairs(file, number, block, layers):
    bits = ELEMENTS[block["element"]][1]
    streams = file.streams(number)
    lengths = [length for rank, inner, outer in block["pairs"] for length in [inner] * rank + [outer] * rank]
    if block["arrangement"] == 0:
        symbols = np.frombuffer(streams[0], f"<i{bits // 8}").astype(np.int64)
        order = range(len(lengths))
    else:
        planes = [np.frombuffer(stream, np.uint8).astype(np.int64) for stream in streams[: bits // 8]]
        z = sum(plane << (8 * j) for j, plane in enumerate(planes))
        symbols = (z >> 1) ^ -(z & 1)
        tiers = np.frombuffer(streams[-2], np.uint8)
        need(not tiers.size or tiers.max() <= 15, "tier")
        order = np.argsort(tiers, kind="stable")
    scales = np.frombuffer(streams[-1], "<f4")
    normal = np.isfinite(scales) & (scales >= np.float32(2.0**-126))
    zero = scales.view("<u4") == 0
    need((normal | zero).all(), "scale", "of a component")

    for later, other in enumerate(file.blocks):
        if other["form"] == 2 and other["target"] == number:
            k = file.layers[other["layer"]]["bits"]
            if other["layer"] >= layers:
                symbols = symbols << k
                continue
            (stream,) = file.streams(later)
            flags = np.unpackbits(np.frombuffer(stream, np.uint8), bitorder="little")
            need(not flags[k * symbols.size :].any(), "padding", "of a refinement")
            u = flags[: k * symbols.size].reshape(-1, k).astype(np.int64) @ (1 << np.arange(k, dtype=np.int64))
            symbols = (symbols << k) + u - (1 << (k - 1))

    rows, at = {}, 0
    for row in order:
        rows[int(row)] = symbols[at : at + lengths[row]].astype(np.float32)
        at += lengths[row]
    # A coarser reading is as large as the finer one: nothing of the scale changes with the layers.
    out, row, component = {}, 0, 0
    for (rank, _, _), i in zip(block["pairs"], block["tensors"][::2]):
        g = scales[component : component + rank]
        component += rank
        h = np.ones_like(g)
        for c in range(rank):
            if g[c]:
                h[c] = np.float32(2.0 ** ((math.frexp(float(g[c]))[1] - 1) // 2))
        a = np.stack([h[c] * rows[row + c] for c in range(rank)])
        b = np.stack([(g[c] / h[c]) * rows[row + rank + c] for c in range(rank)], 1)
        row += 2 * rank
        out[i] = a.astype("<f4").tobytes()
        out[i + 1] = np.ascontiguousarray(b.astype("<f4")).tobytes()
    return out


# Entry points


def read(data, parents=()):
    """Opens a file; `parents` are open files that it may predict from."""
    return File(data, parents)


def validate(data, parents=()):
    """Checks everything; returns the open file and how many layers of it are there."""
    file = File(data, parents)
    if len(file.data) != file.file_length:
        whole = file.whole_layers()
        need(whole and len(file.data) == file.layers[whole - 1]["end"], "truncated", "cut within a layer")
        for number in range(len(file.tensors)):
            file.tensor(number, whole)
        return file, whole
    for number in range(len(file.blocks)):
        if file.blocks[number]["form"] != 2:
            file.block_tensors(number, len(file.layers))
    need(file.computed_content_digest() == file.content_digest, "content-digest")
    return file, len(file.layers)


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    with open(arguments[0], "rb") as source:
        data = source.read()
    try:
        file, whole = validate(data)
    except TinaError as error:
        sys.exit(f"{arguments[0]}: {error}")
    print(f"file {file.file_digest.hex()}, content {file.content_digest.hex()}")
    for number, layer in enumerate(file.layers, 1):
        state = "" if number <= whole else ", not there"
        print(f"layer {number}: ends at {layer['end']}, largest error {layer['error']:.3g}{state}")
    for entry in file.entries:
        shapes = [file.tensors[entry["first"] + i] for i in range(entry["count"])]
        kinds = ", ".join(f"{ELEMENTS[tensor['element']][0]} {tensor['shape']}" for tensor in shapes)
        print(f"{entry['module']} kind {entry['kind']} scale {entry['scale']:g}: {kinds}")


if __name__ == "__main__":
    main(sys.argv[1:])
