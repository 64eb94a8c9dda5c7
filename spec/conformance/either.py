"""What the text leaves to a reader: it takes the file, or refuses it, by the rule or because of a limit of its own."""

from valid import *  # noqa: F403
from writer import *  # noqa: F403


def cases():
    def case(name, rule, entries, note, plans=None, **options):
        return {
            "name": name, "rule": rule, "note": note, "content_digest": content_digest(entries).hex(),
            "tensors": hashes(entries), "data": make(entries, plans, **options),
        }  # fmt: skip

    def frame(name, size, frame, note):
        entries = [entry(FULL, "x", [tensor("U8", [size], b"\7" * size)], parameter="weight")]
        return case(name, "zstd", entries, note, [exact([(0, 0)], codec=2) | {"frames": [frame]}])

    size = (128 << 10) + 1
    yield frame("block-131073", size, one_block(size, None), "a block of 128 KiB and a byte")
    yield frame("block-above-window", 1025, one_block(1025, 0x00), "a block of a byte more than its window of 1 KiB")
    yield frame("block-raw-above-window", 1025, one_block(1025, 0x00, raw=True), "the same block, not compressed")

    plain, marks = pairs("BF16", 1), "e" + "\u0301" * 31
    for name, part in (("module", {"module": "layers.0." + marks}), ("path", {"path": marks})):
        yield case(f"marks-{name}", None, [dict(plain[0], **part)], f"31 combining marks in a row, in a {name}")
    for name, note, text in (
        ("value", "in a string of META", {"x": [marks]}), ("key", "in a name of META", {marks: 1}),
        ("escaped", "in a string of META, written as escapes", None),
    ):  # fmt: skip
        meta = compact(text) if text else b'{"x":"' + b"\\u0301" * 31 + b'"}'
        yield case(f"marks-{name}", None, plain, "31 combining marks in a row, " + note, meta=meta)
    attributes = compact({"tensor_names": [marks, "b"]})
    yield case("marks-attributes", None, [dict(plain[0], attributes=attributes)],
               "31 combining marks in a row, in attributes")


def one_block(size, window, raw=False):
    """A frame of one block: a byte repeated, or every one of them."""
    start = b"\x28\xb5\x2f\xfd" + (b"\xa0" if window is None else b"\x80" + bytes([window])) + struct.pack("<I", size)
    return start + (1 | (not raw) << 1 | size << 3).to_bytes(3, "little") + b"\7" * (size if raw else 1)
