"""Panel + config -> trained network: builds module, datamodule and trainer, and keeps the best weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from forecaster.bundle import TrainingFacts
from forecaster.config import ForecasterConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Split, split_panel
from forecaster.errors import TrainingError
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.training.calibrating import learn_calibration
from forecaster.training.callbacks import ResumableEarlyStopping, process_settings, progress_bar, quiet_lightning
from forecaster.training.datamodule import WindowDataModule
from forecaster.training.module import VALIDATION_LOSS, ForecastModule
from forecaster.training.precision import lightning_precision

_LAST = "last.ckpt"
_CONFIG = "config.json"


@dataclass(frozen=True)
class FitResult:
    """A trained predictor with the facts of its training."""

    predictor: Predictor  # the weights with the lowest validation loss, calibrated if the config says so
    config: ForecasterConfig  # resolved
    split: Split
    facts: TrainingFacts


def resolve(panel: Panel, config: ForecasterConfig) -> ForecasterConfig:
    """Gives the config with every default that depends on the data filled in."""
    model = config.model.resolved(panel.axis.frequency.season_length, int(panel.lengths.max()))
    return ForecasterConfig(model=model, training=config.training, split=config.split)


def fit(
    panel: Panel,
    config: ForecasterConfig,
    folder: Path,
    *,
    callbacks: Sequence[Callback] = (),
    show_progress: bool = False,
) -> FitResult:
    """Trains a network on the training part of `panel` and gives its best weights.

    `folder` keeps the checkpoints: when it holds one of the same panel and config, training resumes there
    and ends in the same weights as an unbroken run. Raises SeriesError when the series are too short,
    TrainingError when the loss does not become finite, or when `folder` belongs to another fit.
    """
    config = resolve(panel, config)
    _claim(folder, _identity(panel, config))
    with quiet_lightning(), process_settings(config.training.seed, config.training.num_threads):
        return _fit(panel, config, folder, [*callbacks, *progress_bar(show_progress)])


def _fit(panel: Panel, config: ForecasterConfig, folder: Path, callbacks: list[Callback]) -> FitResult:
    model, training = config.model, config.training
    split = split_panel(panel, model.horizon, config.split)
    data = WindowDataModule(panel, split, model.context_length or 0, model.horizon, training)
    module = ForecastModule(Network(model), training)
    best = _checkpoints(folder)
    last = folder / _LAST
    trainer = _trainer(config, folder, [*callbacks, best])
    trainer.fit(module, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
    loss = best.best_model_score
    if loss is None or not math.isfinite(loss):
        rate = training.learning_rate
        raise TrainingError(f"the validation loss ended at {loss}; try a learning_rate below {rate}", code="not-finite")
    num_steps = _load_best(module, Path(best.best_model_path))
    network = module.network.eval().cpu()
    calibration = learn_calibration(network, data) if training.calibration == "conformal" else None
    facts = _facts(panel, config, split, num_steps, float(loss))
    return FitResult(Predictor(network, panel.axis.frequency, calibration), config, split, facts)


def _trainer(config: ForecasterConfig, folder: Path, callbacks: list[Callback]) -> pl.Trainer:
    training = config.training
    early = ResumableEarlyStopping(VALIDATION_LOSS, patience=training.patience, check_on_train_epoch_end=False)
    return pl.Trainer(
        # Not max_steps: a run bounded by steps resumes at the end of an epoch that is over, without its metrics.
        max_epochs=math.ceil(training.max_steps / training.steps_per_validation),
        check_val_every_n_epoch=1,
        num_sanity_val_steps=0,
        gradient_clip_val=training.gradient_clip,
        precision=lightning_precision(training.precision),
        callbacks=[early, *callbacks],
        logger=False,
        default_root_dir=folder,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, pl.callbacks.ProgressBar) for c in callbacks),
        deterministic=True,
        accelerator="auto",
        devices=1,
    )


def _checkpoints(folder: Path) -> ModelCheckpoint:
    """Keeps 'best' and 'last', written when an epoch is over, so that a resumed run begins with a whole one."""
    return ModelCheckpoint(
        folder,
        "best",
        monitor=VALIDATION_LOSS,
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def fit_key(panel: Panel, config: ForecasterConfig) -> str:
    """Gives a name that only fits of the same data under the same config share: 16 hex digits."""
    return hashlib.sha256(_identity(panel, resolve(panel, config)).encode()).hexdigest()[:16]


def _identity(panel: Panel, config: ForecasterConfig) -> str:
    return json.dumps({"config": config.model_dump(mode="json"), "data": panel.fingerprint()}, indent=2)


def _claim(folder: Path, claim: str) -> None:
    """Marks `folder` as belonging to this fit, or refuses it when it belongs to another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _CONFIG
    if path.exists() and path.read_text() != claim:
        raise TrainingError(
            f"{folder} holds checkpoints of another config or of other data; take another folder or remove it",
            code="checkpoint-mismatch",
        )
    path.write_text(claim)


def _load_best(module: ForecastModule, path: Path) -> int:
    """Puts the best weights into the module; gives the step they were reached at."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["global_step"])


def _facts(panel: Panel, config: ForecasterConfig, split: Split, num_steps: int, loss: float) -> TrainingFacts:
    seen = panel.axis.frequency.advance(panel.starts, split.seen_ends - 1)
    tested = np.zeros(len(panel), dtype=bool)
    for fold in split.test:
        tested[fold.series] = True
    used_up = np.flatnonzero(~tested & tested.any())
    return TrainingFacts(
        data_fingerprint=panel.fingerprint(),
        num_series=len(panel),
        frequency=panel.axis.frequency.alias,
        timezone=panel.axis.timezone,
        horizon=config.model.horizon,
        cutoff=str(seen[tested].max() if tested.any() else seen.max()),
        latest=str(seen.max()),
        used_up=tuple(panel.series_ids[position] for position in used_up),
        split=config.split,
        num_steps=num_steps,
        validation_loss=loss,
    )
