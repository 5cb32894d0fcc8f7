"""Exogenous features have an order and no names in TimeGPT's dialect: what is clear is read, all else refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from forecaster.config import CovariateConfig
from tests.explain.factories import predictor_of
from tests.service.answers.factories import WAVE
from tests.service.dialects.test_timegpt import START, answer, joined, served
from tests.service.timegpt_bodies import (
    ANOMALIES,
    CROSS_VALIDATION,
    FORECAST,
    ONLINE,
    anomalies,
    cross_validation,
    forecast,
    online,
    series_of,
)

LENGTHS, AHEAD = (len(WAVE), 90), 4
TOTAL = sum(LENGTHS)
TARGETS = tuple(WAVE[:length] for length in LENGTHS)
PRICE = [1 + step % 7 / 8 for step in range(TOTAL + 2 * AHEAD)]  # history of both series, then what is ahead of both
PROMO = [float(step % 5 == 0) for step in range(TOTAL + 2 * AHEAD)]
WIND = [step % 11 / 4 for step in range(TOTAL)]
BOTH = {"model_parameters": {"exogenous": ["promo", "price", "wind"]}}


@pytest.fixture(scope="module")
def one_each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A model that reads one covariate known ahead, and one of the past."""
    covariates = CovariateConfig(known=("price",), past=("wind",))
    with served(predictor_of(covariates=covariates), tmp_path_factory.mktemp("one")) as client:
        yield client


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A model that reads two covariates known ahead, and one of the past."""
    covariates = CovariateConfig(known=("price", "promo"), past=("wind",))
    with served(predictor_of(covariates=covariates), tmp_path_factory.mktemp("several")) as client:
        yield client


def of_v1(known: dict[str, list[float]], ahead: int) -> list[dict[str, Any]]:
    """Gives the same series with names, as /v1 has them."""
    found, begin = [], 0
    for number, (target, length) in enumerate(zip(TARGETS, LENGTHS, strict=True)):
        end, after = begin + length, TOTAL + number * AHEAD
        columns = {name: row[begin:end] + row[after : after + ahead] for name, row in known.items()}
        own = {"id": str(number), "start": START, "target": target, "known": columns}
        found.append({**own, "past": {"wind": WIND[begin:end]}})
        begin = end
    return found


def sent(*rows: list[float], ahead: tuple[list[float], ...] = ()) -> dict[str, Any]:
    history = [row[:TOTAL] for row in rows]
    return series_of(*TARGETS, X=history, **({"X_future": [row[TOTAL:] for row in ahead]} if ahead else {}))


def medians(client: httpx.Client, known: dict[str, list[float]]) -> list[float]:
    body = {"series": of_v1(known, AHEAD), "horizon": AHEAD, "quantiles": [0.5]}
    return joined([one["quantiles"]["0.5"] for one in answer(client, "/v1/forecast", body)["forecasts"]])


def test_one_feature_of_each_kind_needs_no_names(one_each: httpx.Client) -> None:
    found = answer(one_each, FORECAST, forecast(sent(PRICE, WIND, ahead=(PRICE,))))
    assert found["mean"] == medians(one_each, {"price": PRICE})
    other = answer(one_each, FORECAST, forecast(sent(PRICE, WIND, ahead=(PROMO,))))
    assert other["mean"] != found["mean"]


def test_several_of_a_kind_go_by_the_names_that_model_parameters_say(several: httpx.Client) -> None:
    body = forecast(sent(PROMO, PRICE, WIND, ahead=(PROMO, PRICE)), **BOTH)
    assert answer(several, FORECAST, body)["mean"] == medians(several, {"price": PRICE, "promo": PROMO})


def test_forecasts_of_the_past_read_them_too(several: httpx.Client) -> None:
    series = of_v1({"price": PRICE, "promo": PROMO}, 0)
    body = cross_validation(sent(PROMO, PRICE, WIND), hist_exog=[2], n_windows=2, **BOTH)
    found = answer(several, CROSS_VALIDATION, body)
    backtest = {"series": series, "horizon": 4, "num_windows": 2, "quantiles": [0.5]}
    windows = joined([one["windows"] for one in answer(several, "/v1/backtest", backtest)["series"]])
    assert found["mean"] == joined([one["quantiles"]["0.5"] for one in windows])

    found = answer(several, ONLINE, online(sent(PROMO, PRICE, WIND), hist_exog=[2], **BOTH))
    search = {"series": series, "level": 80, "detection_size": 10, "step_size": 4}
    wanted = answer(several, "/v1/anomalies", search)["series"]
    assert found["anomaly_score"] == joined([one["score"] for one in wanted])

    found = answer(several, ANOMALIES, anomalies(sent(PROMO, PRICE, WIND), **BOTH))
    wanted = answer(several, "/v1/anomalies", {"series": series, "level": 80})["series"]
    assert found["mean"] == joined([one["median"] for one in wanted])


def refusal(client: httpx.Client, path: str, body: dict[str, Any]) -> tuple[str, str, str]:
    reply = client.post(path, json=body)
    assert reply.status_code == 422, reply.text
    (error,) = reply.json()["errors"]
    return reply.json()["code"], error["field"], error["message"]


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        (FORECAST, forecast(sent(PROMO, PRICE, WIND, ahead=(PROMO, PRICE))), "invalid-fields", "say which is which"),
        (FORECAST, forecast(sent(PRICE, WIND, ahead=(PRICE,))), "missing-covariate", "'price', 'promo' (known ahead)"),
        (FORECAST, forecast(series_of(*TARGETS)), "missing-covariate", "has 0 features"),
        (
            FORECAST,
            forecast(sent(PRICE, PROMO, WIND, WIND, ahead=(PRICE, PROMO))),
            "invalid-fields",
            "has 4 features, where this model reads 'price', 'promo' (known ahead) and 'wind' (past)",
        ),
        (FORECAST, forecast(sent(PROMO, PRICE, WIND, ahead=(PROMO,)), **BOTH), "invalid-fields", "'price' as known"),
        (
            CROSS_VALIDATION,
            cross_validation(sent(PROMO, PRICE, WIND), **BOTH),
            "invalid-fields",
            "feature 2: this model reads 'wind' as known up to the cutoff alone: name it in hist_exog_list",
        ),
        (ANOMALIES, anomalies(sent(PROMO, PRICE, WIND)), "invalid-fields", "say which is which"),
    ],
)
def test_what_is_not_clear_is_refused(
    several: httpx.Client, path: str, body: dict[str, Any], code: str, said: str
) -> None:
    found, _, message = refusal(several, path, body)
    assert (found, said in message) == (code, True), message


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        (["price", "promo"], "invalid-fields", "2 names for the 3 features"),
        (["price", "price", "wind"], "invalid-fields", "more than once"),
        (["price", "promo", "rain"], "invalid-fields", "'rain' is not read"),
    ],
)
def test_names_must_be_those_of_the_model(several: httpx.Client, names: list[str], code: str, said: str) -> None:
    body = forecast(sent(PROMO, PRICE, WIND, ahead=(PROMO, PRICE)), model_parameters={"exogenous": names})
    found, field, message = refusal(several, FORECAST, body)
    assert (found, field, said in message) == (code, "model_parameters.exogenous", True), message


def test_a_covariate_without_a_row_is_named(several: httpx.Client) -> None:
    body = forecast(sent(PRICE, WIND, ahead=(PRICE,)), model_parameters={"exogenous": ["price", "wind"]})
    assert refusal(several, FORECAST, body) == (
        "missing-covariate",
        "series.X",
        "lacks 'promo', which this model reads",
    )


def test_kinds_that_a_request_does_not_tell_apart_are_not_guessed(one_each: httpx.Client) -> None:
    _, _, message = refusal(one_each, ANOMALIES, anomalies(sent(PRICE, WIND)))
    assert "say which is which" in message
    _, _, message = refusal(one_each, CROSS_VALIDATION, cross_validation(sent(PRICE, WIND)))
    assert "name it in hist_exog_list" in message
