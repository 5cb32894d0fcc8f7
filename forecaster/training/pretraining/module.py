"""The Lightning module of pretraining: one network, reshaped for each part of a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from forecaster.config.cycles import Cycles
from forecaster.config.pretraining import PretrainingConfig
from forecaster.model.network import Network
from forecaster.training.module import TRAINING_LOSS, VALIDATION_LOSS, parameter_groups
from forecaster.training.pretraining.loss import relative_loss
from forecaster.training.pretraining.schedule import rate_factor
from forecaster.training.pretraining.windows import SyntheticPart, SyntheticWindows


class PretrainingModule(pl.LightningModule):
    """Minimises the mean loss of the parts of a step with AdamW under `rate_factor`."""

    member = 0  # there is one network only

    def __init__(self, network: Network, config: PretrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self._shapes: dict[tuple[int, int, Cycles], Network] = {}

    def on_train_batch_start(self, batch: list[SyntheticPart], batch_idx: int) -> None:
        """Seeds dropout from (seed, step), so that a resumed run draws what an unbroken one would have."""
        torch.manual_seed(self.config.seed * 2**31 + self.global_step)

    def training_step(self, batch: list[SyntheticPart], batch_idx: int) -> torch.Tensor:
        """Gives the loss of a step, the mean over its parts."""
        loss = torch.stack([self._loss(part) for part in batch]).mean()
        self.log(TRAINING_LOSS, loss.detach(), on_step=False, on_epoch=True, batch_size=1)
        return loss

    def validation_step(self, batch: SyntheticPart, batch_idx: int) -> None:
        """Logs the loss of the windows of one frequency."""
        self.log(VALIDATION_LOSS, self._loss(batch), prog_bar=True, batch_size=1)

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

    def _loss(self, part: SyntheticPart) -> torch.Tensor:
        return relative_loss(self._network_for(part), part.batch, part.cycles.season)

    def _network_for(self, part: SyntheticPart) -> Network:
        """Gives the network in the shape of a part; those of a block of steps are kept, as they return in each step."""
        shape = (part.context_length, part.horizon, part.cycles)
        if shape not in self._shapes:
            if len(self._shapes) >= self.config.num_orders:
                self._shapes.clear()
            self._shapes[shape] = self.network.reshaped(
                context_length=part.context_length, horizon=part.horizon, lags=part.cycles.lags
            )
        return self._shapes[shape].train(self.training)


class SyntheticDataModule(pl.LightningDataModule):
    """The steps of an epoch, from the trainer's current one on, and the windows to validate on."""

    def __init__(self, config: PretrainingConfig, device: torch.device | str) -> None:
        super().__init__()
        self.config, self.windows = config, SyntheticWindows(config, device)

    def train_dataloader(self) -> DataLoader[list[SyntheticPart]]:
        """Gives the steps of one epoch."""
        return DataLoader(_Steps(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[SyntheticPart]:
        """Gives the windows to validate on, the same at every epoch."""
        return DataLoader(self.windows.validation(), batch_size=None)  # type: ignore[arg-type]


class _Steps(IterableDataset[list[SyntheticPart]]):
    def __init__(self, source: SyntheticDataModule) -> None:
        self.source = source

    def __iter__(self) -> Iterator[list[SyntheticPart]]:
        trainer, config = self.source.trainer, self.source.config
        first = trainer.global_step if trainer is not None else 0
        for step in range(first, min(first + config.steps_per_validation, config.max_steps)):
            yield self.source.windows.step(step)
