"""Compressed bodies, inflated up to a limit and no further: a small body must not become a large one."""

from __future__ import annotations

import io
import zlib

import zstandard

from service.errors import BodyTooLarge, InvalidEncoding

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 1 << 16
# zlib's own limit is 1,032; JSON numbers shrink by 2 to 20.
_MAX_RATIO = 100

# Read after a body, it shows that the body's own frames are whole.
_SEAL = b"the end of the body"
_SEALING_FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(_SEAL)

ENCODINGS = frozenset({"identity", "gzip", "zstd"})


def inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """Gives a body without its encoding.

    BodyTooLarge where it inflates beyond `limit` bytes, or beyond 100 times its size and 64 KiB, InvalidEncoding where
    it is damaged, cut off or followed by something else.
    """
    if encoding == "identity":
        return body
    allowed = min(limit, max(_MAX_RATIO * len(body), _CHUNK))
    content = _gunzipped(body, allowed) if encoding == "gzip" else _unzstd(body, allowed)
    if len(content) > allowed:
        raise BodyTooLarge(f"the body inflates to more than {allowed} bytes")
    return content


def _gunzipped(body: bytes, allowed: int) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        content = stream.decompress(body, allowed + 1)
    except zlib.error as error:
        raise InvalidEncoding("the body is not gzip, or is damaged") from error
    if len(content) <= allowed and (not stream.eof or stream.unused_data):
        raise InvalidEncoding("the body is cut off, or goes on after its gzip stream")
    return content


def _unzstd(body: bytes, allowed: int) -> bytes:
    """Reads one frame after another, as streaming clients write them, without trusting the size that they declare."""
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(
        io.BytesIO(body + _SEALING_FRAME), read_across_frames=True
    )
    content = bytearray()
    try:
        while len(content) <= allowed + len(_SEAL) and (chunk := reader.read(_CHUNK)):
            content += chunk
    except zstandard.ZstdError as error:
        raise InvalidEncoding("the body is not zstd, or is damaged") from error
    if len(content) <= allowed + len(_SEAL) and not content.endswith(_SEAL):
        raise InvalidEncoding("the body is cut off")
    return bytes(content.removesuffix(_SEAL))
