"""Processes that torchrun starts: they train as one does, and only the first has something to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from forecaster.training.cluster import Place
from forecaster.training.fit import fit
from tests.training.factories import PANEL, with_model, with_training

ROOT = Path(__file__).parents[2]
EXACT = with_training(with_model(dropout=0.0), precision="float32")

PROGRAM = """
import os, sys
from pathlib import Path
import torch
from forecaster.training.cluster import Place
from forecaster.training.fit import fit, train_along
from tests.training.factories import PANEL
from tests.training.test_launched import EXACT, with_training

names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
place = Place(*(int(os.environ[name]) for name in names))
config, folder = with_training(EXACT, num_processes=place.num_processes), Path(sys.argv[1])
if place.number:
    train_along(PANEL, config, folder / "checkpoints", place)
    (folder / "followed").touch()
else:
    network = fit(PANEL, config, folder / "checkpoints", place=place).predictor.network
    torch.save(network.state_dict(), folder / "weights.pt")
"""


def torchrun(num_here: int, program: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program, or a module's arguments, by torchrun on this machine, at a port of its own."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_here}"]
    command = [*launcher, *arguments] if program is None else [*launcher, program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_of_torchrun_end_in_the_weights_of_one(tmp_path: Path) -> None:
    alone = fit(PANEL, EXACT, tmp_path / "alone").predictor.network
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = torchrun(2, str(program), str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "followed").exists()
    together = torch.load(tmp_path / "weights.pt", weights_only=True)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-4)


def test_places_on_several_machines() -> None:
    first, last = Place(0, 6, 0, 3), Place(5, 6, 2, 3)
    assert (first.local_number, first.num_local, first.is_launched) == (0, 3, True)
    assert (last.local_number, last.num_local) == (2, 3)
    assert (Place(1, 2).local_number, Place(1, 2).num_local, Place(1, 2).is_launched) == (1, 2, False)
