"""More invalid files: limits, parents, integer pairs, and which of several broken rules is told."""

import identities
from invalid import change_stream, tensor_of
from valid_more import *  # noqa: F403
from writer import *  # noqa: F403

NAN = math.nan


def cases():
    plain = pairs("BF16", 2)
    shapes = [(Q, 3, 20, 12), ("layers.1.mlp.down_proj", 2, 30, 10)]
    quantised = Quantised(np.random.default_rng(11), shapes, "I8", (3,), 1, 0)

    def case(name, rule, note, entries=plain, plans=None, more=None, **options):
        return {"name": name, "rule": rule, "note": note, **(more or {}), "data": make(entries, plans, **options)}

    def layered(name, rule, note, made=quantised, **options):
        return case(name, rule, note, made.entries, [made.plan()], bits=made.bits, errors=made.errors(), **options)

    def first(**fields):
        return lambda directory: directory["entries"][0].update(fields)

    def tensor_shape(number, shape):
        return lambda directory: directory["tensors"][number].update(shape=shape)

    # Header, sections, metadata.
    yield case("section-order-front", "section-order", "an ancillary section before META", extra=[(b"abCd", b"")], edit_sections=lambda s: s.sort(key=lambda item: item["type"] != b"abCd"))
    yield case("sections-0", "limit", "no sections", edit_header=lambda h: h.update(sections=0))
    for kind, limit, name in ((b"TDIR", 64 << 20, "directory"), (b"abCd", 1 << 32, "other")):
        yield case(f"section-large-{name}", "limit", f"a section of {limit} bytes and one", extra=[(b"abCd", b"x" * 40)], compress=(kind,), edit_sections=lambda s, kind=kind, limit=limit: [item.update(decoded=limit + 1) for item in s if item["type"] == kind])
    values = b'{"x":[' + b",".join([b"0"] * ((1 << 18) - 1)) + b"]}"
    yield case("metadata-values", "metadata", "2^18 + 1 values in META", meta=values, compress=(b"META",))
    lists = b'{"x":[' + b",".join([b"[]"] * 5592000) + b"]}"
    yield case("metadata-bomb", "metadata", "almost 16 MiB of empty lists in META", meta=lists, compress=(b"META",))
    yield case("metadata-name-long", "metadata", "a name of 8193 bytes in META", meta=b'{"' + b"n" * 8193 + b'":1}', compress=(b"META",))
    yield case("metadata-parent-type", "metadata", "a parent that is no object", meta=b'{"parent":"x.tina"}')
    for name, note, data in identities.broken():
        yield case("base-" + name, "base", note, base=data, compress=(b"BASE",) if len(data) > 4096 else ())

    # Entries and tensors.
    yield case("alpha-absent-negative", "scale", "an absent alpha of -0.0", edit=first(flags=0, alpha=-0.0))
    yield case("attributes-values", "attributes", "2^20 + 1 values in all attributes", attributed((1 << 20) + 1), compress=(b"TDIR",))
    yield case("size-large-zero", "limit", "a size of 2^40 beside a size of 0", [entry(FULL, "x", [tensor("F32", [0, 1 << 40], b"")])])
    full = [entry(FULL, "x", [tensor("U8", [64], bytes(64))], parameter="weight")]
    yield case("layer-bits-sum", "layers", "nine refinement bits in two layers", bits=(5, 4))
    yield case("layer-end-large", "limit", "a layer that ends above 2^48", edit=lambda d: d["layers"][0].update(end=lambda end: (1 << 48) + 64))

    # Sizes that are declared.
    big = rle_frame(16 << 10, 0) + bytes(17000)
    yield case("decoded-total", "limit", "512 MiB and a byte of decoded tensors in a small file", full, [exact([(0, 0)], codec=2) | {"frames": [big]}], edit=tensor_shape(0, [(512 << 20) + 1]))
    both = [entry(FULL, f"x.{i}", [tensor("U8", [64], bytes(64))], parameter="weight") for i in range(2)]
    yield case("decoded-total-two", "limit", "the same in two blocks", both, [exact([(i, 0)], codec=2) | {"frames": [big[:9000]]} for i in range(2)], edit=lambda d: [item.update(shape=[257 << 20]) for item in d["tensors"]])
    ratio = rle_frame(64, 0)
    yield case("stream-ratio", "zstd", "a stream that states 32768 times its length and a byte", full, [exact([(0, 0)], codec=2) | {"frames": [ratio]}], edit=tensor_shape(0, [32768 * len(ratio) + 1]))
    yield case("stream-stored-large", "limit", "a compressed stream of 2^48 bytes", full, [exact([(0, 0)], codec=2) | {"frames": [ratio]}], edit=lambda d: d["blocks"][0]["streams"][0].update(length=1 << 48))
    for name, size, window, note in (
        ("window-2-mib", 100, 0x58, "a window of 2 MiB"), ("window-eighth", 100, 0x51, "a window of 1 MiB and an eighth"),
        ("segment-large", (1 << 20) + 1, None, "a single segment of 1 MiB and a byte"),
    ):
        one = [entry(FULL, "x", [tensor("U8", [size], bytes(size))], parameter="weight")]
        yield case(name, "zstd", note, one, [exact([(0, 0)], codec=2) | {"frames": [rle_frame(size, 0, window)]}])

    # Integer pairs.
    for number, name, parts in (
        (CONVOLUTION, "convolution", ([2, 3, 1], [4, 2, 1])), (EMBEDDING, "embedding", ([2, 6], [4, 2])),
        (MAGNITUDE, "magnitude", ([8],)), (PAIR_BIAS, "pair-bias", ([8],)), (BIAS, "bias", ([8],)), (FULL, "full", ([8],)),
        (ROWS, "rows", ([2, 4], [0])),
    ):  # fmt: skip
        tensors = [tensor("F32", shape, bytes(4 * math.prod(shape))) for shape in parts]
        if number == ROWS:
            tensors[1] = tensor("I64", [0], b"")
        yield case(
            f"pairs-of-{name}", "block", f"integer pairs of a {name}", [entry(number, "x", tensors)],
            [exact([(0, i)]) for i in range(len(tensors))], edit=as_integers,
        )  # fmt: skip
    yield case("pairs-divided", "block", "A and B of integers in two blocks", pairs("F32", 1), edit=as_integers)
    yield layered("pairs-rank-65537", "limit", "integer pairs of rank 65537", edit=lambda d: (d["tensors"][0].update(shape=[65537, 20]), d["tensors"][1].update(shape=[12, 65537])))
    yield layered("pairs-symbols", "limit", "more than 2^32 integers in a block", edit=lambda d: (d["tensors"][0].update(shape=[65536, 65536]), d["tensors"][1].update(shape=[1, 65536])))
    made = Quantised(np.random.default_rng(13), shapes, "I16", (2,), 1, 0)
    for number, name in enumerate(("plane", "plane-2", "tiers", "scales")):
        yield layered(f"pairs-stream-{name}", "stream", f"a byte more in the {name} of integer pairs", made, edit=lambda d, number=number: longer(d, 0, number))
    yield layered("refinement-stream", "stream", "a byte more in a refinement", edit=lambda d: longer(d, 1, 0))
    yield layered("refinement-order", "block", "a refinement before the block that it refines", edit=lambda d: d["blocks"].reverse())
    yield layered("tensor-in-refinement", "block", "a tensor that names a refinement", edit=lambda d: d["tensors"][0].update(block=1))
    yield layered("scale-negative-zero", "scale", "a component's scale of -0.0", edit=lambda d: change_stream(d, 0, 2, struct.pack("<f", -0.0)))
    yield layered("scale-infinite-component", "scale", "an infinite scale of a component", edit=lambda d: change_stream(d, 0, 2, b"\0\0\x80\x7f"))

    # Parents.
    old = pairs("BF16", 1)
    words = b"".join(part["data"] for part in old[0]["tensors"])
    yield {
        "name": "parent-name-folder", "rule": "parent", "note": "a parent's name that leaves the folder is not opened",
        "data": child("", old, pairs("BF16", 2), "", meta=compact({"parent": {"file": "../valid/parent-bf16.tina"}})),
    }  # fmt: skip
    yield case("parent-digest-zero", "parent", "predictor 2 without a parent's digest", old, [exact(everything(old), 1, 2, 1, predicted=words)])
    forged = pairs("BF16", 2, seed=77)
    yield {
        "name": "parent-forged", "rule": "content-digest", "note": "a file that states the content of another",
        "data": make(forged, edit=lambda d: d["head"].update(content=content_digest(pairs("BF16", 2)))),
    }  # fmt: skip
    for name, note, theirs, file in (
        ("forged", "a parent that states the right content and has another", pairs("BF16", 2), "invalid/parent-forged.tina"),
        ("type", "a parent's tensor of another type", pairs("F16", 2), "valid/parent-f16.tina"),
        ("kind", "a parent that has no entry of the kind", vector(0), "invalid/parent-vector.tina"),
        ("shape", "a parent's tensor of another shape", pairs("BF16", 1, rank=1), "invalid/parent-thin.tina"),
        ("damaged", "a parent whose block is damaged", pairs("BF16", 2, seed=78), "invalid/parent-damaged.tina"),
    ):
        its = make(theirs)
        beside = {file: its} if name in ("kind", "shape") else {}
        if name == "damaged":
            beside = {file: its[:-1] + bytes([its[-1] ^ 1])}
        yield {
            "name": f"child-{name}", "rule": "block-digest" if name == "damaged" else "parent", "note": note,
            "parents": [file], "beside": beside, "data": child("", old, theirs, "", predicted=words),
        }  # fmt: skip
    yield {
        "name": "chain-257", "rule": "limit", "note": "a chain of 257 parents: all files of the pack",
        "pack": "valid/chain.pack", "data": child("", vector(257), vector(256), ""),
    }  # fmt: skip

    # Several rules in one file: the one that is told.
    yield case("first-digest-reserved", "header-digest", "a reserved byte of the header, and no digest of it", damage=lambda data: set_at(data, 70, 1))
    yield case("first-file-index", "limit", "a file length above 2^48 and an unaligned index", edit_header=lambda h: h.update(length=(1 << 48) + 1, index=h["index"] + 1))
    yield case("first-section-of-two", "codec", "an unknown codec of META, an unknown critical section behind it", extra=[(b"ABCD", b"")], edit_sections=lambda s: [item.update(codec=2) for item in s if item["type"] == b"META"])
    yield case("first-section-missing", "section-missing", "no META, and an ancillary section in front", extra=[(b"abCd", b"")], edit_sections=lambda s: s.pop(0) if s[0]["type"] == b"META" else s.sort(key=lambda item: item["type"] == b"TDIR"))
    yield case("first-digest-cut", "section-digest", "a damaged section of a cut file", damage=lambda data: set_at(data, 258, data[258] ^ 1)[:-1])
    yield case("first-metadata-directory", "metadata", "metadata that are no JSON, and a directory without layers", meta=b"[", edit=lambda d: d["head"].update(layers=0))
    yield case("first-reserved-limit", "reserved", "a reserved byte of the head, and nine layers", edit=lambda d: d["head"].update(layers=9, more=bytes(15) + b"\1"))
    yield case("first-flags-kind", "reserved", "an unknown flag and an unknown kind", edit=first(flags=3, kind=9))
    yield case("first-kind-scale", "kind", "an unknown kind and a scale that is no number", edit=first(kind=9, scale=NAN))
    yield case("first-scale-name", "scale", "a scale that is no number, and a path that is too long", edit=first(scale=NAN, path="p" * 1025))
    yield case("first-error-name", "error", "a negative error and a control character", edit=first(errors=[-1.0], path="\n"))
    yield case("first-entry-order", "name", "a control character in an entry that is out of order", edit=lambda d: d["entries"][1].update(module="a\n"))
    yield case("first-tensor-block", "shape", "a block that is not there, and shapes that do not fit", edit=lambda d: (d["tensors"][0].update(block=99), d["tensors"][1].update(shape=[8, 8])))
    yield case("first-block-fields", "element", "an unknown element type and arrangement of a block", edit=lambda d: d["blocks"][0].update(element=0, arrangement=7))
    yield case("first-stream-layout", "stream", "a stream that is too long, and a layer that ends elsewhere", edit=lambda d: (longer(d, 0, 0), d["layers"][0].update(end=lambda end: end - 1)))
    yield case("first-parent-padding", "parent", "a parent that nobody has, and a byte between blocks", [dict(plain[0])], [exact([(0, 0)], 1, 2, 1, predicted=plain[0]["tensors"][0]["data"]), exact([(0, 1)])], parent=bytes([7] * 32), edit=lambda d: d["blocks"][1].update(gap_byte=1))
    yield case("first-padding-data", "padding", "a byte between blocks, and a damaged block", pairs("BF16", 1, rank=3, inner=7), edit=lambda d: d["blocks"][1].update(gap_byte=1), damage=lambda data: set_at(data, len(data) - 1, data[-1] ^ 1))
    yield from undecided(case, layered)


def undecided(case, layered):
    """What a reader of the text alone asked."""
    for name, frame, note in (
        ("more", EMPTY_FRAME + b"\0", "a byte behind a frame of no bytes"),
        ("short", EMPTY_FRAME[:6], "a frame of no bytes without its block"),
        ("unended", EMPTY_FRAME[:6] + bytes(3), "a frame of no bytes without its last block"),
    ):
        yield case(f"zstd-nothing-{name}", "zstd", note, nothing(), [exact([(0, 0)], codec=2) | {"frames": [frame]}])
    seven = [entry(FULL, "x", [tensor("U8", [64], b"\7" * 64)], parameter="weight")]
    frame = rle_frame(64, 7)
    frame = frame[:4] + bytes([frame[4] | 1, 0]) + frame[5:]
    yield case("zstd-dictionary", "zstd", "a dictionary's number in the frame's header, which is 0", seven, [exact([(0, 0)], codec=2) | {"frames": [frame]}])
    yield case("metadata-name-spaced", "metadata", "a name of 8193 bytes, and much blank space before the colon", meta=b'{"' + b"n" * 8193 + b'"' + b" " * 200 + b":1}", compress=(b"META",))
    yield case("metadata-number-long", "metadata", "a number of 4097 characters", meta=b'{"x":-' + b"1" * 4096 + b"}", compress=(b"META",))
    yield case("metadata-surrogate-name", "metadata", "a lone surrogate in a name", meta=b'{"\\udc00":1}')

    # Parents.
    old, new = pairs("BF16", 2), pairs("BF16", 2, seed=50)
    yield case("section-digest-directory", "section-digest", "a directory of another digest", old, edit_sections=lambda s: s[1].update(digest=bytes(32)))
    for name, rule, note, file in (
        ("cut", "truncated", "a parent that lacks its last byte", make(old)[:-1]),
        ("section", "section-digest", "a parent whose metadata are damaged", make(old, edit_sections=lambda s: s[0].update(digest=bytes(32)))),
        ("metadata", "metadata", "a parent whose metadata are no JSON", make(old, meta=b"[")),
    ):
        its = f"invalid/parent-{name}.tina"
        yield {
            "name": f"child-{name}", "rule": rule, "note": note, "parents": [its], "beside": {its: file},
            "data": child("", new, old, ""),
        }  # fmt: skip
    huge = [entry(FULL, "a", [tensor("U8", [64], bytes(64))], parameter="weight")] + old
    words = b"".join(part["data"] for item in old for part in item["tensors"])
    names = [(i + 1, j) for i in range(2) for j in range(2)]
    plans = [exact([(0, 0)], codec=2) | {"frames": [rle_frame(16 << 10, 0) + bytes(17000)]}, exact(names, 1, 2, 1, predicted=words)]
    parent = make(huge, plans, parent=content_digest(old), edit=lambda d: d["tensors"][0].update(shape=[(512 << 20) + 1]))
    eldest = make(old)
    yield {
        "name": "first-parent-limit", "rule": "limit", "note": "a parent that decodes to too many bytes, and its own parent damaged",
        "parents": ["invalid/parent-large.tina", "invalid/parent-eldest.tina"],
        "beside": {"invalid/parent-large.tina": parent, "invalid/parent-eldest.tina": eldest[:-1] + bytes([eldest[-1] ^ 1])},
        "data": make(new, [exact(everything(new), 1, 2, 1, predicted=words)], parent=content_digest(huge)),
    }  # fmt: skip

    # Which fault of a block of integer pairs is told.
    shapes = [(Q, 3, 20, 12), ("layers.1.mlp.down_proj", 2, 30, 10)]
    made = Quantised(np.random.default_rng(51), shapes, "I8", (3,), 1, 0)
    plan = [made.plan() | {"codecs": [0, 0, 2]}]
    options = {"bits": made.bits, "errors": made.errors()}
    yield case("first-stream-tier", "zstd", "a tier of 16, and scales that do not decode", made.entries, plan, edit=lambda d: (change_stream(d, 0, 1, b"\x10"), change_stream(d, 0, 2, bytes(4))), **options)
    yield layered("first-tier-scale", "tier", "a tier of 16, and a negative scale", made, edit=lambda d: (change_stream(d, 0, 1, b"\x10"), change_stream(d, 0, 2, struct.pack("<f", -1.0))))
    yield layered("first-scale-refinement", "scale", "a negative scale, and a damaged refinement", made, edit=lambda d: (change_stream(d, 0, 2, struct.pack("<f", -1.0)), d["blocks"][1].update(digest=bytes(16))))


def as_integers(directory):
    """States integer pairs where exact blocks are."""
    for block in directory["blocks"]:
        block.update(form=1, element=ELEMENTS["I8"][0])
        block["streams"].append({"codec": 0, "data": b"", "length": None})


def longer(directory, block, stream):
    target = directory["blocks"][block]["streams"][stream]
    target["data"] = target["data"] + b"\0"


def set_at(data, place, value):
    data[place] = value
    return data
