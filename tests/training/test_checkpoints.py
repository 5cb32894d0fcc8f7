"""Checkpoints, and whose they are, are there whole or as they were before."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch

from forecaster.errors import TrainingError
from forecaster.training.checkpoints import WholeCheckpoints, claim
from forecaster.training.fit import fit
from tests.training.factories import CONFIG, PANEL


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk that takes what is written to memory, and has no room for it; undone, it has."""

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    return monkeypatch


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "member-0" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"step": 1}, path)
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_a_folder_that_could_not_be_claimed_can_be_later(full_disk: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        claim(tmp_path, "mine")
    full_disk.undo()
    claim(tmp_path, "mine")


def test_a_folder_is_claimed_once(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    claim(tmp_path, "mine")
    request.getfixturevalue("full_disk")
    claim(tmp_path, "mine")
    with pytest.raises(TrainingError, match="another config or of other data"):
        claim(tmp_path, "another's")


def test_a_training_writes_nothing_to_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be of another file system, from which files do not move in one step, and small."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    fit(PANEL, CONFIG, tmp_path / "checkpoints")
    assert sorted(path.name for path in (tmp_path / "checkpoints" / "member-0").iterdir()) == ["best.ckpt", "last.ckpt"]
