"""The Lightning module: step, log and optimiser around a network that knows nothing of Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer

from forecaster.config import TrainingConfig
from forecaster.model.network import Network
from forecaster.training.compiling import compiled
from forecaster.training.parts import Part, num_targets
from forecaster.training.schedule import rate_factor
from forecaster.types import WindowBatch

VALIDATION_LOSS = "validation_loss"
TRAINING_LOSS = "training_loss"


class ForecastModule(pl.LightningModule):
    """Minimises the head's loss over windows with AdamW under `rate_factor`; `member` is its number in an ensemble."""

    def __init__(self, network: Network, config: TrainingConfig, member: int = 0) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.member: int = member
        self._training_loss = compiled(network.loss) if config.compile else network.loss

    def on_train_batch_start(self, batch: Part, batch_idx: int) -> None:
        """Seeds dropout from (seed, step, part), so that a resumed run draws what an unbroken one would have."""
        seed = self.config.seed * 1_000_003 + self.global_step + batch.number * 2**51
        torch.manual_seed(seed % 2**63)

    def training_step(self, batch: Part, batch_idx: int) -> torch.Tensor:
        """Gives the loss of one part of a step, weighted so that the mean over parts is the loss of the step."""
        loss = self._training_loss(batch.batch) * batch.weight
        self.log(TRAINING_LOSS, loss.detach(), on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
        return loss

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> None:
        """Logs the loss of one batch of validation windows."""
        # Weighted by the targets that it is the mean of, so that the mean over batches is the mean over targets.
        count = int(num_targets(batch, self.network.config.scaling).sum())
        loss = self.network.loss(batch)
        self.log(VALIDATION_LOSS, loss, prog_bar=True, batch_size=count, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Gives AdamW with weight decay on matrices only, and the schedule, stepped every batch."""
        groups = parameter_groups(self, self.config.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, self.config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        """Clips the norm of the gradient, here because Lightning refuses to for a fused optimiser under bfloat16."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip)


def parameter_groups(module: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Gives the weights that are trained as an optimiser takes them: matrices decay, the others do not."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
