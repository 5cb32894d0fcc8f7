"""Figures of a record are numbers, whatever a benchmark has found; nothing of it is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import record as record_module
from benchmarks.record import RESULTS, record

FOUND = {
    "seconds": 1.5,
    "same_bytes": True,
    "statuses": {"200": 3, "not found": {"here": 1}},
    "delay": None,
    "sizes": [1, 2],
}


def test_numbers_are_figures_and_the_rest_stands_in_the_setup(capsys: pytest.CaptureFixture[str]) -> None:
    record("trial", FOUND, {"cores": 2})
    content = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert content == {
        "benchmark": "trial",
        "figures": {"seconds": 1.5, "same_bytes": 1, "statuses_200": 3, "statuses_not_found_here": 1},
        "setup": {"cores": 2, "details": {key: FOUND[key] for key in ("statuses", "delay", "sizes")}},
    }
    assert content["figures"]["same_bytes"] is not True


def test_figures_alone_need_no_details(capsys: pytest.CaptureFixture[str]) -> None:
    record("trial", {"seconds": 1.5}, {"cores": 2})
    assert json.loads(capsys.readouterr().out)["setup"] == {"cores": 2}


def test_a_saved_record_is_what_was_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record_module, "RESULTS", tmp_path / "results")
    record("trial", FOUND, {}, save=True)
    saved = (tmp_path / "results" / "trial.json").read_text(encoding="utf-8")
    assert json.loads(saved) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_committed_record_has_numbers_for_figures_and_says_how_it_was_made(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["benchmark"] == path.stem
    assert content["figures"]
    assert all(type(value) in (int, float) for value in content["figures"].values())
    assert {"command", "date", "versions", "processor"} <= content["setup"].keys()
