"""The data contract as a table of cases: what the last run had, what is there now, which rule is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.errors import DataError
from pipelines.config import ContractConfig
from pipelines.retrain.contract import Profile, check, num_new_values

NUM_SERIES, NUM_OLD, NUM_NEW = 20, 200, 48
END = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=NUM_OLD + NUM_NEW - 1)
RULES = ContractConfig(max_age_days=2)
KNOWN = TableConfig(past_columns=("price",))

Change = Callable[[pd.DataFrame], pd.DataFrame]


def table(frequency: str = "h") -> pd.DataFrame:
    draw = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=NUM_OLD + NUM_NEW, freq=frequency)
    frames = [
        pd.DataFrame({"unique_id": f"s{n:02}", "ds": times, "y": draw.normal(10, 1, len(times)), "price": 1.0})
        for n in range(NUM_SERIES)
    ]
    frames[-1]["y"] *= 100  # what is far for the others is within the range of all
    return pd.concat(frames, ignore_index=True)


def panel_of(frame: pd.DataFrame, config: TableConfig = KNOWN) -> Panel:
    return read_panel(frame, config).panel


@pytest.fixture(scope="module")
def last() -> Profile:
    frame = table()
    return Profile.of(panel_of(frame[frame["ds"] < frame["ds"].iloc[NUM_OLD]]))


def failed(frame: pd.DataFrame, last: Profile | None, now: datetime = END, config: TableConfig = KNOWN) -> list[str]:
    return [one.rule for one in check(panel_of(frame, config), RULES, last, now) if not one.passed]


def scaled(factor: float, ids: int, since: int = NUM_OLD) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        steps, number = frame.index % (NUM_OLD + NUM_NEW), frame.index // (NUM_OLD + NUM_NEW)
        return frame.assign(y=frame["y"].where((steps < since) | (number >= ids), frame["y"] * factor))

    return change


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda frame: frame, []),
        (scaled(2.0, NUM_SERIES), []),  # a level that doubles is news, not a fault
        (scaled(1000.0, NUM_SERIES), ["range", "jumps"]),  # another unit
        (scaled(-1000.0, NUM_SERIES), ["range", "jumps"]),
        (scaled(5000.0, 1), ["range"]),  # one sensor of twenty is within the share, but not its value
        (scaled(20.0, 1), []),
        (scaled(20.0, 2), ["jumps"]),
        (scaled(1000.0, NUM_SERIES, since=0), ["range"]),  # all of history in another unit
        (lambda frame: frame[frame["unique_id"] < "s18"], []),
        (lambda frame: frame[frame["unique_id"] < "s17"], ["series"]),
        (lambda frame: frame[frame["unique_id"] == "s00"], ["series"]),
        (lambda frame: frame.assign(y=5.0), ["variation"]),
        (lambda frame: frame[frame["ds"] < frame["ds"].iloc[NUM_OLD - 1]], ["freshness", "order"]),
    ],
)
def test_what_breaks_the_contract(last: Profile, change: Change, broken: list[str]) -> None:
    assert failed(change(table()), last) == broken


@pytest.mark.parametrize(
    ("days", "broken"),
    [(1.9, []), (2.1, ["freshness"]), (-0.9, []), (-1.1, ["future"])],
)
def test_values_may_be_neither_old_nor_of_the_future(last: Profile, days: float, broken: list[str]) -> None:
    assert failed(table(), last, END + timedelta(days=days)) == broken


def test_a_column_that_is_gone_is_named(last: Profile) -> None:
    checks = check(panel_of(table().drop(columns="price"), TableConfig()), RULES, last, END)
    (broken,) = [one for one in checks if not one.passed]
    assert (broken.rule, broken.finding) == ("columns", "columns of the last run are missing: past 'price'")
    with pytest.raises(DataError, match="price"):  # where the config still names it, reading it says so
        panel_of(table().drop(columns="price"))


def test_another_frequency_breaks_it(last: Profile) -> None:
    assert "frequency" in failed(table("30min"), last)


@pytest.mark.parametrize("frame", [table().head(0), table().assign(y=np.nan)])
def test_no_data_at_all_is_a_data_error(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError):
        failed(frame, None)


def test_without_a_last_run_only_its_own_rules_hold() -> None:
    assert failed(scaled(1000.0, NUM_SERIES)(table()), None) == []


def test_integer_steps_are_not_fresh_and_pass_where_freshness_is_not_asked() -> None:
    frame = table().assign(ds=lambda frame: frame.index % (NUM_OLD + NUM_NEW))
    assert failed(frame, None) == ["freshness"]
    panel = panel_of(frame)
    before = Profile.of(panel.head(np.full(NUM_SERIES, NUM_OLD)))
    assert all(one.passed for one in check(panel, ContractConfig(), before, END))
    assert num_new_values(panel, before) == NUM_SERIES * NUM_NEW


@pytest.mark.parametrize("frequency", ["h", "D", "MS", "W-SUN"])
def test_new_values_are_counted_however_long_a_step_is(frequency: str) -> None:
    frame = table(frequency)
    frame.loc[frame.index % (NUM_OLD + NUM_NEW) == NUM_OLD + 1, "y"] = np.nan
    panel = panel_of(frame)
    before = Profile.of(panel.head(np.full(NUM_SERIES, NUM_OLD)))
    assert num_new_values(panel, before) == NUM_SERIES * (NUM_NEW - 1)
    assert num_new_values(panel, Profile.of(panel)) == 0


def test_new_values_are_those_that_are_newer_than_all_of_the_last_run() -> None:
    frame = table()
    is_late = (frame["unique_id"] == "s00") & (frame["ds"] > frame["ds"].iloc[150])  # came later than the others
    panel = panel_of(frame)
    assert num_new_values(panel, Profile.of(panel_of(frame[~is_late]))) == 0


def test_rows_without_a_value_make_no_table_newer(last: Profile) -> None:
    frame = table()
    is_new = frame["ds"] > frame["ds"].iloc[NUM_OLD]
    frame.loc[is_new, "y"] = np.nan
    panel = panel_of(frame)
    assert failed(frame, last, END + timedelta(days=1)) == ["freshness"]
    assert num_new_values(panel_of(table()), Profile.of(panel)) == NUM_SERIES * (NUM_NEW - 1)
    before = Profile.of(panel).model_copy(update={"latest_value": None})  # as profiles were kept until now
    assert num_new_values(panel_of(table()), before) == 0
    assert "order" not in failed(table(), before)
