"""What triggers look at: live skill of the champion, of the last days, from the ledger; and its drift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.reliability.retrain_kills import MODEL, NOW, config_of, environment_of
from pipelines import registry, tracking
from pipelines.drift import drift
from pipelines.ledger import opened_ledger
from pipelines.retrain.signals import SIGNALS, Looking, live_relative_mase
from pipelines.retrain.times import to_microseconds
from tests.ledger.factories import given, given_series, observed


def test_live_skill_is_that_of_the_champion_in_the_last_days(home: Path) -> None:
    environment = environment_of(home)
    client = tracking.connect(environment)
    client.create_registered_model(MODEL)
    for number in ("1", "2"):
        client.create_model_version(MODEL, f"file://{home}/{number}")
    made = {  # medians; the naive forecast is 2, 6, and 2, 8 came true
        "good": ("1", NOW - timedelta(days=1), (2.0, 7.0)),  # half as far away as the naive forecast
        "worse": ("2", NOW - timedelta(days=1), (2.0, 12.0)),  # twice as far
        "old": ("2", NOW - timedelta(days=8), (2.0, 80.0)),
    }
    with opened_ledger(environment) as ledger:
        looking = Looking(environment, client, ledger, config_of(home), NOW)
        assert live_relative_mase(looking) is None  # no champion
        client.set_registered_model_alias(MODEL, registry.CHAMPION, "1")
        assert live_relative_mase(looking) is None  # nothing was forecast
        for name, (version, created, medians) in made.items():
            series = given_series(name, medians=medians)
            facts = {"created": to_microseconds(created), "model": MODEL, "version": version}
            ledger.add([given(name, series, **facts)], [observed((2.0, 8.0), series_id=name, model=MODEL)])
        assert live_relative_mase(looking) == pytest.approx(0.5)
        client.set_registered_model_alias(MODEL, registry.CHAMPION, "2")
        assert live_relative_mase(looking) == pytest.approx(2.0)


def test_drift_is_measured_once_for_all_of_its_signals(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, asked = environment_of(home), []

    def signals(*given: object, clock: Callable[[], int]) -> dict[str, float]:
        asked.append((given[2], clock()))
        return {"drift_input": 0.5, "drift_error": 0.1}

    monkeypatch.setattr(drift, "signals", signals)
    with opened_ledger(environment) as ledger:
        looking = Looking(environment, tracking.connect(environment), ledger, config_of(home), NOW)
        found = {name: SIGNALS[name](looking) for name in ("drift_input", "drift_error", "drift_coverage")}
    assert found == {"drift_input": 0.5, "drift_error": 0.1, "drift_coverage": None}
    assert asked == [(config_of(home), to_microseconds(NOW))]
