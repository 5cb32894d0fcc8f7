"""The short forms of the measurements of promotions: killed and racing they make one history; controls do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability.promotion_race import SHORT

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
LEDGERS = ("sqlite", "postgres")


def measured(name: str) -> Any:
    """Gives what a measurement found, in a process of its own, which forks others."""
    command = [sys.executable, "-m", f"benchmarks.reliability.{name}", "--short"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])["setup"]["details"]


@pytest.mark.long
def test_a_promotion_and_a_roll_back_that_are_killed_leave_the_old_state_or_the_new_one() -> None:
    found = measured("promotion_kills")
    for ledger in LEDGERS:
        for what in ("promote", "roll back"):
            assert found[ledger][what]["wrong"] == {}
            assert found[ledger][what]["points"] >= 5
        assert found[ledger]["promote"]["states"].keys() == {"not begun", "half done", "done"}
    assert found["control"]["wrong"]["found"] > 0


@pytest.mark.slow
def test_processes_that_race_to_promote_make_one_history() -> None:
    found = measured("promotion_race")
    for ledger in LEDGERS:
        assert set(found[ledger]["wrong"].values()) == {0}
        assert found[ledger]["kills"] > 0
        assert found[ledger]["attempts"] == SHORT.num_processes * SHORT.num_rounds
        assert found[ledger]["told"] > 0
    assert any(found["control"]["wrong"].values())
