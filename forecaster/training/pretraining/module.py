"""The Lightning module of pretraining: one network, reshaped for each part of a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, IterableDataset

from forecaster.config.pretraining import PretrainingConfig
from forecaster.model.network import Network
from forecaster.training.module import TRAINING_LOSS, VALIDATION_LOSS, parameter_groups
from forecaster.training.pretraining.schedule import rate_factor
from forecaster.training.pretraining.step_loss import LossOfSteps, relative_loss
from forecaster.training.pretraining.windows import SyntheticPart, SyntheticWindows


class PretrainingModule(pl.LightningModule):
    """Minimises the mean loss of the parts of a step with AdamW under `rate_factor`."""

    member = 0  # there is one network only

    def __init__(self, network: Network, config: PretrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self._loss = LossOfSteps(network)

    def on_train_batch_start(self, batch: list[SyntheticPart], batch_idx: int) -> None:
        """Seeds dropout from (seed, step), so that a resumed run draws what an unbroken one would have."""
        torch.manual_seed(self.config.seed * 2**31 + self.global_step)

    def training_step(self, batch: list[SyntheticPart], batch_idx: int) -> torch.Tensor:
        """Gives the loss of a step, the mean over its parts."""
        loss = self._loss(batch)
        self.log(TRAINING_LOSS, loss.detach(), on_step=False, on_epoch=True, batch_size=1)
        return loss

    def validation_step(self, batch: SyntheticPart, batch_idx: int) -> None:
        """Logs the loss of the windows of one frequency."""
        loss = relative_loss(self.network, batch)(batch.batch)
        self.log(VALIDATION_LOSS, loss, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        """Gives AdamW with weight decay on matrices only, and the schedule, stepped every batch."""
        groups = parameter_groups(self, self.config.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, betas=(0.9, 0.98), fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, self.config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        """Clips the norm of the gradient, here because Lightning refuses to for a fused optimiser under bfloat16."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the last validation loss beside the weights: a run that is over has no other."""
        checkpoint[VALIDATION_LOSS] = float(self.trainer.callback_metrics[VALIDATION_LOSS])


class SyntheticDataModule(pl.LightningDataModule):
    """The steps from the trainer's current one on, and the windows to validate on."""

    def __init__(self, config: PretrainingConfig, device: torch.device | str) -> None:
        super().__init__()
        self.config, self.device, self.windows = config, device, SyntheticWindows(config)
        self._steps: Iterator[list[SyntheticPart]] | None = None

    def train_dataloader(self) -> DataLoader[list[SyntheticPart]]:
        """Gives the steps of each epoch."""
        return DataLoader(_Epoch(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[SyntheticPart]:
        """Gives the windows to validate on, the same at every epoch."""
        return DataLoader(self.windows.validation(), batch_size=None)  # type: ignore[arg-type]

    def next_steps(self, num_steps: int) -> Iterator[list[SyntheticPart]]:
        """Gives the windows of the next steps, which workers go on making while an epoch ends and another begins."""
        if self._steps is None:
            self._steps = self._steps_from(self.trainer.global_step if self.trainer is not None else 0)
        return islice(self._steps, num_steps)

    def teardown(self, stage: str) -> None:
        """Ends the workers."""
        self._steps = None

    def _steps_from(self, first: int) -> Iterator[list[SyntheticPart]]:
        config = self.config
        block, done = divmod(first, config.steps_per_block)
        blocks = range(block, math.ceil(config.max_steps / config.steps_per_block))
        made = DataLoader(
            _Blocks(self.windows),
            batch_size=None,
            sampler=blocks,
            num_workers=config.num_workers,
            multiprocessing_context="spawn" if config.num_workers else None,  # a fork would share a GPU's state
        )
        steps = chain.from_iterable(self.windows.steps_of([part.to(self.device) for part in parts]) for parts in made)
        return islice(steps, done, done + config.max_steps - first)


class _Epoch(IterableDataset[list[SyntheticPart]]):
    def __init__(self, source: SyntheticDataModule) -> None:
        self.source = source

    def __iter__(self) -> Iterator[list[SyntheticPart]]:
        return self.source.next_steps(self.source.config.steps_per_validation)


@dataclass(frozen=True)
class _Blocks(Dataset[list[SyntheticPart]]):
    windows: SyntheticWindows

    def __getitem__(self, number: int) -> list[SyntheticPart]:
        return self.windows.block(number)
