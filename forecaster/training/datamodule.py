"""The Lightning datamodule: batches of windows as a pure function of (seed, step)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from forecaster.config import ModelConfig, TrainingConfig
from forecaster.data.batches import batches_of
from forecaster.data.companies import Companies
from forecaster.data.panel import Panel
from forecaster.data.sampling import GroupSampler, Sampler, WindowSampler, WindowWeights
from forecaster.data.splits import Split
from forecaster.data.windows import WindowAddresses, WindowIndex, Windows, training_windows
from forecaster.errors import SeriesError
from forecaster.training.augmentation import augmented
from forecaster.training.parts import Part, cut_parts, num_targets
from forecaster.types import WindowBatch

# Validation looks at no more windows than this, evenly spread over series and cutoffs.
_MAX_VALIDATION_WINDOWS = 4096
# Nor at more than half as many as were trained on since the last one, so that training is most of the work, but at
# this many at least: with fewer, chance would choose the weights.
_FEW_VALIDATION_WINDOWS = 1024


class WindowDataModule(pl.LightningDataModule):
    """Training windows drawn at random, validation windows in order.

    One Lightning epoch is `steps_per_validation` steps long, the last one ends at `max_steps`. The windows of a
    step depend on the seed and the step alone, so a run that is resumed at an epoch sees what an unbroken one
    would have seen, and processes that share a step agree on it without a word.
    """

    def __init__(
        self, panel: Panel, split: Split, model: ModelConfig, training: TrainingConfig, process: int = 0
    ) -> None:
        super().__init__()
        self.model, self.config, self.process = model, training, process
        self.windows = Windows.for_model(panel, model)
        self.whole_groups = panel.is_grouped and model.channels == "group"
        shortest = shortest_context(model, training)
        self.training = training_windows(panel, model.horizon, split.training_ends, shortest)
        self.seen = training_windows(panel, model.horizon, split.seen_ends, shortest)  # the validation folds included
        self.validation = _validation_windows(panel, split, _most_windows(training), whole_groups=self.whole_groups)
        if self.training.num_windows == 0:
            raise SeriesError(
                f"no series is long enough to train on: {int(panel.lengths.max())} steps at most, of which "
                f"{int((panel.lengths - split.training_ends).max())} are kept for validation and test; "
                f"a window needs a target of {model.horizon} steps and history before it",
                code="too-short",
            )
        if not any(num_targets(batch, model.scaling).any() for batch in self.validation_batches()):
            raise SeriesError(
                "no value is observed in the validation folds of any series whose history before them varies",
                code="nothing-to-validate",
            )

    def train_dataloader(self) -> DataLoader[Part]:
        """Gives the parts of one epoch that this process computes, from the trainer's current step on."""
        return DataLoader(_TrainingParts(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[WindowBatch]:
        """Gives the batches of validation windows that this process computes."""
        return DataLoader(_ValidationBatches(self), batch_size=None)

    def sampler(self) -> Sampler:
        """Gives what draws the windows of a step."""
        config = self.config
        weights = WindowWeights(config.series_weighting == "series", config.recency_half_life)
        if not self.whole_groups:
            return WindowSampler(self.training, config.batch_size, config.seed, weights)
        companies = Companies(self.windows.panel, self.training)
        num_parts = config.accumulate_batches * config.num_processes
        num_draws = max(num_parts, int(config.batch_size / companies.mean_size))
        return GroupSampler(WindowSampler(self.training, num_draws, config.seed, weights), companies)

    def parts(self, addresses: WindowAddresses, step: int) -> list[Part]:
        """Gives the windows of a step, augmented and cut into the parts of all processes."""
        config = self.config
        batch = augmented(self.windows.gather(addresses), config.augmentations, config.seed, step)
        num_parts = config.accumulate_batches * config.num_processes
        return cut_parts(batch, num_parts, self.model.scaling, whole_groups=self.whole_groups)

    def validation_batches(self) -> Iterator[WindowBatch]:
        """Yields all validation windows in batches, one of them or more for each process."""
        addresses, num_processes = self.validation, self.config.num_processes
        size = min(self.config.batch_size, math.ceil(len(addresses) / num_processes))
        batches = batches_of(self.windows.panel, addresses, size)
        for places in batches:
            yield self.windows.gather(addresses.at(places))
        for _ in range(num_processes - len(batches)):
            batch = self.windows.gather(addresses.at(slice(1)))
            yield replace(batch, target_observed=torch.zeros_like(batch.target_observed))


class _TrainingParts(IterableDataset[Part]):
    def __init__(self, source: WindowDataModule) -> None:
        self.source = source
        self.sampler = source.sampler()

    def __iter__(self) -> Iterator[Part]:
        trainer = self.source.trainer
        first = trainer.global_step if trainer is not None else 0
        config, process = self.source.config, self.source.process
        for step in range(first, min(first + config.steps_per_validation, config.max_steps)):
            parts = self.source.parts(self.sampler.addresses(step), step)
            yield from parts[process :: config.num_processes]


class _ValidationBatches(IterableDataset[WindowBatch]):
    def __init__(self, source: WindowDataModule) -> None:
        self.source = source

    def __iter__(self) -> Iterator[WindowBatch]:
        return islice(self.source.validation_batches(), self.source.process, None, self.source.config.num_processes)


def _most_windows(training: TrainingConfig) -> int:
    trained_on = training.steps_per_validation * training.batch_size
    return min(_MAX_VALIDATION_WINDOWS, max(_FEW_VALIDATION_WINDOWS, trained_on // 2))


def shortest_context(model: ModelConfig, training: TrainingConfig) -> int:
    """Gives the fewest visible steps of a training window, of a series that has them."""
    if training.min_context is not None:
        return training.min_context
    return max(1, min(model.horizon, (model.context_length or 2) // 2))


def _validation_windows(panel: Panel, split: Split, most: int, *, whole_groups: bool) -> WindowAddresses:
    """Gives every cutoff from the first validation fold to the last, thinned evenly to `most` windows.

    With `whole_groups` a cutoff is there for all series of its group, or for none.
    """
    first = np.full(len(panel), np.iinfo(np.int64).max)
    last = np.full(len(panel), -1)
    for fold in split.validation:
        np.minimum.at(first, fold.series, fold.cutoffs)
        np.maximum.at(last, fold.series, fold.cutoffs)
    first = np.where(last < 0, 0, first)
    index = WindowIndex(first, last)
    if not whole_groups:
        return index.thinned(most)
    companies = Companies(panel, index)
    return companies.completed(index.thinned(max(1, int(most / companies.mean_size))))
