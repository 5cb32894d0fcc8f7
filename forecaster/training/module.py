"""The Lightning module: step, log and optimiser around a network that knows nothing of Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from forecaster.config import TrainingConfig
from forecaster.model.network import Network
from forecaster.training.schedule import rate_factor
from forecaster.types import WindowBatch

VALIDATION_LOSS = "validation_loss"
TRAINING_LOSS = "training_loss"


class ForecastModule(pl.LightningModule):
    """Minimises the head's loss over windows with AdamW under `rate_factor`."""

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def on_train_batch_start(self, batch: WindowBatch, batch_idx: int) -> None:
        """Seeds dropout from (seed, step), so that a resumed run draws what an unbroken one would have."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: WindowBatch, batch_idx: int) -> torch.Tensor:
        """Gives the loss of one batch."""
        loss = self.network.loss(batch)
        self.log(TRAINING_LOSS, loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.context))
        return loss

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> None:
        """Logs the loss of one batch of validation windows."""
        # Weighted by observed targets, so that the mean over batches is the mean over targets.
        num_targets = max(1, int(batch.target_observed.sum()))
        self.log(VALIDATION_LOSS, self.network.loss(batch), prog_bar=True, batch_size=num_targets)

    def configure_optimizers(self) -> Any:
        """Gives AdamW with weight decay on matrices only, and the schedule, stepped every batch."""
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, self.config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
