"""Zstandard frames as section 7.3 allows them."""

from __future__ import annotations

import threading
from typing import Any

import zstandard

from ._errors import TinaError, need

WINDOW = 1 << 20
RATIO = 32768
_local = threading.local()


def check_header(frame: memoryview, length: int, place: str) -> None:
    """Checks what the frame's header says."""

    def wrong(found: str) -> TinaError:
        return TinaError("zstd", place, found)

    need(length <= RATIO * len(frame), "zstd", place, "more bytes than a frame can expand to")
    if bytes(frame[:4]) != b"\x28\xb5\x2f\xfd" or len(frame) < 5:
        raise wrong("no frame of Zstandard")
    descriptor = frame[4]
    if descriptor & 0x0F:
        raise wrong("a dictionary, a checksum or a reserved bit in the frame's header")
    single, flag, at, window = bool(descriptor & 0x20), descriptor >> 6, 5, 0
    if not single:
        if flag == 0:
            raise wrong("no content size in the frame")
        if len(frame) < 6:
            raise wrong("a frame cut off")
        base = 1 << (10 + (frame[5] >> 3))
        window, at = base + base // 8 * (frame[5] & 7), 6
    size = 1 << flag
    if len(frame) < at + size:
        raise wrong("a frame cut off")
    content = int.from_bytes(frame[at : at + size], "little") + (256 if size == 2 else 0)
    if content != length:
        raise wrong(f"a content size of {content} bytes, where {length} are expected")
    if (length if single else window) > WINDOW:
        raise wrong("a window above 1 MiB")


def decompress(frame: memoryview, length: int, place: str) -> bytes:
    """The content of one frame that fills the bytes."""
    check_header(frame, length, place)
    decoder = getattr(_local, "decoder", None)
    if decoder is None:
        decoder = _local.decoder = zstandard.ZstdDecompressor()
    try:
        if length == 0:
            return _nothing(decoder.decompressobj(), frame, place)
        content: bytes = decoder.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise TinaError("zstd", place, f"a frame that does not decode: {error}") from error
    need(len(content) == length, "zstd", place, "a frame that does not decode to its length")
    return content


def _nothing(stream: Any, frame: memoryview, place: str) -> bytes:
    """The content of a frame of no bytes, whose blocks ``decompress`` would not look at."""
    content: bytes = stream.decompress(frame)
    need(stream.eof and not stream.unused_data and not content, "zstd", place, "no whole frame of no bytes")
    return content


def _compressor(search: bool) -> Any:
    name = "search" if search else "entropy"
    found = getattr(_local, name, None)
    if found is None:
        if search:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                19, window_log=20, write_content_size=True, write_checksum=False, write_dict_id=False
            )
        else:
            # Noise such as exponents: entropy coding with hardly any search.
            parameters = zstandard.ZstdCompressionParameters.from_level(
                1, window_log=17, hash_log=6, min_match=7, strategy=zstandard.STRATEGY_FAST,
                write_content_size=True, write_checksum=False, write_dict_id=False,
            )  # fmt: skip
        found = zstandard.ZstdCompressor(compression_params=parameters)
        setattr(_local, name, found)
    return found


def compress(data: bytes | memoryview, search: bool, cuts: tuple[int, ...] = ()) -> bytes | None:
    """A frame, or None if it would not be smaller. At ``cuts`` the compressor begins a new block."""
    compressor = _compressor(search)
    if not cuts:
        frame: bytes = compressor.compress(data)
        return frame if len(frame) < len(data) else None
    stream = compressor.compressobj(size=len(data))
    parts, at, view = [], 0, memoryview(data)
    for cut in cuts:
        parts += [stream.compress(view[at:cut]), stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)]
        at = cut
    parts += [stream.compress(view[at:]), stream.flush()]
    frame = b"".join(parts)
    return frame if len(frame) < len(data) else None
