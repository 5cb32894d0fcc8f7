"""The memory benchmark: figures by hand, a small panel measured, and a case in its own process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.memory import panel_figures, training_figures
from benchmarks.panel_size import LONGEST, SHORTEST, panel_case, write_noise
from benchmarks.processes import in_process
from benchmarks.step_times import StepTimes
from forecaster.data.store import open_store

TRAINING = {
    "peer": {"peak_mb": 1000.0, "fit_mb": 700.0},
    "same_architecture": {"peak_mb": 500.0, "fit_mb": 200.0, "estimate_mb": 220.0},
    "same_architecture_float32": {"peak_mb": 800.0, "fit_mb": 500.0, "estimate_mb": 400.0},
    "default": {"peak_mb": 400.0, "fit_mb": 100.0, "estimate_mb": 110.0},
}


def test_peaks_are_compared_to_the_peer_and_the_worst_estimate_is_told() -> None:
    figures = training_figures(TRAINING)
    assert figures["ratio_peak_memory"] == pytest.approx(0.5)
    assert figures["ratio_peak_memory_float32"] == pytest.approx(0.8)
    assert figures["ratio_peak_memory_default"] == pytest.approx(0.4)
    assert figures["estimate_over_measured"] == pytest.approx(0.8)


def test_without_the_peer_nothing_is_compared_to_it() -> None:
    alone = {case: found for case, found in TRAINING.items() if case != "peer"}
    assert not [name for name in training_figures(alone) if name.startswith("ratio")]


def panel(window: float, anonymous: float) -> dict[str, float]:
    return {
        "window_microseconds": window,
        "step_milliseconds": 2.0,
        "fit_seconds": 1.0,
        "peak_mb": 300.0,
        "anonymous_mb": anonymous,
    }


def test_panels_are_compared_from_the_smallest_to_the_largest() -> None:
    figures = panel_figures({1_000: panel(1.0, 10.0), 1_000_000: panel(1.5, 110.0)})
    assert figures["window_cost_ratio_1e6_over_1e3"] == pytest.approx(1.5)
    assert figures["step_cost_ratio_1e6_over_1e3"] == pytest.approx(1.0)
    assert figures["bytes_per_series"] == pytest.approx(100 * 2**20 / 999_000)
    assert figures["anonymous_mb_1e6"] == 110.0


def test_noise_is_written_as_short_series(tmp_path: Path) -> None:
    write_noise(tmp_path / "store", 50)
    found = open_store(tmp_path / "store")
    assert len(found) == 50
    assert found.lengths.min() >= SHORTEST
    assert found.lengths.max() <= LONGEST


def test_a_small_panel_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.panel_size.WINDOW_SECONDS", 0.05)
    write_noise(tmp_path / "store", 100)
    found = panel_case(tmp_path / "store")
    assert 0 < found["window_microseconds"] < 1000
    assert found["step_milliseconds"] > 0
    assert found["peak_mb"] > 0


def test_the_time_of_a_step_is_the_median_after_warm_up() -> None:
    times = StepTimes()
    times.starts = [*(100.0 * n for n in range(11)), 1002.0, 1004.0, 1009.0]
    assert times.seconds == pytest.approx(2.0)


def test_a_case_in_its_own_process_gives_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text('{"peak_mb": 12.5}')
    assert in_process("json.tool", ["--compact", str(tmp_path / "case.json")], 1) == {"peak_mb": 12.5}


def test_a_case_that_fails_in_its_process_fails_here(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        in_process("json.tool", [str(tmp_path / "missing.json")], 1)
