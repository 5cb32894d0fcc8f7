"""Drift of a champion, from its data, from the ledger and by backtest, on a real MLflow store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from pipelines import tracking
from pipelines.commands.drift import drift as command
from pipelines.config import Environment, PipelineConfig, SourceConfig
from pipelines.drift.drift import signals
from pipelines.registry import Version, load
from tests.conftest import Registry, noisy_waves
from tests.factories import sine_panel
from tests.ledger.factories import HOUR, given, given_series, observed

DAY = 24 * HOUR


class Checked:
    """A copy of the registry, whose model 'waves' was trained on 400 hours of three waves, and how they went on."""

    def __init__(self, home: Path) -> None:
        self.environment = Environment(
            home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}", ledger_url=f"sqlite:///{home / 'ledger.db'}"
        )
        self.client = tracking.connect(self.environment)

    def config(self, table: pd.DataFrame, **settings: Any) -> PipelineConfig:
        path = self.environment.home / "waves.csv"
        table.to_csv(path, index=False)
        return PipelineConfig(name="waves", source=SourceConfig(path=path), **settings)

    def signals(self, table: pd.DataFrame, **settings: Any) -> dict[str, float]:
        return signals(self.environment, self.client, self.config(table, **settings))

    def newest_run(self) -> Any:
        experiment = self.client.get_experiment_by_name("waves")
        (run, *_) = self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
        return run

    def table(self) -> pd.DataFrame:
        path = self.client.download_artifacts(self.newest_run().info.run_id, "drift.json")
        return pd.DataFrame(**json.loads(Path(path).read_text()))

    def write_outcomes(self, wrong_since: int, series: str = "s0") -> None:
        """Writes 40 forecasts, an hour apart, of which those from a number on turn out twice as wrong as before."""
        ledger = Ledger(self.environment.ledger_url)
        upgrade(ledger)
        begin = now_microseconds() - 20 * DAY
        for number in range(40):
            made = begin + number * DAY // 2
            first = 10 * number
            off = 2.0 if number >= wrong_since else 1.0
            forecast = given_series(series, first, width=1.5)  # medians of 10 and 20
            ledger.add([given(f"f{number}", forecast, created=made, model="waves")])
            ledger.add(observed=[observed([10 + off, 20 + off], first, series, received=made, model="waves")])
        ledger.close()


@pytest.fixture
def checked(registry: Registry, tmp_path: Path) -> Iterator[Checked]:
    home = tmp_path / "home"
    shutil.copytree(registry.home, home, ignore=shutil.ignore_patterns("work", "cache"))
    yield Checked(home)


def longer(num_steps: int = 1000) -> pd.DataFrame:
    """The waves of the registry, which went on as they were."""
    known = noisy_waves()
    later = sine_panel(3, num_steps, noise=0.8, missing_share=0.03, seed=1).to_frame()
    return pd.concat([known, later[later["ds"] > known["ds"].max()]]).sort_values(["unique_id", "ds"])


def broken(series: tuple[str, ...] = ("s0", "s1", "s2")) -> pd.DataFrame:
    """The same, but for some of them risen by 6 over the last 200 hours."""
    table = longer()
    is_late = table["ds"] > table["ds"].max() - pd.Timedelta(hours=200)
    return table.assign(y=table["y"] + 6 * (is_late & table["unique_id"].isin(series)))


def test_what_went_on_as_it_was_has_not_drifted(checked: Checked) -> None:
    found = checked.signals(longer(), drift={"min_forecasts": 6})
    assert set(found) == {"drift_input", "drift_error", "drift_coverage"}
    assert found["drift_input"] == 0
    assert abs(found["drift_error"]) < 0.5
    assert abs(found["drift_coverage"]) < 0.3
    run = checked.newest_run()
    assert (run.info.run_name, run.info.status) == ("drift 1", "FINISHED")
    assert {run.data.tags[name] for name in ("stage", "model", "version", "outcomes")} == {
        "drift",
        "waves",
        "1",
        "backtest",
    }
    assert {name: run.data.metrics[name] for name in found} == found
    assert run.data.metrics["drift_num_series"] == 3


def test_what_has_changed_is_found_and_listed_worst_first(checked: Checked) -> None:
    found = checked.signals(broken(("s1", "s2")), drift={"min_forecasts": 6})
    assert found["drift_input"] == pytest.approx(2 / 3)
    table = checked.table()
    assert set(table["series"].head(2)) == {"s1", "s2"}
    assert table["drifted"].tolist() == [True, True, False]
    assert set(table["measure"].head(2)) == {"level"}
    assert (table["level"].head(2) > 1).all()
    assert table["since"].head(2).between("2024-02-02", "2024-02-12").all()
    assert table["relative_mase_now"].notna().all()
    curve = checked.client.get_metric_history(checked.newest_run().info.run_id, "drift_input_by_stretch")
    assert [curve[-1].step, curve[-1].value, curve[0].value] == [0, pytest.approx(2 / 3), 0]
    assert "drift_input" in checked.newest_run().data.tags["exceeded"]


def test_errors_are_those_of_a_backtest_where_the_ledger_has_none(checked: Checked) -> None:
    table = longer()
    is_late = table["ds"] > table["ds"].max() - pd.Timedelta(hours=300)
    noise = np.random.default_rng(0).normal(0, 6, len(table))
    # What cannot be foreseen is no worse beside the seasonal naive, and no interval allows for it.
    found = checked.signals(table.assign(y=table["y"] + noise * is_late), drift={"min_forecasts": 6})
    assert found["drift_coverage"] > 0.2


def test_a_model_knows_nothing_of_its_errors_before_something_has_come_true(checked: Checked) -> None:
    table = noisy_waves()
    assert "drift_error" not in checked.signals(table)
    assert checked.newest_run().data.tags["outcomes"] == "none"


def test_too_few_forecasts_say_nothing(checked: Checked) -> None:
    assert set(checked.signals(longer(), drift={"min_forecasts": 1000})) == {"drift_input"}


def test_where_the_panel_does_not_reach_back_the_bundle_tells_of_then(checked: Checked) -> None:
    table = longer()
    recent = table[table["ds"] > "2024-01-20"]
    found = checked.signals(recent, drift={"min_forecasts": 6})
    assert set(found) == {"drift_error", "drift_coverage"}  # and nothing is left of what the input was
    scores = load(Version("waves", 1), ()).manifest.provenance.metrics
    then = scores["mase"] / scores["seasonal_naive/mase"]
    assert checked.newest_run().data.metrics["drift_relative_mase_then"] == pytest.approx(then)


def test_live_outcomes_come_before_a_backtest(checked: Checked) -> None:
    checked.write_outcomes(wrong_since=0)
    found = checked.signals(longer(), drift={"recent_seasons": 7, "min_forecasts": 10})
    assert found["drift_error"] == pytest.approx(0)
    assert found["drift_coverage"] == pytest.approx(0)
    assert checked.newest_run().data.tags["outcomes"] == "ledger"


def test_live_outcomes_that_get_worse_are_told(checked: Checked) -> None:
    checked.write_outcomes(wrong_since=27)  # the last six and a half days
    found = checked.signals(longer(), drift={"recent_seasons": 7, "min_forecasts": 10})
    assert found["drift_error"] > 0.3
    assert found["drift_coverage"] > 0.3
    table = checked.table().set_index("series")
    assert table.loc["s0", "relative_mase_now"] > 1.3 * table.loc["s0", "relative_mase_then"]
    assert np.isnan(table.loc["s1", "relative_mase_now"])


def test_a_ledger_of_another_version_says_nothing(checked: Checked) -> None:
    ledger = Ledger(checked.environment.ledger_url)
    upgrade(ledger)
    ledger.add([given("f1", created=now_microseconds(), model="waves", version="2")])
    ledger.add(observed=[observed([10.0, 20.0], received=now_microseconds(), model="waves")])
    ledger.close()
    checked.signals(longer(), drift={"min_forecasts": 1})
    assert checked.newest_run().data.tags["outcomes"] == "backtest"


def test_a_ledger_that_is_not_there_is_not_made(checked: Checked) -> None:
    checked.signals(longer())
    assert not (checked.environment.home / "ledger.db").exists()


def test_a_model_without_a_champion_has_no_signals(checked: Checked) -> None:
    checked.client.delete_registered_model_alias("waves", "champion")
    assert checked.signals(longer()) == {}


def test_the_command_tells_people_and_machines(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_HOME", str(checked.environment.home))
    source = checked.config(broken()).source.path
    arguments = ["--data", str(source), "--set", "drift.min_forecasts=6"]
    told = json.loads(CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False).output)
    assert (told["model"], told["version"], told["num_drifted"], told["num_series"]) == ("waves", 1, 3, 3)
    assert told["signals"]["drift_input"] == 1.0
    assert "drift_input" in told["exceeded"]
    assert [row["measure"] for row in told["worst"]] == ["level"] * 3
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False).output
    assert "3 of 3 series have drifted" in shown
    assert "EXCEEDED" in shown
