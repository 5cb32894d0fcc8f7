"""The Lightning datamodule: batches of windows as a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytorch_lightning as pl
from torch.utils.data import DataLoader, IterableDataset

from forecaster.config import TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Split
from forecaster.data.windows import WindowAddresses, WindowIndex, Windows, WindowSampler, training_windows
from forecaster.errors import SeriesError
from forecaster.types import WindowBatch

# Validation looks at no more windows than this, evenly spread over series and cutoffs.
_MAX_VALIDATION_WINDOWS = 4096


class WindowDataModule(pl.LightningDataModule):
    """Training windows drawn at random, validation windows in order.

    One Lightning epoch is `steps_per_validation` steps long, the last one ends at `max_steps`. The batch of a
    step depends on the seed and the step alone, so a run that is resumed at an epoch sees what an unbroken
    one would have seen.
    """

    def __init__(self, panel: Panel, split: Split, context_length: int, horizon: int, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.windows = Windows(panel, context_length, horizon)
        self.training = training_windows(panel, horizon, split.training_ends, min_context=1)
        self.validation = _validation_windows(panel, split)
        self.num_disjoint = sum(len(fold.series) for fold in split.validation)
        if self.training.num_windows == 0:
            raise SeriesError(
                f"no series is long enough to train on: {int(panel.lengths.max())} steps at most, of which "
                f"{int((panel.lengths - split.training_ends).max())} are kept for validation and test; "
                f"a window needs a target of {horizon} steps and history before it",
                code="too-short",
            )

        if not any(batch.target_observed.any() for batch in self.val_dataloader()):
            raise SeriesError("no value is observed in the validation folds of any series", code="nothing-to-validate")

    def train_dataloader(self) -> DataLoader[WindowBatch]:
        """Gives the batches of one epoch, from the trainer's current step on."""
        sampler = WindowSampler(self.training, self.config.batch_size, self.config.seed)
        return DataLoader(_TrainingBatches(self, sampler), batch_size=None)

    def val_dataloader(self) -> DataLoader[WindowBatch]:
        """Gives all validation windows in batches."""
        return DataLoader(_ValidationBatches(self), batch_size=None)


class _TrainingBatches(IterableDataset[WindowBatch]):
    def __init__(self, source: WindowDataModule, sampler: WindowSampler) -> None:
        self.source = source
        self.sampler = sampler

    def __iter__(self) -> Iterator[WindowBatch]:
        trainer = self.source.trainer
        first = trainer.global_step if trainer is not None else 0
        config = self.source.config
        for step in range(first, min(first + config.steps_per_validation, config.max_steps)):
            yield self.source.windows.gather(self.sampler.addresses(step))


class _ValidationBatches(IterableDataset[WindowBatch]):
    def __init__(self, source: WindowDataModule) -> None:
        self.source = source

    def __iter__(self) -> Iterator[WindowBatch]:
        addresses = self.source.validation
        size = self.source.config.batch_size
        for begin in range(0, len(addresses.series), size):
            part = slice(begin, begin + size)
            yield self.source.windows.gather(WindowAddresses(addresses.series[part], addresses.cutoffs[part]))


def _validation_windows(panel: Panel, split: Split) -> WindowAddresses:
    """Gives every cutoff from the first validation fold to the last, thinned evenly to a bounded number."""
    first = np.full(len(panel), np.iinfo(np.int64).max)
    last = np.full(len(panel), -1)
    for fold in split.validation:
        np.minimum.at(first, fold.series, fold.cutoffs)
        np.maximum.at(last, fold.series, fold.cutoffs)
    first = np.where(last < 0, 0, first)
    index = WindowIndex(first, last)
    wanted = min(index.num_windows, _MAX_VALIDATION_WINDOWS)
    chosen = np.linspace(0, index.num_windows - 1, wanted).round().astype(np.int64)
    return index.locate(chosen)
