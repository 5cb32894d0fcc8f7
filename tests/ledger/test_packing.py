"""Bodies in the database: what goes in comes out, by any decoder of Zstandard, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zstandard

from forecaster.ledger.packing import packed

NUMBERS = ",".join(str(value) for value in np.random.default_rng(0).normal(100, 20, 4_000)).encode()


@pytest.mark.parametrize("body", [b"", b"{}", NUMBERS, bytes(3 << 20)], ids=["empty", "short", "numbers", "blanks"])
def test_a_body_comes_back_as_it_was(body: bytes) -> None:
    assert zstandard.decompress(packed(body)) == body


def test_numbers_as_text_take_half_of_the_room() -> None:
    assert len(packed(NUMBERS)) < 0.5 * len(NUMBERS)


def test_threads_do_not_mix_their_bodies() -> None:
    bodies = [NUMBERS[begin:] for begin in range(400)]
    with ThreadPoolExecutor(8) as threads:
        assert [zstandard.decompress(found) for found in threads.map(packed, bodies)] == bodies
