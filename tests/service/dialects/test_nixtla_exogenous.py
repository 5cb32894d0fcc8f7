"""In which order the public SDK of TimeGPT sends exogenous features, which have no names there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from forecaster.config import CovariateConfig
from tests.explain.factories import predictor_of
from tests.service.dialects.test_nixtla_sdk import AHEAD, LENGTH, Sdk, assert_same, call, columns, serving, table

pytestmark = pytest.mark.slow

KNOWN, ONLINE = ("price", "promo"), {"detection_size": 8, "level": 80}


def series(length: int = LENGTH, begin: int = 0) -> pd.DataFrame:
    """Gives one series with two features known ahead, in their order."""
    one = table(1, length, begin).drop(columns="wind")
    return one.assign(promo=[3.0 * (step % 5 == 0) for step in range(begin, begin + length)])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """A model that reads both; `df` has them in the order of KNOWN, `X_df` in the other one."""
    for found in serving(predictor_of(covariates=CovariateConfig(known=KNOWN)), tmp_path_factory.mktemp("known")):
        series().to_csv(found.folder / "ordered.csv", index=False)
        series(AHEAD, LENGTH)[["unique_id", "ds", *reversed(KNOWN)]].to_csv(found.folder / "turned.csv", index=False)
        yield found


def of_v1(sdk: Sdk, task: str, ahead: int = 0, **options: Any) -> Any:
    rows = series(LENGTH + ahead)
    one = {"id": "s000", "start": rows["ds"][0].isoformat(), "target": rows["y"][:LENGTH].tolist()}
    body = {"series": [{**one, "known": {name: rows[name].tolist() for name in KNOWN}}], **options}
    reply = sdk.client.post(f"/v1/{task}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()["forecasts" if task == "forecast" else "series"][0]


def test_features_come_in_the_order_of_x_df_and_where_there_is_none_in_that_of_df(sdk: Sdk) -> None:
    in_df, in_x_df = ({"model_parameters": {"exogenous": names}} for names in (KNOWN, KNOWN[::-1]))
    frames = {"df": "ordered", "X_df": "turned"}
    found = sdk.calls(
        {
            "forecast": {"method": "forecast", "arguments": {"h": AHEAD, **in_x_df}, "frames": frames},
            "windows": call("cross_validation", "ordered", h=AHEAD, **in_df),
            "online": call("detect_anomalies_online", "ordered", h=AHEAD, **ONLINE, **in_df),
        }
    )
    ahead = of_v1(sdk, "forecast", AHEAD, horizon=AHEAD, quantiles=[0.5])
    assert_same(columns(found, "forecast")["TimeGPT"], ahead["quantiles"]["0.5"])
    (window,) = of_v1(sdk, "backtest", horizon=AHEAD, num_windows=1, quantiles=[0.5])["windows"]
    assert_same(columns(found, "windows")["TimeGPT"], window["quantiles"]["0.5"])
    judged = of_v1(sdk, "anomalies", step_size=AHEAD, **ONLINE)
    assert_same(columns(found, "online")["anomaly_score"], judged["score"])
