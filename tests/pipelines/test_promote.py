"""What a run and the trend of a model tell of a promotion is what came of it, in a race and after a kill."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.baselines import SeasonalNaive
from forecaster.data.reading import read_panel
from forecaster.data.splits import rolling_origin
from forecaster.evaluation import evaluate
from pipelines import registry as models
from pipelines import tracking
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import Environment, PipelineConfig, PromotionPolicy
from pipelines.errors import RegistryError
from pipelines.promotion import promote as module
from pipelines.promotion.evidence import gathered
from pipelines.promotion.policy import decide
from pipelines.promotion.promote import Promotion, find_contenders, promote, promote_best
from pipelines.registry import CHALLENGER, CHAMPION, Version
from tests.conftest import TINY, Registry, noisy_waves

CONFIG, PANEL = PipelineConfig(name="waves", **TINY), read_panel(noisy_waves()).panel


@dataclass(frozen=True)
class Place:
    """A copy of the registry in which `waves` has a challenger, version 1, no champion and no trend yet."""

    environment: Environment
    client: MlflowClient

    def promote(self) -> Promotion:
        return promote(self.environment, self.client, CONFIG, PANEL)

    def runs(self, wanted: str) -> list[Run]:
        experiment = self.client.get_experiment_by_name("waves").experiment_id
        return list(self.client.search_runs([experiment], wanted))

    def promotion_run(self) -> Run:
        """Gives the newest run of a promotion."""
        return self.runs("tags.stage = 'promote' and tags.role = 'challenger'")[0]

    def trend(self, metric: str) -> list[tuple[int, float]]:
        """Gives the points of the trend: number of the version, and value."""
        runs = self.runs("tags.stage = 'trend'")
        points = [self.client.get_metric_history(run.info.run_id, metric) for run in runs]
        return [(one.step, one.value) for found in points for one in found]


@pytest.fixture
def place(registry: Registry, tmp_path: Path) -> Place:
    home = tmp_path / "home"
    shutil.copytree(registry.home, home, ignore=shutil.ignore_patterns("work", "cache", "ledger"))
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    client = tracking.connect(environment)
    client.set_registered_model_alias("waves", CHALLENGER, "1")
    client.delete_registered_model_alias("waves", CHAMPION)
    found = Place(environment, client)
    for trend in found.runs("tags.stage = 'trend'"):
        client.delete_run(trend.info.run_id)
    return found


def test_the_coverage_of_a_challenger_is_its_own_beside_a_champion_without_that_interval(place: Place) -> None:
    bundle, policy = models.load(Version("waves", 1), ()), PromotionPolicy(coverage_80=(0.0, 1.0))
    folds, own = rolling_origin(PANEL, 12, 2), bundle.predictor.levels
    forecasters = {"challenger": bundle.predictor, "champion": SeasonalNaive(1), SEASONAL_NAIVE: SeasonalNaive(24)}
    common = {role: evaluate(each, PANEL, folds, (0.5,)) for role, each in forecasters.items()}  # a point forecast's
    found = gathered(bundle, common, PANEL, policy)
    assert found.challenger.coverage == evaluate(bundle.predictor, PANEL, folds, own).scores.coverage
    assert found.challenger.mase == common["challenger"].scores.mase
    (check,) = [one for one in decide(policy, found).checks if one.rule == "coverage_80"]
    assert check.passed, check.finding


def test_a_promotion_that_came_too_late_is_told_as_none(place: Place) -> None:
    contenders = find_contenders(place.environment, place.client, "waves")
    other = place.client.create_model_version("waves", source="file:///nowhere")
    place.client.set_model_version_tag("waves", other.version, "bundle_digest", "sha256:other")
    models.point(place.client, "waves", CHAMPION, int(other.version))
    with pytest.raises(RegistryError, match="compare it again") as raised:
        promote_best(place.environment, place.client, CONFIG, PANEL, contenders)
    assert raised.value.code == "champion-moved"
    run = place.promotion_run()
    assert (run.info.status, run.data.tags["promoted"]) == ("FAILED", "false")
    assert run.data.tags["reason"] == str(raised.value)
    assert place.trend("promoted") == [(1, 0.0)]
    assert place.trend("served_mase") == []


def test_a_promotion_that_was_killed_before_the_trend_knew_is_told_by_the_next_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> NoReturn:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, "_outcome_metrics", killed)
        place.promote()
    run = place.promotion_run()
    assert run.data.tags["promoted"] == "true"
    assert models.find_alias(place.client, "waves", CHAMPION) == Version("waves", 1)
    assert place.trend("promoted") == []
    for _ in range(2):
        assert place.promote().decision.reason == "waves version 1 is the champion already"
    assert place.trend("promoted") == [(1, 1.0)]
    assert place.trend("served_mase") == [(1, run.data.metrics["mase"])]
