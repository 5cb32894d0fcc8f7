"""POST /v1/explain over real sockets, by both runtimes: the library's explanation, at the caller's timestamps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from forecaster.bundle import load_bundle, save_bundle
from forecaster.explain import ExplainConfig, Explanation, explain
from forecaster.predictor import Predictor
from forecaster.runtime.export import export_networks
from forecaster.time.frequency import Frequency
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.explain.schemas import ExplainReply
from service.model_spec import ModelSpec
from service.models.cache import BundleCache
from service.settings import Settings
from tests.conftest import running_service
from tests.explain.factories import predictor_of
from tests.model.factories import awake_network
from tests.pipelines.factories import FACTS, PRICED
from tests.service.explain.factories import HORIZON, ZONE, body, panel
from tests.service.factories import app_of, on_a_socket
from tests.service.integrity import reference_of
from tests.service.request_bodies import HISTORY, valid

OPTIONS: dict[str, Any] = {"step": 2, "num_path_points": 8, "hidden_share": 0.3, "num_random_draws": 5, "seed": 3}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two networks that read covariates, with their graph."""
    predictor = Predictor([awake_network(seed, covariates=PRICED) for seed in (0, 1)], Frequency.parse("h"))
    folder: Path = tmp_path_factory.mktemp("bundles") / "priced"
    save_bundle(folder, predictor, FACTS, export_networks(predictor))
    return folder


@pytest.fixture(scope="module", params=["eager", "onnx"])
def client(request: pytest.FixtureRequest, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a service that executes the bundle, from its disk, by one of the runtimes."""
    home: Path = tmp_path_factory.mktemp("home")
    cache, reference = BundleCache(home), reference_of(bundle, "priced")
    shutil.copytree(bundle, cache.folder(reference))
    cache.commit(ModelSpec("priced", alias="champion"), reference, None, 1)
    settings = Settings(
        home=home, registry_uri="http://127.0.0.1:1", authentication=False, runtime=request.param, port=0
    )
    with running_service(settings, {"priced"}) as found:
        assert found.get("/v1/model").json()["runtime"]["name"] == request.param
        yield found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service of one model of days, which reads the series alone."""
    app = app_of(predictor_of(frequency="D"), tmp_path_factory.mktemp("plain"), port=0)
    with on_a_socket(app, app.state.service.settings) as found:
        yield found


def answer(client: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    reply = client.post("/v1/explain", json=document)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    ExplainReply.model_validate(found)
    return found


def of_library(bundle: Path, **options: Any) -> Explanation:
    return explain(load_bundle(bundle).predictor, panel(), 0, config=ExplainConfig(**options))


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["defaults", "options"])
def test_http_equals_the_library_exactly_whatever_executes_the_model(
    client: httpx.Client, bundle: Path, options: dict[str, Any]
) -> None:
    found, expected = answer(client, body(**options, attention=True)), of_library(bundle, **options)
    assert (found["id"], found["step"]) == ("shop", options.get("step"))
    assert (found["forecast"], found["flat_forecast"]) == (expected.forecast, expected.flat_forecast)
    assert found["steps"]["gradients"] == expected.gradients.values.tolist()
    assert found["patches"]["occlusion"] == expected.occlusion.values.tolist()
    assert found["patches"]["gradients"] == expected.patch_frame()["gradients"].tolist()
    assert found["tokens"]["attention_roll_out"] == expected.attention_roll_out.tolist()
    assert found["tokens"]["num_steps"] == expected.tokens.num_steps.tolist()
    assert found["tokens"]["is_future"] == expected.tokens.is_future.tolist()
    assert expected.attention.shape[0] == 2
    np.testing.assert_array_equal(np.array(found["attention"], dtype=np.float32), expected.attention)
    for name, attribution in (("occlusion", expected.occlusion), ("gradients", expected.gradients)):
        told = attribution.faithfulness
        names = ("num_hidden", "top_change", "random_change", "holds")
        assert found["faithfulness"][name] == {name: getattr(told, name) for name in names}


def test_what_is_explained_is_the_median_that_is_forecast(client: httpx.Client) -> None:
    reply = client.post("/v1/forecast", json=body(quantiles=[0.5]))
    median = reply.json()["forecasts"][0]["quantiles"]["0.5"]
    assert answer(client, body())["forecast"] == pytest.approx(np.mean(median), rel=1e-4)
    assert answer(client, body(step=HORIZON))["forecast"] == pytest.approx(median[-1], rel=1e-4)


def test_hours_are_those_of_the_caller_across_the_change_of_the_clock(client: httpx.Client, bundle: Path) -> None:
    found, expected = answer(client, body(step=1)), of_library(bundle, step=1)
    tables = {"tokens": expected.token_frame(), "patches": expected.patch_frame()}
    for name, table in tables.items():
        for end in ("first", "last"):
            assert found[name][end] == [stamp.isoformat() for stamp in table[end]]
    steps = found["steps"]["timestamps"]
    assert steps == [stamp.isoformat() for stamp in expected.step_frame()["timestamp"]]
    twice = [f"2024-10-27T02:00:00+0{hours}:00" for hours in (2, 1)]
    assert [step for step in steps if step.startswith("2024-10-27T02")] == twice
    assert (found["first"], found["last"]) == ("2024-10-27T11:00:00+01:00",) * 2
    assert answer(client, body())["last"] == "2024-10-27T15:00:00+01:00"


def test_days_keep_local_midnight_across_the_change_of_the_clock(plain: httpx.Client) -> None:
    one = {"id": "a", "start": "2024-10-01", "target": HISTORY[:30]}
    found = answer(plain, {"timezone": ZONE, "series": [one]})
    days = pd.date_range("2024-10-07", periods=24, tz=ZONE)
    assert found["steps"]["timestamps"] == [day.isoformat() for day in days]
    assert (days[0].utcoffset(), days[-1].utcoffset()) == (pd.Timedelta(hours=2), pd.Timedelta(hours=1))
    assert (found["first"], found["last"]) == ("2024-10-31T00:00:00+01:00", "2024-11-04T00:00:00+01:00")


@pytest.mark.parametrize(
    ("start", "first"), [("2024-01-01", "2024-03-01T00:00:00"), ("2024-01-01T00:00:00Z", "2024-03-01T00:00:00Z")]
)
def test_times_are_as_naive_or_as_much_utc_as_those_of_the_request(plain: httpx.Client, start: str, first: str) -> None:
    found = answer(plain, {"series": [{"id": "a", "start": start, "target": HISTORY}]})
    assert (found["first"], found["steps"]["timestamps"][-1]) == (first, first.replace("03-01", "02-29"))


def test_attention_is_told_only_where_it_is_asked_for(plain: httpx.Client) -> None:
    document = {"series": [{"id": "a", "start": "2024-01-01", "target": HISTORY}]}
    assert "attention" not in answer(plain, document)
    rows = np.array(answer(plain, document | {"attention": True})["attention"])
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)


def test_a_gap_is_warned_of_as_in_a_forecast(plain: httpx.Client) -> None:
    one = {"id": "a", "start": "2024-01-01", "target": [*HISTORY[:40], None, *HISTORY[41:]]}
    assert [warning["code"] for warning in answer(plain, {"series": [one]})["warnings"]] == ["missing-value"]


@pytest.mark.parametrize(
    "target",
    [[5.0] * 60, [0.0] * 60, [1.0, 2.0], [1e29, -1e29] * 30, [5e-324, 0.0] * 30, [None] * 59 + [3.0], [7.0]],
    ids=["constant", "zero", "short", "huge", "tiny", "one of many", "one"],
)
def test_strange_but_legal_series_get_a_finite_explanation(plain: httpx.Client, target: list[float | None]) -> None:
    found = answer(plain, {"series": [{"id": "a", "start": "2024-01-01", "target": target}]})
    numbers = [*found["steps"]["gradients"], *found["patches"]["occlusion"], found["forecast"]]
    assert all(isinstance(number, float) for number in numbers)


def test_a_series_of_a_group_is_explained_in_company_of_itself(tmp_path: Path) -> None:
    predictor = predictor_of(channels="group")
    app = app_of(predictor, tmp_path, port=0)
    document = valid(horizon=..., quantiles=...)
    with on_a_socket(app, app.state.service.settings) as client:
        alone = answer(client, document)
        document["series"][0]["group"] = "g"
        assert answer(client, document) == alone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_tokens", "code", "says"),
    [
        (256, "invalid-fields", "attention: has 2097152 numbers for this model, at most 2000000 are told"),
        (512, "too-many-tokens", "this model looks at 512 tokens, at most 256 are explained here"),
    ],
)
def test_models_that_look_at_too_much_for_a_request_are_refused(
    tmp_path: Path, num_tokens: int, code: str, says: str
) -> None:
    predictor = predictor_of(context_length=num_tokens, patch_length=1, num_layers=4, num_heads=8, d_model=16)
    app = app_of(predictor, tmp_path, port=0)
    with on_a_socket(app, app.state.service.settings) as client:
        refused = client.post("/v1/explain", json=valid(horizon=..., quantiles=..., attention=True))
    assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (422, code, says)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(KeyFiles.of(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")))


def statuses(tmp_path: Path, tokens: list[str | None], path: str = "/v1/explain") -> list[tuple[int, str]]:
    """Gives status and code that each key gets."""
    app = app_of(predictor_of(), tmp_path, port=0, authentication=True)
    with on_a_socket(app, app.state.service.settings) as client:
        headers = [{} if token is None else {"Authorization": f"Bearer {token}"} for token in tokens]
        replies = [client.post(path, json=valid(horizon=..., quantiles=...), headers=one) for one in headers]
    return [(reply.status_code, reply.json().get("code", "")) for reply in replies]


def test_only_a_key_with_the_scope_may_ask(tmp_path: Path, store: KeyStore) -> None:
    tokens = [None, *(store.create(KeyTerms((scope,))).token for scope in (Scope.FORECAST, Scope.EXPLAIN))]
    assert statuses(tmp_path, tokens) == [(401, "unauthorized"), (403, "missing-scope"), (200, "")]


def test_an_explanation_costs_the_forecasts_that_are_computed_for_it(tmp_path: Path, store: KeyStore) -> None:
    """60 points were sent; 6 patches, 3 x 32 points of the path and 2 x 20 draws look at 24 points each; 5 steps."""
    cost = 5 * (60 + (6 + 3 * 32 + 2 * 20) * 24)
    rates = [Rate(burst=cost + change, per_minute=1) for change in (-1, 0)]
    tokens: list[str | None] = [store.create(KeyTerms((Scope.EXPLAIN,), rate=rate)).token for rate in rates]
    found = statuses(tmp_path, [*tokens, tokens[-1]])
    assert found == [(413, "cost-too-high"), (200, ""), (429, "rate-limited")]
