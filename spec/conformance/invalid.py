"""The invalid files: each breaks one rule once."""

from valid import *  # noqa: F403
from writer import *  # noqa: F403

NAN, INF = math.nan, math.inf


def cases():
    plain = pairs("BF16", 2)
    rng = np.random.default_rng(11)
    shapes = [(Q, 3, 20, 12), ("layers.1.mlp.down_proj", 2, 30, 10)]
    quantised = Quantised(rng, shapes, "I8", (3,), 1, 0)
    planes = [exact(everything(plain), 1, codec=1)]

    def case(name, rule, note, entries=plain, plans=None, **options):
        return {"name": name, "rule": rule, "note": note, "data": make(entries, plans, **options)}

    def layered(name, rule, note, made=quantised, **options):
        return case(name, rule, note, made.entries, [made.plan()], bits=made.bits, errors=made.errors(), **options)

    def put(part, key, value, index=None):
        """An edit of one field of the directory."""

        def edit(directory):
            target = directory[part] if index is None else directory[part][index]
            target[key] = value

        return edit

    def section(kind, **fields):
        def edit(sections):
            for item in sections:
                if item["type"] == kind:
                    item |= fields

        return edit

    def header(**fields):
        return lambda target: target.update(fields)

    def flip(place):
        def damage(data):
            data[place] ^= 0x40

        return damage

    def kind(**fields):
        return lambda directory: directory["entries"][0].update(fields)

    # Header.
    yield case("signature", "signature", "the first byte has lost its high bit", damage=lambda data: bytes([9]) + data[1:])
    yield case("signature-newline", "signature", "the two-byte end of line became one", edit_header=header(signature=b"\x89TINA\n\n\n"))
    yield {"name": "signature-short", "rule": "signature", "note": "three bytes of something else", "data": b"PK\x03"}
    yield {"name": "empty", "rule": "truncated", "note": "no bytes at all", "data": b""}
    yield case("truncated-header", "truncated", "127 bytes", damage=lambda data: data[:127])
    yield case("truncated-index", "truncated", "cut within the index", damage=lambda data: data[:300])
    yield case("truncated-data", "truncated", "the last byte is missing", damage=lambda data: data[:-1])
    yield case("trailing", "trailing", "a byte behind the end", damage=lambda data: data + b"\0")
    yield case("version", "version", "major version 2", edit_header=header(major=2))
    yield case("header-digest", "header-digest", "a bit of the file length", damage=flip(24))
    yield case("header-digest-itself", "header-digest", "a bit of the digest", damage=flip(127))
    yield case("header-reserved", "reserved", "a reserved byte of the header", edit_header=header(reserved=bytes(31) + b"\1"))
    yield case("sections-1", "limit", "one section", edit_header=header(sections=1))
    yield case("sections-65", "limit", "65 sections", edit_header=header(sections=65))
    yield case("index-unaligned", "layout", "an index length that is no multiple of 64", edit_header=lambda h: h.update(index=h["index"] + 8))
    yield case("index-small", "layout", "an index length below the table's end", edit_header=header(index=192))
    yield case("index-beyond-file", "layout", "an index longer than the file", edit_header=lambda h: h.update(index=h["length"] // 64 * 64 + 64))
    yield case("file-length", "limit", "a file length above 2^48", edit_header=header(length=(1 << 48) + 64))

    # Sections.
    yield case("table-digest", "table-digest", "a bit of the section table", damage=flip(136))
    yield case("table-reserved", "reserved", "a reserved byte of a section record", edit_sections=section(b"META", reserved=bytes(7) + b"\1"))
    yield case("section-type-digit", "section-type", "a digit in a type", extra=[(b"ab1d", b"")])
    yield case("section-type-third", "section-type", "a small third letter", extra=[(b"abcd", b"")])
    yield case("section-duplicate", "section-duplicate", "a type twice", extra=[(b"abCd", b"1"), (b"abCd", b"2")])
    yield case("section-unknown", "section-unknown", "a critical section that nobody knows", extra=[(b"ABCD", b"")])
    yield case("section-unknown-private", "section-unknown", "a private critical section", extra=[(b"AbCd", b"")])
    yield case("section-order", "section-order", "TDIR before META", edit_sections=lambda s: s.sort(key=lambda item: item["type"] != b"TDIR"))
    yield case("section-order-base", "section-order", "BASE behind TDIR", extra=[(b"BASE", identity())])
    yield case("section-order-ancillary", "section-order", "an ancillary section before TDIR", extra=[(b"abCd", b"")], edit_sections=lambda s: s.sort(key=lambda item: item["type"] == b"TDIR"))
    yield case("section-missing", "section-missing", "no META", extra=[(b"abCd", b"")], edit_sections=lambda s: s.pop(0) if s[0]["type"] == b"META" else None)
    yield case("section-codec", "codec", "codec 2", edit_sections=section(b"META", codec=2))
    yield case("section-lengths", "layout", "stored, with two lengths", edit_sections=section(b"META", decoded=3))
    yield case("section-large", "limit", "metadata of 16 MiB and a byte", compress=(b"META",), edit_sections=section(b"META", decoded=(16 << 20) + 1))
    yield case("section-end", "layout", "sections that end elsewhere than the index", extra=[(b"abCd", b"")], edit_sections=section(b"abCd", length=4096, decoded=4096))
    yield case("index-padding", "padding", "a byte between the sections and the data", damage=lambda data: set_byte(data, index_end(data) - 1, 1), meta=b"{}" + b" " * 9)
    yield case("section-digest", "section-digest", "a bit of the metadata", damage=flip(128 + 128))
    yield case("section-digest-skipped", "section-digest", "a bit of a section that is skipped", extra=[(b"abCd", b"1234")], edit_sections=section(b"abCd", digest=bytes(32)))
    yield case("section-zstd", "zstd", "metadata that is no frame", compress=(b"META",), edit_sections=section(b"META", stored=b"{} is no frame", decoded=2))
    yield case("section-zstd-size", "zstd", "a frame of another content size", compress=(b"META",), edit_sections=section(b"META", decoded=3))
    yield case("section-zstd-ratio", "zstd", "more than a frame can expand to", compress=(b"META",), edit_sections=section(b"META", decoded=1 << 20, stored=zstd(b"{}")))

    # Metadata and base.
    for name, text, note in (
        ("not-json", b"{", "no JSON"), ("array", b"[]", "no object"), ("empty", b"", "nothing"),
        ("key-twice", b'{"a":1,"a":2}', "a key twice"), ("key-twice-escaped", b'{"a":1,"\\u0061":2}', "a key twice, once escaped"),
        ("utf-8", b'{"a":"\xff"}', "no UTF-8"), ("bom", b"\xef\xbb\xbf{}", "a byte order mark"),
        ("surrogate", b'{"a":"\\ud800"}', "a lone surrogate"), ("deep", b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "65 levels"),
        ("nan", b'{"a":NaN}', "a number that JSON lacks"), ("comma", b'{"a":1,}', "a comma before the end"),
        ("control", b'{"a":"\n"}', "a control character in a string"), ("more", b"{}{}", "something behind the object"),
        ("name-type", b'{"base_model_name":1}', "a name that is a number"),
        ("configuration-type", b'{"configuration":[]}', "a configuration that is a list"),
        ("texts-type", b'{"tensor_metadata":{"a":1}}', "tensor metadata that are no texts"),
        ("leading-zero", b'{"a":01}', "a number that begins with 0"),
    ):  # fmt: skip
        yield case(f"metadata-{name}", "metadata", note, meta=text)
    good = identity()
    for name, data, note in (
        ("short", good[:-1], "the last byte is missing"), ("long", good + b"\0", "a byte more"),
        ("version", b"\2" + good[1:], "version 2"), ("order", good.replace(b"heads", b"peads"), "sizes out of order"),
        ("value", good[:-4] + struct.pack("<f", INF), "a weight that is infinite"),
        ("column", good.replace(struct.pack("<HII", 0, 7, 32), struct.pack("<HII", 0, 7, 33)), "a column that begins no run"),
        ("run", good.replace(struct.pack("<HII", 1, 0, 0), struct.pack("<HII", 0, 95, 32)), "a tensor without a run"),
    ):  # fmt: skip
        yield case(f"base-{name}", "base", note, base=data)
    yield case("base-large", "limit", "an identity above 131072 bytes", base=bytes(131073), compress=(b"BASE",))

    # Directory.
    yield case("directory-long", "directory", "a byte behind the last block", edit=lambda d: d.update(tail=b"\0"))
    yield case("directory-short", "directory", "one block more than there are records", edit=lambda d: d["head"].update(blocks=d["head"]["blocks"] + 1))
    yield case("directory-tensors", "directory", "a number of tensors that is not their sum", edit=lambda d: d["head"].update(tensors=d["head"]["tensors"] + 1))
    yield case("layers-0", "limit", "no layers", edit=put("head", "layers", 0))
    yield case("layers-9", "limit", "nine layers", edit=put("head", "layers", 9))
    yield case("entries-limit", "limit", "too many entries", edit=put("head", "entries", (1 << 17) + 1))
    yield case("blocks-limit", "limit", "too many blocks", edit=put("head", "blocks", (1 << 19) + 1))
    yield case("directory-reserved", "reserved", "a reserved byte of the head", edit=put("head", "more", bytes(15) + b"\1"))
    yield case("seed-unused", "predictor", "a seed that no block uses", edit=put("head", "seed", 1))
    yield case("parent-unused", "parent", "a parent that no block uses", edit=put("head", "parent", bytes([1] * 32)))
    yield case("layer-bits-first", "layers", "refinement bits of the first layer", edit=put("layers", "bits", 1, 0))
    yield layered("layer-bits-0", "layers", "a layer without bits", edit=put("layers", "bits", 0, 1))
    yield layered("layer-bits-9", "layers", "nine bits", edit=put("layers", "bits", 9, 1))
    yield layered("layer-error", "error", "an error that is no number", edit=put("layers", "largest", NAN, 0))
    yield layered("layer-error-negative", "error", "a negative error", edit=put("layers", "whole", -1.0, 1))
    yield layered("layer-reserved", "reserved", "a reserved field of a layer", edit=put("layers", "reserved", 1, 1))
    yield layered("layer-end", "layout", "a layer that ends elsewhere", edit=put("layers", "end", lambda end: end - 1, 0))
    yield case("layer-end-file", "layout", "a file that goes on behind its last layer", edit_header=lambda h: h.update(length=h["length"] + 64), damage=lambda data: data + bytes(64))

    # Entries.
    yield case("kind-0", "kind", "kind 0", edit=kind(kind=0))
    yield case("kind-9", "kind", "a kind that nobody knows", edit=kind(kind=9))
    yield case("kind-count", "kind", "a pair of one tensor", edit=kind(count=1))
    yield case("origin", "scale", "an unknown origin of the scale", edit=kind(origin=3))
    yield case("flags", "reserved", "an unknown flag", edit=kind(flags=3))
    yield case("entry-reserved", "reserved", "a reserved field of an entry", edit=kind(reserved=1))
    yield case("scale-nan", "scale", "a scale that is no number", edit=kind(scale=NAN))
    yield case("scale-infinite", "scale", "an infinite scale", edit=kind(scale=INF))
    yield case("alpha-infinite", "scale", "an infinite alpha", edit=kind(alpha=INF))
    yield case("alpha-without-flag", "scale", "an alpha that is said to be absent", edit=kind(flags=0))
    kinds = all_kinds()

    def of_kind(number, **fields):
        return lambda directory: next(item for item in directory["entries"] if item["kind"] == number).update(fields)

    yield case("bias-scale", "scale", "a bias with a scale", kinds, edit=of_kind(BIAS, scale=2.0))
    yield case("full-alpha", "scale", "a full tensor with an alpha", kinds, edit=of_kind(FULL, flags=1, alpha=1.0))
    yield case("magnitude-origin", "scale", "magnitudes with an origin of the scale", kinds, edit=of_kind(MAGNITUDE, origin=1))
    yield case("name-empty", "name", "a module without a name", edit=kind(module=""))
    yield case("name-long", "name", "a name of 1025 bytes", edit=kind(module="layers.0." + "m" * 1016))
    yield case("path-long", "name", "a path of 1025 bytes", edit=kind(path="p" * 1025))
    yield case("name-control", "name", "a control character in a name", edit=kind(module="layers.0.a\nb"))
    yield case("name-delete", "name", "U+007F in a path", edit=kind(path="a\x7f"))
    yield case("name-utf-8", "name", "a name that is no UTF-8", edit=kind(module=b"layers.0.\xc3"))
    yield case("name-overlong", "name", "a name with an overlong form", edit=kind(module=b"layers.0.\xc0\x80"))
    yield case("name-surrogate", "name", "a name with a surrogate", edit=kind(module=b"layers.0.\xed\xa0\x80"))
    yield case("parameter", "name", "a pair with a parameter", edit=kind(parameter="weight"))
    yield case("attributes-json", "attributes", "attributes that are no object", edit=kind(attributes=b"[]"))
    yield case("attributes-names", "attributes", "one name for two tensors", edit=kind(attributes=b'{"tensor_names":["a"]}'))
    yield case("attributes-types", "attributes", "names that are numbers", edit=kind(attributes=b'{"tensor_names":[1,2]}'))
    yield case("entry-error", "error", "an infinite error", edit=kind(errors=[INF]))
    yield case("order", "order", "entries in the wrong order", edit=lambda d: (d["entries"].reverse(), d["tensors"].reverse()))
    yield case("order-numbers", "order", "layer 10 before layer 9", edit=lambda d: (d["entries"][0].update(module="layers.10.x"), d["entries"][1].update(module="layers.9.x")))
    yield case("order-equal", "order", "an entry twice", edit=lambda d: d["entries"][1].update(module=d["entries"][0]["module"]))

    # Tensors.
    yield case("element-0", "element", "element type 0", edit=put("tensors", "element", 0, 0))
    yield case("element-23", "element", "an unknown element type", edit=put("tensors", "element", 23, 0))
    yield case("dimensions-9", "limit", "nine dimensions", edit=lambda d: d["tensors"][0].update(shape=[4, 24] + [1] * 7))
    yield case("size-large", "limit", "a size of 2^40", edit=lambda d: d["tensors"][0].update(shape=[4, 1 << 40]))
    yield case("tensor-large", "limit", "a tensor above 2^40 bytes", edit=lambda d: d["tensors"][0].update(shape=[1 << 30, 1 << 20]))
    yield case("tensor-overflow", "limit", "sizes whose product overflows 64 bits", edit=lambda d: d["tensors"][0].update(shape=[1 << 39, 1 << 39]))
    yield case("tensor-reserved", "reserved", "a reserved field of a tensor", edit=put("tensors", "reserved", 1, 0))
    yield case("tensor-block", "block", "a block that is not there", edit=put("tensors", "block", 4, 0))
    yield case("rank-mismatch", "shape", "A and B of different rank", edit=lambda d: d["tensors"][1].update(shape=[8, 8]))
    yield case("pair-3d", "shape", "a pair with three dimensions", edit=lambda d: d["tensors"][0].update(shape=[4, 24, 1]))
    yield case("pair-empty", "shape", "a pair without elements", edit=lambda d: d["tensors"][0].update(shape=[4, 0]))
    yield case("convolution-2d", "shape", "a convolution with two dimensions", kinds, edit=lambda d: d["tensors"][tensor_of(d, CONVOLUTION)].update(shape=[2, 27]))
    yield case("rows-numbers", "shape", "two numbers for three rows", kinds, edit=lambda d: d["tensors"][tensor_of(d, ROWS) + 1].update(shape=[2]))
    yield case("rows-type", "element", "row numbers that are U64", kinds, edit=lambda d: d["tensors"][tensor_of(d, ROWS) + 1].update(element=ELEMENTS["U64"][0]))
    yield case("odd-bits", "shape", "three elements of four bits", [entry(FULL, "x", [tensor("F4", [3], b"\1\2")], parameter="w")])

    # Blocks.
    yield case("form", "block", "an unknown form", edit=put("blocks", "form", 3, 0))
    yield case("block-element", "element", "an unknown element type of a block", edit=put("blocks", "element", 99, 0))
    yield case("block-element-other", "element", "a block of another type than its tensor", edit=put("blocks", "element", ELEMENTS["F16"][0], 0))
    yield case("arrangement", "arrangement", "an unknown arrangement", edit=put("blocks", "arrangement", 2, 0))
    yield case("arrangement-packed", "arrangement", "byte planes of four-bit elements", [entry(FULL, "x", [tensor("F4", [4], b"\1\2")], parameter="w")], edit=put("blocks", "arrangement", 1, 0))
    yield case("predictor", "predictor", "an unknown predictor", plans=planes, edit=put("blocks", "predictor", 3, 0))
    yield case("predictor-plain", "arrangement", "a predictor without planes", edit=lambda d: (put("blocks", "predictor", 1, 0)(d), put("head", "seed", 1)(d)))
    yield case("predictor-b", "predictor", "a seeded B", plans=[exact([(0, 0)]), exact([(0, 1)], 1), exact([(1, 0)]), exact([(1, 1)])], edit=lambda d: (put("blocks", "predictor", 1, 1)(d), put("head", "seed", 1)(d)))
    full = [entry(FULL, "x", [tensor("I32", [4], bytes(range(16)))], parameter="w")]
    yield case("predictor-element", "predictor", "a prediction of integers", full, [exact([(0, 0)], 1)], edit=lambda d: (put("blocks", "predictor", 2, 0)(d), put("head", "parent", bytes([1] * 32))(d)))
    yield case("streams-2", "block", "two streams of a plain block", edit=lambda d: d["blocks"][0]["streams"].append({"codec": 0, "data": b"", "length": None}))
    yield case("block-reserved", "reserved", "a reserved field of a block", edit=put("blocks", "reserved", b"\0\0\1", 0))
    yield case("block-empty", "block", "a block that holds nothing", edit=lambda d: d["tensors"][0].update(block=d["tensors"][1]["block"]))
    yield case("block-two-in-place", "block", "two tensors in a block in place", plans=[exact(everything(plain))])
    yield case("stream-codec", "codec", "an unknown codec", edit=lambda d: d["blocks"][0]["streams"][0].update(codec=2))
    yield case("stream-length", "stream", "a stored stream that is too long", edit=lambda d: d["blocks"][0]["streams"][0].update(data=d["blocks"][0]["streams"][0]["data"] + b"\0"))
    yield case("stream-length-huge", "limit", "a stored stream of almost 2^64 bytes", edit=lambda d: d["blocks"][0]["streams"][0].update(length=(1 << 64) - 64))
    yield case("attributes-null", "attributes", "names that are null", edit=kind(attributes=b'{"tensor_names":null}'))
    yield case("attributes-long", "limit", "attributes of 65537 bytes", edit=kind(attributes=b'{"x":"' + b"y" * 65529 + b'"}'))
    yield case("refined-exact", "block", "an exact block that names a refined one", edit=put("blocks", "target", 1, 0))
    yield layered("refined-block", "block", "a refinement of another block", edit=put("blocks", "target", 1, 1))
    yield layered("refinement-element", "element", "a refinement with an element type", edit=put("blocks", "element", 3, 1))
    yield layered("refinement-missing", "block", "a layer that lacks a refinement", edit=lambda d: (d["blocks"].pop(), d["head"].update(blocks=1)))
    yield layered("pairs-element", "element", "integer pairs of I32", edit=put("blocks", "element", ELEMENTS["I32"][0], 0))
    yield layered("pairs-of-bf16", "element", "integer pairs whose tensors are BF16", edit=lambda d: [item.update(element=ELEMENTS["BF16"][0]) for item in d["tensors"]])
    yield layered("tier", "tier", "tier 16", edit=lambda d: change_stream(d, 0, 1, b"\x10"))
    yield layered("scale-negative", "scale", "a negative scale of a component", edit=lambda d: change_stream(d, 0, 2, struct.pack("<f", -1.0)))
    yield layered("scale-subnormal", "scale", "a subnormal scale of a component", edit=lambda d: change_stream(d, 0, 2, struct.pack("<I", 1)))
    yield layered("refinement-bits", "padding", "unused bits of a refinement", big_odd(), edit=lambda d: change_stream(d, 1, 0, b"\xff", last=True))
    yield case("gap", "padding", "a byte between blocks", edit=lambda d: d["blocks"][1].update(gap_byte=1), entries=pairs("BF16", 1, rank=3, inner=7))

    # Data.
    yield case("block-digest", "block-digest", "a bit of the last byte", damage=flip(-1))
    yield layered("block-digest-refinement", "block-digest", "a bit of a refinement", damage=flip(-1))
    yield case("zstd-damaged", "zstd", "a compressed stream with a damaged end", plans=planes, edit=lambda d: change_compressed(d, lambda data: data[:-1] + bytes([data[-1] ^ 1])))
    yield case("zstd-short", "zstd", "a compressed stream that is cut", plans=planes, edit=lambda d: change_compressed(d, lambda data: data[:-3]))
    yield case("zstd-two-frames", "zstd", "two frames", plans=planes, edit=lambda d: change_compressed(d, lambda data: data + zstd(b"")))
    yield case("zstd-skippable", "zstd", "a frame that is to be skipped before it", plans=planes, edit=lambda d: change_compressed(d, lambda data: b"\x50\x2a\x4d\x18\0\0\0\0" + data))
    yield case("zstd-checksum", "zstd", "a frame with a checksum", plans=planes, edit=lambda d: recompress(d, write_checksum=True))
    yield case("zstd-no-size", "zstd", "a frame without its content size", plans=planes, edit=lambda d: recompress(d, write_content_size=False))
    yield case("content-digest", "content-digest", "another content digest", edit=put("head", "content", bytes(32)))
    yield case("parent-absent", "parent", "a parent that nobody has", plans=[exact(everything(plain), 1, 2, 1, predicted=b"".join(part["data"] for item in plain for part in item["tensors"]))], parent=bytes([7] * 32))


def set_byte(data, place, value):
    assert data[place] != value
    data[place] = value


def index_end(data):
    end = struct.unpack_from("<Q", data, 16)[0]
    assert not any(data[end - 1 : end])
    return end


def tensor_of(directory, kind):
    at = 0
    for item in directory["entries"]:
        if item["kind"] == kind:
            return at
        at += len(item["tensors"])
    raise AssertionError


def change_stream(directory, block, stream, data, last=False):
    target = directory["blocks"][block]["streams"][stream]
    old = target["data"]
    target["data"] = old[: -len(data)] + data if last else data + old[len(data) :]


def change_compressed(directory, change):
    target = next(stream for stream in directory["blocks"][0]["streams"] if stream["codec"] == 1)
    target["data"] = change(target["data"])


def recompress(directory, **options):
    target = next(stream for stream in directory["blocks"][0]["streams"] if stream["codec"] == 1)
    content = zstandard.ZstdDecompressor().decompress(target["data"])
    options = {"write_checksum": False, "write_content_size": True, **options}
    target["data"] = zstandard.ZstdCompressor(level=19, **options).compress(content)


def big_odd():
    """13 symbols of 3 bits: the last byte has unused bits."""
    return Quantised(np.random.default_rng(12), [("layers.0.a", 1, 8, 5)], "I8", (3,), 1, 0)
