"""Config -> pretrained network, resumable: a broken run and a whole one end in the same weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from forecaster.config.pretraining import PretrainingConfig
from forecaster.errors import TrainingError
from forecaster.model.network import Network
from forecaster.training.averaging import MovingAverage
from forecaster.training.callbacks import last_checkpoint, process_settings, progress_bar, quiet_lightning
from forecaster.training.checkpoints import LAST, WholeCheckpoints, claim, loaded
from forecaster.training.module import VALIDATION_LOSS
from forecaster.training.precision import lightning_precision
from forecaster.training.pretraining.module import PretrainingModule, SyntheticDataModule


@dataclass(frozen=True)
class Pretraining:
    """What a pretraining gives."""

    network: Network  # the averaged weights of the last step, on the CPU
    num_steps: int
    validation_loss: float


def pretrain(
    config: PretrainingConfig, folder: Path, *, callbacks: Sequence[Callback] = (), show_progress: bool = False
) -> Pretraining:
    """Trains a network on synthetic windows for `max_steps`; `folder` keeps its checkpoints, and is gone on from.

    On a GPU if there is one. Raises TrainingError when `folder` belongs to another config, and when the loss does not
    stay finite.
    """
    claim(folder, config.model_dump_json(indent=2))
    with quiet_lightning(), process_settings(config.seed, config.num_threads):
        module = PretrainingModule(Network(config.model), config)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        checkpoint = folder / LAST if (folder / LAST).exists() else None
        trainer = _trainer(config, folder, [MovingAverage(config.ema_decay), *callbacks], show_progress)
        data = SyntheticDataModule(config, device)
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        network, num_steps = loaded(config.model, folder / LAST)
    loss = _kept_loss(folder / LAST)
    if not math.isfinite(loss):
        rate = config.learning_rate
        raise TrainingError(f"the validation loss ended at {loss}; try a learning_rate below {rate}", code="not-finite")
    return Pretraining(network, num_steps, loss)


def _kept_loss(path: Path) -> float:
    return float(torch.load(path, map_location="cpu", weights_only=True)[VALIDATION_LOSS])


def _trainer(config: PretrainingConfig, folder: Path, callbacks: list[Callback], show_progress: bool) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=math.ceil(config.max_steps / config.steps_per_validation),
        num_sanity_val_steps=0,
        precision=lightning_precision(config.precision),
        callbacks=[*progress_bar(show_progress), *callbacks, last_checkpoint(folder)],
        plugins=[WholeCheckpoints()],
        logger=False,
        default_root_dir=folder,
        enable_model_summary=False,
        enable_progress_bar=show_progress,
        deterministic=True,
        accelerator="auto",
        devices=1,
    )
