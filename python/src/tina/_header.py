"""Header and section table (sections 4 and 5 of the format)."""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from ._errors import need
from ._zstd import decompress

SIGNATURE = b"\x89TINA\r\n\n"
HEADER = 128
MAXIMUM_FILE = 1 << 48
LIMITS = {b"META": 16 << 20, b"BASE": 131072, b"TDIR": 64 << 20}


def sha256(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()


class Section(NamedTuple):
    """A section as the table describes it."""

    type: bytes
    codec: int
    begin: int
    stored: int
    decoded: int
    digest: bytes


class Header:
    """The beginning of a file, checked; the sections' digests are checked by ``content``."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        head = bytes(data[:HEADER])
        need(head[:8] == SIGNATURE[: len(head)], "signature", "byte 0", "no .tina file")
        need(len(head) == HEADER, "truncated", "", f"{len(head)} bytes")
        major, _, count, self.index_length, self.file_length = struct.unpack_from("<HHIQQ", head, 8)
        need(major == 1, "version", "byte 8", f"version {major}")
        need(sha256(head[:96]) == head[96:], "header-digest", "byte 96", "another digest")
        self.file_digest = head[96:]
        need(not any(head[64:96]), "reserved", "header", "a byte that is not zero")
        need(2 <= count <= 64, "limit", "byte 12", f"{count} sections")
        need(self.file_length <= MAXIMUM_FILE, "limit", "byte 24", f"a file of {self.file_length} bytes")
        table_end = HEADER + 64 * count
        aligned = self.index_length % 64 == 0 and table_end <= self.index_length <= self.file_length
        need(aligned, "layout", "byte 16", f"an index of {self.index_length} bytes")
        need(len(data) <= self.file_length, "trailing", "", f"{len(data) - self.file_length} bytes more")
        need(len(data) >= self.index_length, "truncated", "", "the index is not whole")
        table = bytes(data[HEADER:table_end])
        need(sha256(table) == head[32:64], "table-digest", "section table", "another digest")
        self.sections: list[Section] = []
        at = table_end
        for number in range(count):
            at = self._section(table, number, at)
        types = [section.type for section in self.sections]
        need(b"META" in types and b"TDIR" in types, "section-missing", "section table", "no META or no TDIR")
        first = [name for name in (b"META", b"BASE", b"TDIR") if name in types]
        need(types[: len(first)] == first, "section-order", "section table", "sections out of order")
        need(-(-at // 64) * 64 == self.index_length, "layout", "section table", "sections end elsewhere")
        need(not any(data[at : self.index_length]), "padding", "index", "a byte that is not zero")

    def _section(self, table: bytes, number: int, at: int) -> int:
        place = f"section {number + 1}"
        name, codec, stored, decoded, reserved, digest = struct.unpack_from("<4sIQQ8s32s", table, 64 * number)
        need(not any(reserved), "reserved", place, "a byte that is not zero")
        need(name.isalpha() and name.isascii() and name[2:3].isupper(), "section-type", place, repr(name))
        need(all(name != other.type for other in self.sections), "section-duplicate", place, repr(name))
        need(name[:1].islower() or name in LIMITS, "section-unknown", place, repr(name))
        need(codec <= 1, "codec", place, f"codec {codec}")
        limit = LIMITS.get(name, 1 << 32)
        need(stored <= limit and decoded <= limit, "limit", place, f"{max(stored, decoded)} bytes")
        need(codec == 1 or stored == decoded, "layout", place, "two lengths of a stored section")
        self.sections.append(Section(name, codec, at, stored, decoded, digest))
        end: int = at + stored
        return end

    def contents(self) -> dict[bytes, bytes]:
        """The bytes of the known sections, after checking the digests of all."""
        found = {}
        for section in self.sections:
            raw = self.content(section)
            if raw is not None:
                found[section.type] = raw
        return found

    def content(self, section: Section) -> bytes | None:
        """The bytes of one section, after checking its digest; None for one that is not known."""
        place = "section " + section.type.decode()
        stored = self.data[section.begin : section.begin + section.stored]
        need(sha256(stored) == section.digest, "section-digest", place, "other bytes than its digest says")
        if section.type not in LIMITS:
            return None
        return decompress(stored, section.decoded, place) if section.codec else bytes(stored)
