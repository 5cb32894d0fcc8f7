from __future__ import annotations

import json

import numpy as np
import pandas as pd

from forecaster.config import TableConfig
from forecaster.data.reading import read_panel
from forecaster.data.report import FINDINGS_PER_CODE, DataReport

NAN = float("nan")


def report_of(table: pd.DataFrame, **settings: object) -> DataReport:
    return read_panel(table, TableConfig(**settings)).report


def gappy() -> pd.DataFrame:
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06", "2024-01-07", "2024-01-01"])
    return pd.DataFrame({"unique_id": [*"aaaaab"], "ds": times, "y": [NAN, 1.0, NAN, 3.0, 4.0, 7.0], "price": 1.0})


def test_report_counts_what_was_read() -> None:
    report = report_of(gappy())
    assert (report.layout, report.id_column, report.time_column) == ("long", "unique_id", "ds")
    assert (report.value_columns, report.unused_columns) == (("y",), ("price",))
    assert (report.frequency, report.frequency_inferred, report.timezone) == ("D", True, None)
    assert (report.num_rows, report.num_series, report.num_steps) == (6, 2, 7)
    assert (report.first_timestamp, report.last_timestamp) == ("2024-01-01T00:00:00", "2024-01-07T00:00:00")
    assert (report.length_min, report.length_median, report.length_max) == (1, 3.5, 6)
    assert (report.num_gap_steps, report.num_missing_cells, report.num_leading_trimmed) == (2, 1, 1)


def test_findings_say_what_where_and_how_often() -> None:
    found = {(f.code, f.series_id): (f.timestamp, f.count) for f in report_of(gappy()).findings}
    assert found == {
        ("gap", "a"): ("2024-01-04T00:00:00", 2),
        ("missing-value", "a"): ("2024-01-03T00:00:00", 1),
        ("constant-series", "b"): ("2024-01-01T00:00:00", 1),
        ("short-series", "a"): ("2024-01-02T00:00:00", 6),
        ("short-series", "b"): ("2024-01-01T00:00:00", 1),
    }


def test_a_clean_table_has_no_findings() -> None:
    table = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=14), "a": np.arange(14.0)})
    report = report_of(table)
    assert (report.findings, report.totals) == ((), ())


def test_a_gap_in_a_wide_table_is_a_gap_of_each_series_that_has_begun() -> None:
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"])
    report = report_of(pd.DataFrame({"t": times, "a": [1, 2, 3, 4], "b": [NAN, NAN, 1, 2]}))
    assert [f.series_id for f in report.findings if f.code == "gap"] == ["a"]
    assert (report.num_gap_steps, report.num_leading_trimmed) == (1, 3)


def test_many_findings_of_one_code_are_counted_but_not_all_listed() -> None:
    num_series = FINDINGS_PER_CODE + 5
    report = report_of(pd.DataFrame({f"s{i}": [1.0, NAN, 2.0] for i in range(num_series)}))
    listed = [f for f in report.findings if f.code == "missing-value"]
    [total] = [t for t in report.totals if t.code == "missing-value"]
    assert len(listed) == FINDINGS_PER_CODE
    assert (total.num_series, total.count) == (num_series, num_series)
    assert report.lines()[-1] == f"  [missing-value] {num_series} series in all"


def test_report_is_json_and_text() -> None:
    report = report_of(gappy(), timezone="Europe/Berlin")
    assert json.loads(json.dumps(report.to_dict()))["first_timestamp"] == "2024-01-01T00:00:00+01:00"
    text = "\n".join(report.lines())
    for part in ("unused      price", "D (inferred)", "Europe/Berlin", "[gap] series 'a': 2 step(s) without a row"):
        assert part in text


def test_steps_are_written_as_numbers() -> None:
    report = report_of(pd.DataFrame({"a": [1.0, 2.0, 4.0]}))
    assert (report.first_timestamp, report.last_timestamp, report.frequency) == ("0", "2", "step")
