"""The lines of the README on covariates run as they stand, one after the other, in Python and in the shell."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.cli import root
from pipelines.commands.prediction import explain
from pipelines.config import Environment
from tests.pipelines.factories import make_champion, priced_tables

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.split("\n## Covariates\n")[1].split("\n## ")[0]
SMALL = ["context_length=48", "d_model=16", "num_heads=2", "num_layers=1", "d_ff=16"]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three files that the README names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECASTER_HOME", str(tmp_path / "runs"))
    tables = priced_tables(num_hours=240, num_ahead=24)
    tables["history"]["visitors"] = np.arange(len(tables["history"]))
    for name, table in tables.items():
        table.to_csv(f"{name}.csv", index=False)
    return tmp_path


def test_the_lines_of_python_run(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = "TrainingConfig(max_steps=2, steps_per_validation=1, batch_size=8)"
    code = block("python").replace(
        'holidays="DE")', f'holidays="DE", {", ".join(SMALL)}), training=__import__("forecaster").{quick}'
    )
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own lines
    printed = capsys.readouterr().out
    assert "[24 rows x 11 columns]" in printed
    assert "[48 rows x 11 columns]" in printed


def test_the_lines_of_the_shell_run(inside: Path) -> None:
    lines = block("sh").replace("\\\n", " ").splitlines()
    assert [shlex.split(line)[:2] for line in lines] == [
        ["forecaster", name] for name in ("train", "predict", "explain", "train")
    ]
    brief = ["training.max_steps=2", "training.steps_per_validation=1", "training.batch_size=8"]
    quick = [*brief, "export=false", "figures=false"]  # they take seconds
    for line in lines:
        words = shlex.split(line)[1:]
        if words[0] == "train":
            settings = [*quick, *(() if "--start" in words else (f"model.{setting}" for setting in SMALL))]
            words += [word for setting in settings for word in ("--set", setting)]
        run(words)
        make_champion(Environment.read(), "sales", 1)  # which two steps of training need not have earned
    assert len(pd.read_csv("forecast.csv")) == 2 * 12
    assert (inside / "why" / "explanation.png").is_file()


def run(words: list[str]) -> None:
    command, arguments = (explain, words[1:]) if words[0] == "explain" else (root, words)
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
