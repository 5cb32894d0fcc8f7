"""The working folder is of one run at a time, also while it is removed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.batch.working_folder import working_folder
from pipelines.errors import BatchError


def test_no_other_run_begins_in_a_folder_that_is_removed_before_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, seen = tmp_path / "out", list[list[str]]()

    def then_another_run(removes: Callable[..., None]) -> Callable[..., None]:
        def removed(*given: Any, **named: Any) -> None:
            removes(*given, **named)
            try:
                with working_folder(output, restart=False) as found:
                    seen.append([path.name for path in found.path.iterdir()])
            except BatchError as error:
                assert error.code == "run-in-progress"

        return removed

    with working_folder(output, restart=False) as folder:
        for name in ("a", "parts", "zz"):
            (folder.path / name).mkdir()
            (folder.path / name / "file").touch()
        with monkeypatch.context() as removing:
            removing.setattr(os, "unlink", then_another_run(os.unlink))
            removing.setattr(os, "rmdir", then_another_run(os.rmdir))
            folder.remove()
    assert seen[0] == ["lock"]


def test_the_lock_of_a_folder_that_was_just_removed_is_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = fcntl.flock

    def too_late(*given: Any) -> None:
        shutil.rmtree(tmp_path / ".out.shards")
        take(*given)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with (
        pytest.raises(BatchError, match="another process forecasts into"),
        working_folder(tmp_path / "out", restart=False),
    ):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
