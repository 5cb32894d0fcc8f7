"""`forecaster explain`: tables and a picture in a new folder, or one line and nothing."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from forecaster.errors import ForecasterError, RequestError, SeriesError
from pipelines.commands.prediction import explain
from pipelines.errors import SourceError
from pipelines.explain.explain import PICTURE
from tests.pipelines.factories import priced_predictor, priced_tables, save_priced

HORIZON = priced_predictor().horizon


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundle 'priced' and the tables it can forecast."""
    for name, table in priced_tables(num_ahead=HORIZON).items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    save_priced(tmp_path / "priced")
    return tmp_path


def explained(folder: Path, *more: str, series: str = "b", future: str = "future") -> Result:
    tables = ("--static", str(folder / "static.csv"), "--future", str(folder / f"{future}.csv"))
    where = (str(folder / "priced"), str(folder / "history.csv"))
    arguments = [*where, *tables, "--series", series, "--out", str(folder / "out"), *more]
    return CliRunner().invoke(explain, arguments, catch_exceptions=True)


def test_it_writes_every_table_and_one_picture(folder: Path) -> None:
    result = explained(folder, "--step", "2", "--json")
    found = json.loads(result.output)
    assert (result.exit_code, found["series"], found["step"]) == (0, "b", 2)
    tables = {path.stem: pd.read_csv(path) for path in (folder / "out").glob("*.csv")}
    assert set(tables) == {"tokens", "patches", "steps", "attention", "faithfulness"}
    assert {path.name for path in (folder / "out").iterdir()} == {PICTURE, *(f"{name}.csv" for name in tables)}
    assert tables["tokens"]["attention_roll_out"].sum() == pytest.approx(1)
    assert tables["steps"]["timestamp"].iloc[-1] == "2024-01-03 11:00:00"
    shared = tables["steps"]["gradients"].sum()
    assert shared == pytest.approx(found["forecast"] - found["flat_forecast"], rel=0.05, abs=0.05)
    picture = matplotlib.image.imread(folder / "out" / PICTURE)
    assert picture.shape[0] > 500
    assert np.ptp(picture) > 0.5


def test_a_person_is_told_what_was_explained_and_whether_to_believe_it(folder: Path) -> None:
    output = explained(folder).output
    assert "mean over the horizon of series 'b'" in output
    assert output.count("faithful: hiding its top") == 2
    assert f"tables and picture in {folder / 'out'}" in output


@pytest.mark.parametrize(
    ("more", "kind", "message"),
    [
        ({"series": "z"}, SeriesError, "there is no series 'z'"),
        ({"future": "short"}, RequestError, "is missing from 2024-01-03T14:00:00 on"),
        ({"step": "6"}, RequestError, "step 6 is outside 1..5"),
        ({"step": "0"}, ForecasterError, "--step counts from 1, got 0"),
    ],
)
def test_what_cannot_be_explained_leaves_nothing(
    more: dict[str, str], kind: type[Exception], message: str, folder: Path
) -> None:
    priced_tables(num_ahead=2)["future"].to_csv(folder / "short.csv", index=False)
    step = ("--step", more["step"]) if "step" in more else ()
    result = explained(folder, *step, **{name: value for name, value in more.items() if name != "step"})
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("priced", "exists already"), ("none/out", "does not exist"), ("x" * 300, "cannot be one: File name too long")],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(name: str, message: str, folder: Path) -> None:
    result = CliRunner().invoke(explain, ["x", "y.csv", "--series", "a", "--out", str(folder / name)])
    assert isinstance(result.exception, SourceError)
    assert message in str(result.exception)
