"""Compressed bodies: read whole or refused, and never beyond the limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
import zstandard

from service.errors import BodyTooLarge, InvalidEncoding
from service.requests.inflate import inflated

TEXT = b'{"horizon": 4, "series": []}' * 50
CHECKED = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)


def packed(content: bytes, encoding: str) -> bytes:
    return gzip.compress(content) if encoding == "gzip" else zstandard.compress(content)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_a_body_comes_back_as_it_was(encoding: str) -> None:
    body = TEXT if encoding == "identity" else packed(TEXT, encoding)
    assert inflated(body, encoding, 1 << 20) == TEXT


def test_a_zstd_frame_that_does_not_declare_its_size_is_read() -> None:
    stream = zstandard.ZstdCompressor().compressobj()
    assert inflated(stream.compress(TEXT) + stream.flush(), "zstd", 1 << 20) == TEXT


def test_zstd_frames_one_after_another_are_read() -> None:
    assert inflated(zstandard.compress(TEXT) + zstandard.compress(TEXT), "zstd", 1 << 20) == 2 * TEXT


def test_a_zstd_body_without_a_frame_holds_nothing() -> None:
    assert inflated(b"", "zstd", 1 << 20) == b""


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize(("limit", "fits"), [(1400, True), (1399, False)])
def test_the_limit_is_that_of_the_inflated_body(encoding: str, limit: int, fits: bool) -> None:
    assert len(TEXT) == 1400
    if fits:
        assert len(inflated(packed(TEXT, encoding), encoding, limit)) == 1400
    else:
        with pytest.raises(BodyTooLarge, match="inflates to more than 1399 bytes"):
            inflated(packed(TEXT, encoding), encoding, limit)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_without_inflating_it(encoding: str) -> None:
    bomb = packed(bytes(64 << 20), encoding)
    assert len(bomb) < 1 << 17
    tracemalloc.start()
    with pytest.raises(BodyTooLarge, match="inflates to more than"):
        inflated(bomb, encoding, 1 << 30)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(TEXT, "gzip", id="no-gzip"),
        pytest.param(TEXT, "zstd", id="no-zstd"),
        pytest.param(gzip.compress(TEXT)[:-5], "gzip", id="gzip-cut-off"),
        pytest.param(gzip.compress(TEXT) + b"more", "gzip", id="gzip-and-more"),
        pytest.param(b"", "gzip", id="empty"),
        pytest.param(zlib.compress(TEXT), "gzip", id="zlib"),
        pytest.param(zstandard.compress(TEXT)[:-5], "zstd", id="zstd-cut-off"),
        pytest.param(CHECKED[:-4], "zstd", id="zstd-without-its-checksum"),
        pytest.param(zstandard.compress(TEXT)[:4], "zstd", id="zstd-magic-alone"),
        pytest.param(zstandard.compress(TEXT) + b"\x28", "zstd", id="zstd-and-more"),
        pytest.param(zstandard.compress(TEXT)[:-5] + bytes(5), "zstd", id="zstd-damaged"),
    ],
)
def test_a_damaged_body_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(InvalidEncoding, match="the body is"):
        inflated(body, encoding, 1 << 20)
