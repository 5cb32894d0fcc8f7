"""The datamodule: groups stay whole in training and in validation, and processes share a step without a word."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forecaster.config import ForecasterConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.training.datamodule import WindowDataModule, shortest_context
from forecaster.training.fit import fit
from forecaster.types import WindowBatch
from tests.factories import panel_of, sine_panel
from tests.training.factories import PANEL, grouped, with_model, with_training

GROUPS = [0, 1, 0, 1, 0, 2]
WIDE = grouped(sine_panel(6, 90, noise=0.1), GROUPS)


def data_of(panel: Panel, config: ForecasterConfig, process: int = 0) -> WindowDataModule:
    split = split_panel(panel, config.model.horizon, config.split)
    return WindowDataModule(panel, split, config.model, config.training, process)


def sizes(batch: WindowBatch) -> list[int]:
    """How many windows each company of a batch has."""
    assert batch.groups is not None
    return torch.unique(batch.groups, return_counts=True)[1].tolist()


def step_of(data: WindowDataModule, step: int) -> WindowBatch:
    part, *others = data.parts(data.sampler().addresses(step), step)
    assert not others
    return part.batch


def test_a_step_is_made_of_whole_groups() -> None:
    data = data_of(WIDE, with_model(with_training(batch_size=24), channels="group"))
    num_windows = []
    for step in range(20):
        batch = step_of(data, step)
        assert set(sizes(batch)) <= {3, 2, 1}
        num_windows.append(len(batch.context))
    # 12 draws of 2 series on average; larger groups are drawn more often, twice the same one counts once.
    assert 20 <= np.mean(num_windows) <= 28


def test_without_attention_across_groups_windows_are_drawn_one_by_one() -> None:
    data = data_of(WIDE, with_training(batch_size=24))
    assert len(step_of(data, 0).context) == 24


def test_series_that_end_earlier_are_left_out_of_later_timestamps() -> None:
    panel = grouped(panel_of(np.arange(90.0) % 7, np.arange(60.0) % 5), [4, 4])
    data = data_of(panel, with_model(with_training(batch_size=40), channels="group"))
    found = {size for step in range(5) for size in sizes(step_of(data, step))}
    assert found == {1, 2}


def test_validation_sees_whole_groups() -> None:
    data = data_of(WIDE, with_model(with_training(batch_size=4), channels="group"))
    found = [size for batch in data.validation_batches() for size in sizes(batch)]
    assert sorted(set(found)) == [1, 2, 3]
    assert sum(found) == len(data.validation)


def test_thinned_validation_sees_whole_groups_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.training.datamodule._MAX_VALIDATION_WINDOWS", 4)
    panel = grouped(sine_panel(6, 90, noise=0.1), [0, 0, 0, 1, 1, 1])
    config = with_model(channels="group")
    config = config.model_copy(update={"split": config.split.model_copy(update={"num_validation_folds": 3})})
    data = data_of(panel, config)
    assert 3 <= len(data.validation) <= 12
    assert {size for batch in data.validation_batches() for size in sizes(batch)} == {3}


@pytest.mark.parametrize(
    ("steps", "batch_size", "most"), [(5, 16, 1024), (100, 32, 1600), (100, 128, 4096), (1000, 128, 4096)]
)
def test_validation_takes_less_time_than_training(steps: int, batch_size: int, most: int) -> None:
    config = with_training(steps_per_validation=steps, batch_size=batch_size)
    split = config.split.model_copy(update={"num_validation_folds": 300})
    data = data_of(sine_panel(3, 2500), config.model_copy(update={"split": split}))
    assert len(data.validation) == most


@pytest.mark.parametrize("num_parts", [1, 3])
def test_processes_share_the_windows_of_each_step(num_parts: int) -> None:
    alone = data_of(PANEL, with_training(batch_size=18))
    shared = with_training(batch_size=18, num_processes=2, accumulate_batches=num_parts)
    processes = [data_of(PANEL, shared, process) for process in range(2)]
    whole = step_of(alone, 3).context
    parts = [data.parts(data.sampler().addresses(3), 3)[process::2] for process, data in enumerate(processes)]
    assert [len(own) for own in parts] == [num_parts, num_parts]
    together = sorted((part for own in parts for part in own), key=lambda part: part.number)
    assert torch.equal(torch.cat([part.batch.context for part in together]), whole)


@pytest.mark.parametrize("num_processes", [1, 2, 5])
def test_processes_share_validation_and_each_has_a_batch(num_processes: int) -> None:
    panel = panel_of(PANEL.target(0), PANEL.target(1), PANEL.target(2))
    config = with_training(num_processes=num_processes)
    everything = sum(int(batch.target_observed.sum()) for batch in data_of(panel, with_training()).val_dataloader())
    shares = [list(data_of(panel, config, process).val_dataloader()) for process in range(num_processes)]
    assert all(shares)
    assert sum(int(batch.target_observed.sum()) for share in shares for batch in share) == everything


def test_a_network_that_sees_groups_trains_on_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = with_model(with_training(accumulate_batches=2, max_steps=6, steps_per_validation=3), channels="group")
    result = fit(WIDE, config, tmp_path_factory.mktemp("groups"))
    assert np.isfinite(result.facts.validation_loss)


@pytest.mark.parametrize(("horizon", "min_context", "expected"), [(6, None, 6), (20, None, 12), (6, 3, 3)])
def test_a_training_window_shows_as_much_as_it_asks_for_unless_told_otherwise(
    horizon: int, min_context: int | None, expected: int
) -> None:
    config = with_training(with_model(horizon=horizon), min_context=min_context)
    assert shortest_context(config.model, config.training) == expected
