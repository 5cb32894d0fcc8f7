"""Training under torchrun: what it says of a process, what a config must not say then, and one run of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forecaster.config import TrainingConfig
from forecaster.errors import ConfigError
from pipelines.config import Launch, PipelineConfig
from pipelines.together import place_of, shared_config
from tests.training.factories import PANEL
from tests.training.test_launched import torchrun

LAUNCH = Launch(number=3, num_processes=4, number_here=1, num_here=2)


def test_a_process_that_nobody_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert Launch.read() is None
    assert place_of(None).num_processes == 1


def test_what_torchrun_says_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert Launch.read() == LAUNCH
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ConfigError, match="RANK='first'"):
        Launch.read()


def test_the_config_follows_the_launcher_or_is_refused() -> None:
    config = PipelineConfig(name="waves")
    assert shared_config(config, LAUNCH).training.num_processes == 4
    other = PipelineConfig(name="waves", training=TrainingConfig(num_processes=2))
    with pytest.raises(ConfigError, match="torchrun has started 4: leave it out"):
        shared_config(other, LAUNCH)


@pytest.mark.long
@pytest.mark.slow
def test_the_command_trains_under_torchrun_as_one_run(tmp_path: Path) -> None:
    PANEL.to_frame().to_csv(tmp_path / "waves.csv", index=False)
    settings = ("training.max_steps=10", "training.steps_per_validation=5", "training.batch_size=16", "export=false")
    small = ("model.d_model=16", "model.num_heads=2", "model.num_layers=1", "model.d_ff=16", "model.context_length=24")
    flags = [flag for setting in (*settings, *small) for flag in ("--set", setting)]
    program = (
        "import os, sys; os.environ['FORECASTER_HOME'] = sys.argv[1]\n"
        "from pipelines.commands.training import train\ntrain(sys.argv[2:])\n"
    )
    (tmp_path / "train.py").write_text(program)
    command = ["--data", str(tmp_path / "waves.csv"), "--model", "waves", "--horizon", "6", "--json", "--no-promote"]
    done = torchrun(2, str(tmp_path / "train.py"), str(tmp_path / "home"), *command, *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 1  # the first process alone has a result
    assert json.loads(lines[0])["version"] == 1
    assert list((tmp_path / "home" / "checkpoints").iterdir()) == []
