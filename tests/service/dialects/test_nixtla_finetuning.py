"""The public SDK of TimeGPT fine-tunes: a worker of the pipelines trains, and the SDK uses what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings
from tests.conftest import Registry
from tests.service.dialects.test_nixtla_sdk import AHEAD, Sdk, assert_same, call, columns, joined, table
from tests.service.finetune.test_finetune import placed, worker_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MINE = {"finetuned_model_id": "ft-mine"}
TRAIN = call("finetune", finetune_steps=5, finetune_depth=5, output_model_id="ft-mine")
CALLS = {
    "train": TRAIN,
    "again": TRAIN,
    "job": call("jobs.finetune", finetune_steps=5, **MINE),
    "plain": call("forecast", h=AHEAD),
    "forecast": call("forecast", h=AHEAD, **MINE),
    "forecast job": call("jobs.forecast", h=AHEAD, **MINE),
    "windows": call("cross_validation", h=AHEAD, n_windows=2, **MINE),
    "anomalies": call("detect_anomalies", level=80, **MINE),
    "list": call("finetuned_models", None),
    "one": {"method": "finetuned_model", "arguments": MINE},
    "loss": call("finetune", finetune_loss="mae"),
    "misnamed": call("finetune", output_model_id="mine"),
}
AFTERWARDS = {
    "delete": {"method": "delete_finetuned_model", "arguments": MINE},
    "list": call("finetuned_models", None),
    "forecast": call("forecast", h=AHEAD, **MINE),
}


@dataclass(frozen=True)
class Found:
    """What the SDK got, and where it got it."""

    sdk: Sdk
    answers: dict[str, Any]


@pytest.fixture(scope="module")
def found(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    folder = tmp_path_factory.mktemp("tuned")
    key = KeyStore(KeyFiles.of(Settings(home=folder))).create(KeyTerms((Scope.FINETUNE, Scope.FORECAST))).token
    with placed(registry, folder, authentication=True) as place:
        place.client.headers["Authorization"] = f"Bearer {key}"
        table().drop(columns=["price", "wind"]).to_csv(folder / "history.csv", index=False)
        sdk = Sdk(place.client, folder)
        with worker_process(place):
            yield Found(sdk, sdk.calls(CALLS))


def test_a_model_is_trained_and_used_with_the_numbers_of_v1(found: Found) -> None:
    answers = found.answers
    assert answers["train"] == answers["again"] == {"value": "ft-mine"}
    wanted = found.sdk.v1("forecast", table(), model="ft-mine", horizon=AHEAD, quantiles=[0.5])
    medians = joined(one["quantiles"]["0.5"] for one in wanted)
    for name in ("forecast", "forecast job"):
        assert_same(columns(answers, name)["TimeGPT"], medians)
    assert columns(answers, "plain")["TimeGPT"] != columns(answers, "forecast")["TimeGPT"]
    options = {"model": "ft-mine", "horizon": AHEAD, "num_windows": 2, "quantiles": [0.5]}
    windows = joined(one["windows"] for one in found.sdk.v1("backtest", table(), **options))
    assert_same(columns(answers, "windows")["TimeGPT"], joined(one["quantiles"]["0.5"] for one in windows))
    judged = found.sdk.v1("anomalies", table(), model="ft-mine", level=80)
    assert columns(answers, "anomalies")["anomaly"] == joined(one["anomaly"] for one in judged)


def test_models_are_listed_described_and_deleted(found: Found) -> None:
    answers, other = found.answers, found.answers["job"]["value"]
    listed = {one["id"]: one for one in answers["list"]["value"]}
    assert set(listed) == {"ft-mine", other}
    assert answers["one"]["value"] == listed["ft-mine"]
    told = [(one["base_model_id"], one["steps"], one["depth"], one["freq"]) for one in listed.values()]
    assert sorted(told) == [("ft-mine/1", 5, 1, "h"), ("waves/1", 5, 5, "h")]
    later = found.sdk.calls(AFTERWARDS)
    assert later["delete"] == {"value": True}
    assert [one["id"] for one in later["list"]["value"]] == [other]
    assert (later["forecast"]["status"], later["forecast"]["body"]["code"]) == (404, "unknown-model")


@pytest.mark.parametrize(
    ("name", "said"), [("loss", "finetune_loss: must be default"), ("misnamed", "output_model_id: must begin with ft-")]
)
def test_what_has_no_meaning_here_is_said(found: Found, name: str, said: str) -> None:
    assert found.answers[name]["status"] == 422
    assert said in found.answers[name]["body"]["detail"]
