"""`compare` on runs of a real store: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forecaster.errors import ForecasterError
from pipelines.commands.analysis import compare
from pipelines.errors import ComparisonError, RegistryError, SourceError
from pipelines.report.evaluations import Reported, log_evaluations
from pipelines.report.verdicts import best
from tests.pipelines.report.factories import LABELS, SEASON, Shifted, compared_of, ramps
from tests.pipelines.stores import Store


def logged(store: Store, *shifts: float, num_folds: int = 3, num_series: int = 6, **more: Any) -> str:
    run_id = store.run(more.get("name", "a run"))
    panel = ramps(num_series, length=120)
    labels = replace(LABELS, fingerprint=panel.fingerprint())
    compared = compared_of({"model": Shifted(shifts)}, panel, num_folds, gap=more.get("gap", 0))
    log_evaluations(store.client, Reported(run_id, labels, more.get("figures", False)), compared)
    return run_id


@pytest.fixture(scope="module")
def runs(store: Store) -> dict[str, str]:
    return {
        "good": logged(store, 1.0, 1.2, 1.1, name="<script>alert(1)</script>", figures=True),
        "bad": logged(store, 2.0, 2.5, 2.1),
        "mixed": logged(store, 0.5, 3.0, 0.9, 1.0),
        "other folds": logged(store, 1.0, num_folds=2),
        "other data": logged(store, 1.0, num_series=5),
        "with a gap": logged(store, 1.0, gap=2),
    }


@pytest.fixture
def command(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FORECASTER_HOME", str(store.environment.home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.environment.tracking_uri)
    return lambda *arguments: CliRunner().invoke(compare, [str(each) for each in arguments])


def test_a_difference_is_told_with_its_interval(command: Any, runs: dict[str, str]) -> None:
    result: Result = command(runs["bad"], runs["good"], "--json")
    assert result.exit_code == 0, result.exception
    found = json.loads(result.output)
    assert found["runs"] == {"A": runs["bad"], "B": runs["good"]}
    assert found["metrics"]["mase"]["B"] == pytest.approx((1.0 + 1.2 + 4 * 1.1) / 6 / SEASON)
    verdict = found["verdicts"][0]
    assert verdict["low"] < verdict["gain"] < verdict["high"]
    assert verdict["gain"] == pytest.approx(1 - (1.0 + 1.2 + 4 * 1.1) / (2.0 + 2.5 + 4 * 2.1))
    assert verdict["text"].startswith("MASE of B is 48.8% below that of A")
    assert verdict["text"].endswith("more than chance.")


def test_what_may_be_chance_is_called_so(command: Any, runs: dict[str, str]) -> None:
    found = json.loads(command(runs["good"], runs["mixed"], "--json").output)
    assert found["verdicts"][0]["text"].endswith("it may be chance.")


def test_the_text_has_runs_metrics_folds_and_series(command: Any, runs: dict[str, str]) -> None:
    output = command(runs["good"], runs["bad"], runs["mixed"]).output
    assert [word for word in ("A", "B", "C") if f"\n{word} " in f"\n{output}"] == ["A", "B", "C"]
    assert "coverage_80" in output
    assert "MASE by fold" in output
    assert re.search(r"s1 +0\.0500 +0\.1042 +0\.1250 +0\.0750", output)


def test_the_page_needs_nothing_from_elsewhere_and_takes_names_as_text(
    command: Any, runs: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    result = command(runs["good"], runs["bad"], "--out", path)
    assert f"report in {path}" in result.output
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', text) == []
    assert "://" not in text
    assert text.count("data:image/png;base64,") == 2  # horizon, and the forecasts of the run that has figures
    assert '<td class="number best">0.0458</td>' in text
    assert "more than chance" in text


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("good", "other folds", "its folds are others"),
        ("good", "other data", "data_fingerprint is"),
        ("good", "with a gap", "its folds are others, or their gap"),
        ("good", "good", "is named twice"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    first: str, second: str, told: str, command: Any, runs: dict[str, str], tmp_path: Path
) -> None:
    result = command(runs[first], runs[second], "--out", tmp_path / "report.html")
    assert isinstance(result.exception, ComparisonError)
    assert told in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_an_evaluation_is_refused(command: Any, runs: dict[str, str], store: Store) -> None:
    result = command(runs["good"], store.run())
    assert isinstance(result.exception, ComparisonError)
    assert result.exception.code == "no-evaluation"


def test_versions_stand_for_their_training_runs(command: Any, store: Store, runs: dict[str, str]) -> None:
    result = command("waves/1", "days@champion")
    assert isinstance(result.exception, ComparisonError)
    assert "data is days, not waves" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        (("0" * 32, "1" * 32), RegistryError, "not found"),
        (("a" * 32,), ForecasterError, "wants 2 to 26 runs, got 1"),
        (("no/such/run", "x"), ForecasterError, "is none of NAME"),
        (("a", "b", "--out", "report.pdf"), SourceError, "must end in .html"),
        (("a", "b", "--out", "none/report.html"), SourceError, "its folder does not exist"),
    ],
)
def test_wrong_words_are_refused(arguments: tuple[str, ...], kind: type[Exception], told: str, command: Any) -> None:
    result = command(*arguments)
    assert isinstance(result.exception, kind)
    assert told in str(result.exception)


def test_the_best_of_a_metric_is_the_lowest_or_the_nearest_to_what_is_right() -> None:
    assert best("mase", [2.0, 1.0, 3.0]) == 1
    assert best("coverage_80", [0.6, 0.95, 0.79]) == 2
    assert best("bias", [-0.5, 0.1, 0.2]) == 1
