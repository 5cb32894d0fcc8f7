"""The serving benchmark: figures by hand from the speeds of servers."""

from __future__ import annotations

import pytest

from benchmarks.serve_speed import Round, Speed, figures, long_enough, median_speeds, windows_per_second


def speed(rate: float, p50: float = 10.0, p99: float = 20.0, cpu: float = 1.0) -> Speed:
    return Speed(rate, p50, p99, cpu, client_cpu_seconds=0.1, load_average=1.0)


def a_round(ours: float = 500.0) -> Round:
    return {
        "ours": {1: speed(100, p50=6.0), 8: speed(300), 32: speed(ours, p99=90.0), 64: speed(800)},
        "mlflow": {32: speed(50, p99=900.0)},
        "litserve": {32: speed(200)},
        "null_model": {8: speed(2000, cpu=0.4)},
        "floor": {8: speed(4000, cpu=0.2)},
    }


def test_figures_compare_ours_to_the_peers_and_the_forward() -> None:
    found = figures(a_round(), {1: 0.005, 8: 0.01, 32: 0.02, 64: 0.064})
    assert found["ratio_mlflow_32"] == 10
    assert found["ratio_litserve_32"] == 2.5
    assert found["p99_over_mlflow_32"] == 0.1
    assert found["p50_over_forward_ms_1"] == 1.0
    assert found["fraction_of_forward_64"] == 0.8
    assert found["framework_cpu_ms"] == 0.4
    assert found["floor_cpu_ms"] == 0.2


def test_numbers_are_medians_over_rounds() -> None:
    found = median_speeds([a_round(500.0), a_round(400.0), a_round(9000.0)])
    assert found["ours"][32].requests_per_second == 500
    assert found["ours"][32].p99_ms == 90
    assert found["mlflow"][32] == speed(50, p99=900.0)


def test_a_forward_of_many_windows_counts_each() -> None:
    assert windows_per_second({1: 0.005, 64: 0.064}) == {"1": pytest.approx(200), "64": pytest.approx(1000)}


def test_slow_servers_are_measured_longer_within_bounds() -> None:
    assert long_enough(6, concurrency=32, requests_per_second=500) == 6
    assert long_enough(6, concurrency=32, requests_per_second=20) == pytest.approx(16)
    assert long_enough(6, concurrency=64, requests_per_second=0) == 30
