"""Covariates over HTTP: by name, the same numbers as a file gives, and clear words for what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from fastapi import FastAPI

from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.reading import read_panel
from forecaster.errors import (
    BundleError,
    ColumnError,
    ConfigError,
    ForecasterError,
    RequestError,
    SeriesError,
    TimestampError,
    ValueTypeError,
)
from service.errors import status_of
from service.requests.covariates import covariates_of, groups_of
from service.requests.rows import Rows
from service.schemas import SeriesIn
from tests.explain.factories import COVARIATES, predictor_of
from tests.factories import panel_of
from tests.pipelines.factories import PRICED, priced_predictor, priced_tables
from tests.service.factories import app_of, post, post_each
from tests.service.request_bodies import HISTORY, valid


@pytest.fixture
def priced(tmp_path: Path) -> FastAPI:
    """A service of a model that reads price (known), size and kind (static), and the hour."""
    return app_of(priced_predictor(), tmp_path)


def priced_request(**changes: Any) -> dict[str, Any]:
    """A request with what `priced_tables` holds; changes are those of the first series."""
    tables = priced_tables()
    many = []
    for name in ("a", "b"):
        history, future = (tables[part][tables[part]["unique_id"] == name] for part in ("history", "future"))
        (static,) = tables["static"][tables["static"]["unique_id"] == name].to_dict("records")
        many.append(
            {
                "id": name,
                "start": history["ds"].iloc[0].isoformat(),
                "target": history["y"].tolist(),
                "known": {"price": [*history["price"], *future["price"]]},
                "static": {"size": static["size"], "kind": static["kind"]},
            }
        )
    many[0] = {key: value for key, value in (many[0] | changes).items() if value is not ...}
    return valid(series=many, horizon=5)


def expected() -> np.ndarray:
    """What the predictor says of the same tables: [S H Q] at the levels of `valid`."""
    tables = priced_tables()
    config = TableConfig(known_columns=("price",), static_columns=("size",), category_columns=("kind",))
    panel = read_panel(tables["history"], config, future=tables["future"], static=tables["static"]).panel
    return priced_predictor().predict(panel, 5, (0.1, 0.5, 0.9)).values


def values_of(reply: httpx.Response) -> np.ndarray:
    assert reply.status_code == 200, reply.text
    return np.array([list(forecast["quantiles"].values()) for forecast in reply.json()["forecasts"]]).transpose(0, 2, 1)


def test_covariates_over_http_give_the_numbers_of_a_file(priced: FastAPI) -> None:
    np.testing.assert_allclose(values_of(post(priced, priced_request())), expected(), rtol=1e-6)


def test_columns_stay_with_their_steps_where_the_history_has_gaps(priced: FastAPI) -> None:
    body = priced_request()
    first = body["series"][0]
    times = pd.date_range(first.pop("start"), periods=60, freq="h")
    kept = [step for step in range(60) if step not in (7, 8, 30)]
    price = first["known"]["price"]
    with_gap = first | {
        "timestamps": [times[step].isoformat() for step in kept],
        "target": [first["target"][step] for step in kept],
        "known": {"price": [price[step] for step in kept] + price[60:]},
    }
    with_null = first | {
        "start": times[0].isoformat(),
        "target": [value if step in kept else None for step, value in enumerate(first["target"])],
        "known": {"price": [value if step in (*kept, *range(60, 65)) else None for step, value in enumerate(price)]},
    }
    replies = post_each(priced, (body | {"series": [series]} for series in (with_gap, with_null)))
    one, two = map(values_of, replies)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"known": ...}, "missing-covariate", "series.0.known.price"),
        ({"static": {"size": 1.0}}, "missing-covariate", "series.0.static.kind"),
        ({"static": {"kind": "big"}}, "missing-covariate", "series.0.static.size"),
        ({"static": {"size": "large", "kind": "big"}}, "invalid-fields", "series.0.static.size"),
        ({"past": {"rain": [1.0] * 60}}, "invalid-fields", "series.0.past.rain"),
        ({"known": {"price": [1.0] * 65, "cost": [1.0] * 65}}, "invalid-fields", "series.0.known.cost"),
        ({"known": {"price": [1.0] * 59}}, "invalid-fields", "series.0.known.price"),
        ({"known": {"price": ["x"] * 65}}, "invalid-fields", "series.0.known.price.0"),
        ({"group": "x"}, "invalid-fields", "series.0.group"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(
    priced: FastAPI, changes: dict[str, Any], code: str, field: str
) -> None:
    reply = post(priced, priced_request(**changes))
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert reply.json()["errors"][0]["field"] == field


def test_a_column_that_ends_too_early_is_told_with_the_first_time_that_is_missing(priced: FastAPI) -> None:
    reply = post(priced, priced_request(known={"price": [1.0] * 63}))
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown-ahead")
    assert "is missing from 2024-01-03T15:00:00 on" in reply.json()["detail"]


def test_a_value_beyond_the_range_names_its_column(priced: FastAPI) -> None:
    reply = post(priced, priced_request(known={"price": [1.0] * 64 + [1e31]}))
    assert (reply.status_code, reply.json()["code"]) == (422, "value-out-of-range")
    assert "'price'" in reply.json()["detail"]


def test_past_covariates_in_any_order_and_missing_values_in_all_kinds_are_read(tmp_path: Path) -> None:
    app = app_of(predictor_of(covariates=COVARIATES), tmp_path)
    one = {
        "id": "a",
        "start": "2024-01-01",
        "target": HISTORY,
        "past": {"p1": [None, *HISTORY[1:]], "p0": HISTORY},
        "known": {"k1": [*HISTORY, 1, None, 2, 3, 4], "k0": [*HISTORY, 1, 2, 3, 4, 5]},
        "static": {"n1": None, "n0": 2, "c0": None, "c1": "never met"},
    }
    reply = post(app, valid(series=[one]))
    assert np.isfinite(values_of(reply)).all()


def test_series_of_one_group_see_each_other(tmp_path: Path) -> None:
    predictor = predictor_of(channels="group")
    app = app_of(predictor, tmp_path)

    def many(*groups: str | None) -> dict[str, Any]:
        drawn = np.random.default_rng(0).normal(size=(3, 60)).tolist()
        one = [
            {"id": str(i), "start": "2024-01-01", "target": drawn[i], "group": group} for i, group in enumerate(groups)
        ]
        return valid(series=one)

    wanted = (("x", "x", "y"), ("x", "y", "y"), (None, None, None))
    together, apart, alone = map(values_of, post_each(app, (many(*groups) for groups in wanted)))
    assert not np.allclose(together[0], apart[0])
    np.testing.assert_allclose(together[2], alone[2], rtol=1e-5)
    np.testing.assert_allclose(apart[0], alone[0], rtol=1e-5)


def test_a_blank_group_is_none_as_in_a_table() -> None:
    series = [SeriesIn(id=name, start=0, target=[1.0], group=group) for name, group in (("a", " "), ("b", " "))]
    model = predictor_of(channels="group").network.config
    assert groups_of(series, model) == [0, 1]
    assert groups_of([one.model_copy(update={"group": "x"}) for one in series], model) == [0, 0]


@pytest.mark.parametrize("store", [2, 2.0])
def test_a_whole_number_is_the_category_that_files_write_without_a_point(tmp_path: Path, store: float) -> None:
    app = app_of(predictor_of(covariates=CovariateConfig(categories={"store": ("1", "2")})), tmp_path)
    bodies = [{"id": "a", "start": "2024-01-01", "target": HISTORY, "static": {"store": one}} for one in (store, "2")]
    number, text = post_each(app, (valid(series=[body]) for body in bodies))
    assert number.json() == text.json()
    assert number.json()["forecasts"][0]["warnings"] == []


def test_a_whole_number_beyond_those_of_floats_keeps_its_digits() -> None:
    wanted = predictor_of(covariates=CovariateConfig(categories={"store": ("1",)})).network.config
    series = SeriesIn.model_validate({"id": "a", "start": 0, "target": [1.0], "static": {"store": 2**53 + 1}})
    covariates = covariates_of([series], [Rows(1)], wanted)
    assert covariates is not None
    assert covariates.categories.tolist() == [["9007199254740993"]]


def test_a_model_that_reads_the_elapsed_time_answers_a_request_as_the_predictor_does(tmp_path: Path) -> None:
    predictor = predictor_of(positions="time", frequency="B")
    reply = post(app_of(predictor, tmp_path), valid(frequency="B"))
    forecast = predictor.predict(panel_of(HISTORY, frequency="B"), 4, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(values_of(reply), forecast.values, rtol=1e-6)


def test_a_model_that_reads_only_the_calendar_needs_no_columns(tmp_path: Path) -> None:
    calendar = CovariateConfig(calendar=PRICED.calendar)
    assert post(app_of(predictor_of(covariates=calendar), tmp_path), valid()).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ColumnError("x", code="missing-covariate"), 422),
        (ColumnError("x", code="not-static"), 422),
        (TimestampError("x", code="future-gap"), 422),
        (ValueTypeError("x", code="contradiction"), 422),
        (SeriesError("x", code="unknown-series"), 422),
        (RequestError("x", code="unknown-ahead"), 422),
        (RequestError("x", code="missing-covariates"), 422),
        (ConfigError("x", code="no-holidays"), 500),
        (BundleError("x", code="other-schema"), 500),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_what_the_data_lacks_is_the_callers_and_what_the_installation_lacks_is_ours(
    error: ForecasterError, status: int
) -> None:
    assert status_of(error) == status


def test_a_number_of_the_whole_series_far_from_those_of_training_is_answered(tmp_path: Path) -> None:
    predictor = priced_predictor()
    assert predictor.network.tokens.static is not None
    predictor.network.tokens.static.spread.fill_(1e-9)  # sizes of training that hardly differ
    (reply,) = post_each(app_of(predictor, tmp_path), [priced_request(static={"size": 1e15, "kind": "big"})])
    assert reply.status_code == 200


def test_a_number_of_the_whole_series_that_would_overflow_in_the_model_is_refused(priced: FastAPI) -> None:
    sizes = (1e15, -1e15, 1.1e15, -1e30)
    bodies = [priced_request(static={"size": size, "kind": "big"}) for size in sizes]
    replies = post_each(priced, bodies)
    assert [reply.status_code for reply in replies] == [200, 200, 422, 422]
    assert replies[2].json()["errors"] == [{"field": "series.0.static.size", "message": "is beyond +/- 1e+15"}]
