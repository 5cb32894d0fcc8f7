"""Forecasts, what then happened and the skill that follows from both: real weather, HTTP, SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.live_skill import Served, measure, trained
from pipelines.examples import weather

pytestmark = pytest.mark.stack

_FIRST_COMPLETE, _TRAINED_ROWS, _DAYS = "2013-04-04", 2_000, 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    wide = weather().pivot_table(index="ds", columns="unique_id", values="y", observed=True).asfreq("h")
    table = wide.loc[_FIRST_COMPLETE:, [name for name in wide if "LGA" in str(name)]].reset_index()
    with trained(tmp_path_factory.mktemp("live"), table, _TRAINED_ROWS, max_steps=60) as found:
        yield found


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_skill_that_is_told_is_what_the_forecasts_came_to(served: Served, tmp_path: Path, database: str) -> None:
    figures = measure(served, tmp_path, _DAYS, [database])
    assert figures[f"{database}_largest_difference"] < 1e-9
    assert figures[f"{database}_mase"] == pytest.approx(figures["model_mase"], rel=1e-3)
    assert 0 < figures[f"{database}_coverage_80"] < 1
