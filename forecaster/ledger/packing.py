"""How bodies lie in the database: as frames of Zstandard, which any of its decoders reads."""

from __future__ import annotations

import threading

import zstandard

# Numbers as text: matches of fewer than seven bytes would save 3 % of the room and take half of the time.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(1, min_match=7)


class _Compressing(threading.local):
    """One compressor for each thread: to make one takes as long as a small body does."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)


_compressing = _Compressing()


def packed(body: bytes) -> bytes:
    """Gives a body as it is kept."""
    return _compressing.compressor.compress(body)
