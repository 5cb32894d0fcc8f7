"""Records come out of the journal as they went in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import orjson
import pytest

from forecaster.ledger.records import Given, Observed
from service.ledger.entries import forecast_entry, observed_entry, read_entry
from service.ledger.journal import Entry, Journal, entries, segments
from tests.ledger.factories import given, given_series, observed


def through_a_journal(folder: Path, head: bytes, rest: list[bytes]) -> Given | list[Observed]:
    written = Journal(folder, 1 << 30)
    written.append(head, rest)
    written.close()
    ((entry,),) = (list(entries(path)) for path in segments(folder))
    return read_entry(entry)


def same(one: object, other: object) -> bool:
    """Compares two records, array by array."""
    for field in dataclasses.fields(one):  # type: ignore[arg-type]
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            if not (left.shape == right.shape and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")):
                return False
        elif field.name == "series":
            if not all(same(a, b) for a, b in zip(left, right, strict=True)):
                return False
        elif left != right:
            return False
    return True


def test_a_forecast_comes_out_as_it_went_in(tmp_path: Path) -> None:
    one = given(
        "f1",
        given_series("a b \u00e9", segment="north"),
        given_series("c", medians=(1.0, 2.0, 3.0), history=np.array([1.0, np.nan, 3.0])),
        execution={"runtime": "onnx", "batches": [1, 32]},
        degraded="overloaded",
        request=bytes(range(256)),
        reply=b"\x00\xff",
    )
    found = through_a_journal(tmp_path, *forecast_entry(one))
    assert isinstance(found, Given)
    assert same(one, found)


def test_values_that_do_not_lie_in_a_row_come_out_as_they_went_in(tmp_path: Path) -> None:
    """Forecasts of several series are views of one array [S H Q], whose axes may be in any order."""
    values = np.arange(24.0).reshape(3, 2, 4).transpose(1, 2, 0)[0]
    found = through_a_journal(tmp_path, *forecast_entry(given("f1", given_series(medians=[0.0] * 4, values=values))))
    assert isinstance(found, Given)
    assert np.array_equal(found.series[0].values, values)


def test_values_come_out_as_they_went_in(tmp_path: Path) -> None:
    both = [observed([1.0, float("nan")]), observed([3.0], series_id="b", begin=7, digest="sha256:0")]
    found = through_a_journal(tmp_path, *observed_entry(both))
    assert isinstance(found, list)
    assert all(same(one, other) for one, other in zip(both, found, strict=True))


def test_values_that_were_written_before_they_had_a_digest_are_read(tmp_path: Path) -> None:
    head, rest = observed_entry([observed([1.0])])
    older = {name: value for name, value in orjson.loads(head).items() if name != "digests"}
    (found,) = through_a_journal(tmp_path, orjson.dumps(older), rest)  # type: ignore[misc]
    assert same(found, observed([1.0]))


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"", b"", 0),
        Entry(b"{}", b"", 0),
        Entry(b'{"kind":"other"}', b"", 0),
        Entry(forecast_entry(given())[0], b"too short", 0),
        Entry(b'{"kind":"observed","series":[["sales","a",5,3]]}', b"12345678", 0),
    ],
)
def test_what_was_not_written_here_is_refused(entry: Entry) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_entry(entry)
