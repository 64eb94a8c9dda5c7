"""Base identity, version 1: reads, checks and makes the bytes of spec/base-identity.md.

    python3 base_identity.py show IDENTITY      what the bytes of an identity say
    python3 base_identity.py make MODEL OUT     identifies a Hugging Face directory
"""

import hashlib
import json
import os
import struct
import sys

import numpy as np

MAXIMUM_BYTES = 131072
RUN = 32
ELEMENTS = {0: ("F32", 4), 1: ("F16", 2), 2: ("BF16", 2)}
IDENTIFIER = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class IdentityError(Exception):
    """Bytes that are no identity."""


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if len(self.data) - self.at < count:
            raise IdentityError(f"byte {self.at}: {count} bytes expected, {len(self.data) - self.at} there")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count, low, high, what):
        value = int.from_bytes(self.take(count), "little")
        if not low <= value <= high:
            raise IdentityError(f"byte {self.at - count}: {what} is {value}, expected {low} to {high}")
        return value

    def identifier(self):
        name = self.take(self.number(1, 1, 64, "length of a name"))
        if not set(name) <= IDENTIFIER:
            raise IdentityError(f"byte {self.at}: {name!r} is no name")
        return name


def parse(data):
    """Checks every rule of section 5; returns the parts."""
    if len(data) > MAXIMUM_BYTES:
        raise IdentityError(f"{len(data)} bytes, at most {MAXIMUM_BYTES} expected")
    cursor = Cursor(data)
    cursor.number(1, 1, 1, "version")
    architecture = cursor.identifier().decode()
    digest = cursor.take(32)
    dimensions = []
    for _ in range(cursor.number(1, 0, 32, "number of dimensions")):
        name = cursor.identifier()
        if dimensions and name <= dimensions[-1][0]:
            raise IdentityError(f"dimension {name!r} out of order")
        dimensions.append((name, cursor.number(8, 1, 1 << 48, "dimension")))
    tensors = []
    for _ in range(cursor.number(2, 1, 1024, "number of tensors")):
        name = cursor.take(cursor.number(1, 1, 255, "length of a name"))
        if min(name) < 0x20 or 0x7F in name:
            raise IdentityError(f"tensor {name!r}: control characters")
        try:
            name.decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise IdentityError(f"tensor {name!r}: no UTF-8") from error
        if tensors and name <= tensors[-1]["name"]:
            raise IdentityError(f"tensor {name!r} out of order")
        element = cursor.number(1, 0, 2, "element type")
        shape = [cursor.number(8, 1, 1 << 40, "size") for _ in range(cursor.number(1, 0, 8, "number of sizes"))]
        count = 1
        for size in shape:
            count *= size
        if count > 1 << 48:
            raise IdentityError(f"tensor {name!r}: too many elements")
        columns = shape[-1] if shape else 1
        tensors.append({"name": name, "element": element, "shape": shape, "columns": columns, "rows": count // columns})
    places = []
    for _ in range(cursor.number(2, 1, 4096, "number of runs")):
        index = cursor.number(2, 0, len(tensors) - 1, "tensor")
        tensor = tensors[index]
        row = cursor.number(4, 0, tensor["rows"] - 1, "row")
        column = cursor.number(4, 0, tensor["columns"] - min(RUN, tensor["columns"]), "column")
        if column % RUN:
            raise IdentityError(f"column {column} is not divisible by {RUN}")
        if places and (index, row, column) <= places[-1]:
            raise IdentityError("runs out of order")
        places.append((index, row, column))
    if {place[0] for place in places} != set(range(len(tensors))):
        raise IdentityError("a tensor without a run")
    runs = []
    for index, row, column in places:
        tensor = tensors[index]
        size = ELEMENTS[tensor["element"]][1]
        values = widen(cursor.take(size * min(RUN, tensor["columns"])), tensor["element"])
        if not np.isfinite(values).all():
            raise IdentityError("a value that is not finite")
        runs.append((index, row, column, values))
    if cursor.at != len(data):
        raise IdentityError(f"byte {cursor.at}: {len(data) - cursor.at} bytes more")
    return {
        "architecture": architecture,
        "digest": digest,
        "dimensions": dict((name.decode(), value) for name, value in dimensions),
        "tensors": tensors,
        "runs": runs,
    }


def widen(data, element):
    """F32 values of stored elements."""
    if element == 0:
        return np.frombuffer(data, "<f4")
    if element == 1:
        return np.frombuffer(data, "<f2").astype(np.float32)
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


# Making an identity (sections 1 to 4)


def safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, entry["dtype"], entry["shape"], data[begin:end]


def open_model(directory):
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    single = os.path.join(directory, "model.safetensors")
    if os.path.exists(single):
        files = [single]
    else:
        with open(single + ".index.json") as file:
            files = [os.path.join(directory, shard) for shard in sorted(set(json.load(file)["weight_map"].values()))]
    codes = {"F32": 0, "F16": 1, "BF16": 2}
    tensors = {}
    for file in files:
        for name, dtype, shape, data in safetensors(file):
            if not data.size or name.endswith(
                (".inv_freq", ".masked_bias", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached")
            ):
                continue
            if name.endswith(".attn.bias") and len(shape) == 4:
                continue
            for prefix in ("model.", "transformer."):
                if name.startswith(prefix):
                    name = name[len(prefix) :]
                    break
            if name == "lm_head.weight" and lookup(config, "tie_word_embeddings"):
                continue
            if name in tensors:
                raise IdentityError(f"two tensors are called {name}")
            tensors[name] = (codes[dtype], shape, data)
    return config, tensors


def lookup(config, key):
    value = config.get(key)
    return (config.get("text_config") or {}).get(key) if value is None else value


def dimensions_of(config):
    def first(*keys):
        return next((lookup(config, key) for key in keys if isinstance(lookup(config, key), int)), None)

    sizes = {
        "heads": first("num_attention_heads", "n_head"),
        "hidden": first("hidden_size", "n_embd", "d_model"),
        "intermediate": first("intermediate_size", "n_inner", "ffn_dim"),
        "layers": first("num_hidden_layers", "n_layer", "num_layers"),
        "vocab": first("vocab_size"),
        "head_dim": first("head_dim"),
    }
    sizes["kv_heads"] = first("num_key_value_heads") or sizes["heads"]
    if not sizes["head_dim"] and sizes["hidden"] and sizes["heads"] and sizes["hidden"] % sizes["heads"] == 0:
        sizes["head_dim"] = sizes["hidden"] // sizes["heads"]
    return {name: value for name, value in sizes.items() if value}


def tensor_digest(element, data):
    for canonical in (2, 1, 0):
        if canonical == element:
            return canonical, hashlib.sha256(data).digest()
        bits = widen(data, element).view(np.uint32)
        if canonical == 2:
            words = (bits >> 16).astype("<u2")
            exact = ((words.astype(np.uint32) << 16) == bits).all()
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                words = bits.view(np.float32).astype("<f2")
            exact = (words.astype(np.float32).view(np.uint32) == bits).all()
        if exact:
            return canonical, hashlib.sha256(words.tobytes()).digest()
    raise AssertionError


def base_digest(tensors):
    root = hashlib.sha256(b"tina-base-1\n")
    for name in sorted(tensors, key=str.encode):
        element, shape, data = tensors[name]
        canonical, digest = tensor_digest(element, data)
        raw = name.encode()
        root.update(struct.pack("<H", len(raw)) + raw + bytes([canonical, len(shape)]))
        root.update(struct.pack(f"<{len(shape)}Q", *shape) + digest)
    return root.digest()


def pick(text, i, n):
    hashed = hashlib.sha256(text.encode() + b"\0" + struct.pack("<I", i)).digest()
    return int.from_bytes(hashed[:8], "little") % n


def kind(name):
    return ".".join("*" if part.isascii() and part.isdigit() else part for part in name.split("."))


def choose(names):
    kinds = {}
    for name in names:
        kinds.setdefault(kind(name), []).append(name)
    ordered = sorted(kinds, key=str.encode)
    if len(ordered) > 32:
        ordered = [ordered[i * len(ordered) // 32] for i in range(32)]
    for name in ordered:
        members = sorted(kinds[name], key=lambda member: (len(member.encode()), member.encode()))
        count = min(3, len(members))
        for i in range(count):
            start, end = i * len(members) // count, (i + 1) * len(members) // count
            yield members[start + pick(name, i, end - start)]


def make(directory):
    """The bytes of a base's identity."""
    config, tensors = open_model(directory)
    out = bytearray([1])
    architecture = (lookup(config, "model_type") or "").encode()
    out += bytes([len(architecture)]) + architecture + base_digest(tensors)
    sizes = sorted(dimensions_of(config).items())
    out.append(len(sizes))
    for name, value in sizes:
        out += bytes([len(name)]) + name.encode() + struct.pack("<Q", value)
    chosen = sorted(choose(tensors), key=str.encode)
    out += struct.pack("<H", len(chosen))
    runs, values = [], bytearray()
    for index, name in enumerate(chosen):
        element, shape, data = tensors[name]
        raw = name.encode()
        out += bytes([len(raw)]) + raw + bytes([element, len(shape)]) + struct.pack(f"<{len(shape)}Q", *shape)
        columns = shape[-1] if shape else 1
        rows = int(np.prod(shape[:-1], dtype=np.int64)) if shape else 1
        places = {
            (pick(name, 2 * j, rows), RUN * pick(name, 2 * j + 1, max(1, columns // RUN)))
            for j in range(3 if len(shape) > 1 else 1)
        }
        for row, column in sorted(places):
            runs.append((index, row, column))
            size = ELEMENTS[element][1]
            begin = (row * columns + column) * size
            values += data[begin : begin + min(RUN, columns) * size].tobytes()
    out += struct.pack("<H", len(runs)) + b"".join(struct.pack("<HII", *run) for run in runs) + values
    parse(bytes(out))
    return bytes(out)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "show":
        with open(arguments[1], "rb") as file:
            identity = parse(file.read())
        print(f"architecture {identity['architecture']}, digest {identity['digest'].hex()}")
        print(", ".join(f"{name} {value}" for name, value in identity["dimensions"].items()))
        for tensor in identity["tensors"]:
            print(f"{tensor['name'].decode()} {ELEMENTS[tensor['element']][0]} {tensor['shape']}")
        print(f"{len(identity['runs'])} runs, {sum(len(run[3]) for run in identity['runs'])} weights")
    elif len(arguments) == 3 and arguments[0] == "make":
        with open(arguments[2], "wb") as file:
            file.write(make(arguments[1]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
