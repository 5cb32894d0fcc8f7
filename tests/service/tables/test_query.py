"""Options in the query are those of JSON, by name, type and bounds."""

from __future__ import annotations

import httpx
import pytest

from service.errors import InvalidFields
from service.schemas import ForecastOptions
from service.tables.query import OPTIONS, options_of, refuse_options


def test_every_option_of_json_but_samples_may_be_given() -> None:
    query = (
        b"model=sales%2F7&horizon=24&frequency=W-SUN&timezone=Europe/Berlin&quantiles=0.1,0.5&intervals=80"
        b"&roll_out=true&adapt=true&segment=north&fallback=seasonal_naive"
    )
    wanted = ForecastOptions(
        model="sales/7",
        horizon=24,
        frequency="W-SUN",
        timezone="Europe/Berlin",
        quantiles=[0.1, 0.5],
        intervals=[80],
        roll_out=True,
        adapt=True,
        segment="north",
        fallback="seasonal_naive",
    )
    assert options_of(query) == wanted
    assert {*OPTIONS, "samples"} == set(ForecastOptions.model_fields)
    assert all(name.encode() + b"=" in query for name in OPTIONS)


def test_without_a_query_all_is_as_in_an_empty_document() -> None:
    assert options_of(b"") == ForecastOptions()


@pytest.mark.parametrize("query", [b"quantiles=0.1,0.5", b"quantiles=0.1&quantiles=0.5", b"quantiles=0.1%2C%200.5"])
def test_numbers_stand_in_one_parameter_or_in_several(query: bytes) -> None:
    assert options_of(query).quantiles == [0.1, 0.5]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"horizon=1&horizon=1", "horizon"),
        (b"horizon=24.0", "horizon"),
        (b"horizon=%2224%22", "horizon"),
        (b"horizon=true", "horizon"),
        (b"horizon=4097", "horizon"),
        (b"roll_out=yes", "roll_out"),
        (b"roll_out=True", "roll_out"),
        (b"quantiles=0.1,,0.5", "quantiles"),
        (b"quantiles=NaN", "quantiles"),
        (b"quantiles=0.1],[0.5", "quantiles"),
        (b"timezone=", "timezone"),
        (b"model=a%00b", "model"),
        (b"Horizon=1", "Horizon"),
        (b"samples=1", "samples"),
        (b"series=1", "series"),
        (b"model=%ff", "query"),
        (b"\xff", "query"),
        (b"&".join([b"a=1"] * 201), "query"),
    ],
)
def test_what_cannot_be_obeyed_is_named(query: bytes, field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        options_of(query)
    assert caught.value.fields[0]["field"] == field


def test_with_json_only_options_are_refused() -> None:
    refuse_options(b"x=1&utm_source=mail")
    for name in ForecastOptions.model_fields:
        with pytest.raises(InvalidFields, match="into the body of JSON"):
            refuse_options(f"x=1&{name}=1".encode())


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/actuals", "model=days"),
        ("/v1/actuals", "timezone=Europe/Berlin"),
        ("/v1/report", "frequency=D"),
        ("/v1/anomalies", "detection_size=3"),
    ],
)
def test_options_beside_json_are_refused_by_every_route(service: httpx.Client, path: str, query: str) -> None:
    reply = service.post(f"{path}?{query}", json={"series": [{"start": "2024-01-01", "target": [1.0, 2.0]}]})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, query.split("=")[0])
