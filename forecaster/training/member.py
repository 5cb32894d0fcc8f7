"""Trains one network: builds module, datamodule and trainer, and keeps the best weights."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from forecaster.config import ForecasterConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.errors import TrainingError
from forecaster.manifest import StartFacts
from forecaster.model.network import Network
from forecaster.training import cluster
from forecaster.training.averaging import MovingAverage
from forecaster.training.callbacks import MovableCheckpoint, ResumableEarlyStopping, last_checkpoint
from forecaster.training.checkpoints import LAST, WholeCheckpoints, loaded
from forecaster.training.cluster import Place
from forecaster.training.datamodule import WindowDataModule
from forecaster.training.module import VALIDATION_LOSS, ForecastModule
from forecaster.training.precision import lightning_precision
from forecaster.training.prefit import Prefit, fill_unmet_categories
from forecaster.training.shrinking import best_share
from forecaster.training.start import Start, freeze


@dataclass(frozen=True)
class Job:
    """What a process is to train."""

    panel: Panel
    config: ForecasterConfig  # resolved
    folder: Path  # of the checkpoints
    start: StartFacts

    @cached_property
    def prefit(self) -> Prefit:
        """What all networks of the job take from its windows without a gradient."""
        return Prefit(self.config.model, member_data(self.panel, self.config, self.config.training))


@dataclass(frozen=True)
class Member:
    """A trained network."""

    network: Network  # the weights with the lowest validation loss, on the CPU
    refitted: Network  # those trained on the validation folds too, where the config says so; else its skip alone is
    num_steps: int  # optimiser steps behind them
    validation_loss: float  # the lowest that training has met
    correction_share: float  # of what the encoder adds to its skip; 1 without one


def train_member(
    job: Job, number: int, place: Place, start: Start | None = None, callbacks: list[Callback] | None = None
) -> Member:
    """Trains network `number` of a job with seed + number, or goes on where its checkpoints end.

    Without a `start` the first weights are those that the first process hands over. Raises TrainingError where the
    validation loss does not become finite.
    """
    run = _Run(job, _training_of(job, number), number, place, start)
    best = _train(run, run.folder, run.data, callbacks or [])
    loss = best.best_model_score
    if loss is None or not math.isfinite(loss):
        rate = run.training.learning_rate
        raise TrainingError(f"the validation loss ended at {loss}; try a learning_rate below {rate}", code="not-finite")
    network, num_steps = loaded(job.config.model, Path(best.best_model_path))
    _settle(run, network, run.data)
    share = best_share(network, run.data)
    network.shrink_correction(share)
    refitted = _refit(run, num_steps, share) if run.training.refit else _with_skip_refitted(run, network)
    return Member(network, refitted, num_steps, float(loss), share)


@dataclass(frozen=True)
class _Run:
    """One network in the making."""

    job: Job
    training: TrainingConfig  # of this member
    number: int
    place: Place
    start: Start | None
    refits: bool = False  # True: it is trained once more, with the validation folds

    @cached_property
    def data(self) -> WindowDataModule:
        """The windows to train and to validate on."""
        return member_data(self.job.panel, self.job.config, self.training, self.place)

    @property
    def folder(self) -> Path:
        """Where its checkpoints are."""
        return self.job.folder / f"member-{self.number}"


def _refit(run: _Run, num_steps: int, share: float) -> Network:
    """Trains the same network once more with the validation folds, by a whole schedule of the best number of steps.

    A schedule broken off there would leave weights that still jump about, and no validation to pick from them.
    TrainingError where it does not get to its end in finite numbers.
    """
    training = run.training.model_copy(update={"max_steps": num_steps, "patience": num_steps})
    again = replace(run, training=training, refits=True)
    data = member_data(run.job.panel, run.job.config, training, run.place, with_validation=True)
    folder = run.folder / "refit"
    _train(again, folder, data, [])
    network, num_done = loaded(run.job.config.model, folder / LAST)
    if num_done < num_steps or not all(weight.isfinite().all() for weight in network.parameters()):
        rate = run.training.learning_rate
        message = f"the refit broke down by step {num_done} of {num_steps}; try a learning_rate below {rate}"
        raise TrainingError(message, code="not-finite")
    _settle(run, network, data)
    network.shrink_correction(share)
    return network


def _with_skip_refitted(run: _Run, network: Network) -> Network:
    """Gives the network with a linear skip that has seen the validation folds too; a bundle's keeps what it brought."""
    refitted = copy.deepcopy(network)
    _refit_skip(run, refitted)
    return refitted


def _settle(run: _Run, network: Network, data: WindowDataModule) -> None:
    """Does to trained weights what is left to do: what belongs to them depends on what they began with."""
    if run.start is None:
        return  # another process has it, and gives what has come of it all
    run.start.keep_share(network, run.number)
    if run.start.bundle is None:
        fill_unmet_categories(network, data)


def _refit_skip(run: _Run, network: Network) -> None:
    if run.start is not None and run.start.bundle is None:
        run.job.prefit.refit_skip(network)


def _train(run: _Run, folder: Path, data: WindowDataModule, callbacks: list[Callback]) -> ModelCheckpoint:
    """Trains for the steps of the config; gives what kept the best weights."""
    checkpoint = folder / LAST if (folder / LAST).exists() else None
    torch.manual_seed(run.training.seed)
    network = Network(run.job.config.model)
    if run.start is not None and checkpoint is None:
        run.start.begin(network, run.number, run.job.prefit)
        if run.refits:
            _refit_skip(run, network)
    freeze(network, run.job.start)
    module = ForecastModule(network, run.training, run.number)
    best = _best_checkpoint(folder)
    kept = [best, last_checkpoint(folder)]
    trainer = _trainer(run.training, folder, run.place, [*_averaging(run.training), *callbacks, *kept])
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return best


def member_data(
    panel: Panel,
    config: ForecasterConfig,
    training: TrainingConfig,
    place: Place = cluster.ALONE,
    *,
    with_validation: bool = False,
) -> WindowDataModule:
    """Gives the windows that a network is trained and validated on; `with_validation` trains on the latter too."""
    split = split_panel(panel, config.model.horizon, config.split)
    if with_validation:
        split = replace(split, training_ends=split.seen_ends)
    return WindowDataModule(panel, split, config.model, training, place.number)


def _training_of(job: Job, number: int) -> TrainingConfig:
    """Gives the settings of one member: its own seed, and the rate that its start asks for."""
    training = job.config.training
    rate = training.learning_rate * job.start.learning_rate_factor
    return training.model_copy(update={"seed": training.seed + number, "learning_rate": rate})


def _averaging(training: TrainingConfig) -> list[Callback]:
    return [] if training.ema_decay is None else [MovingAverage(training.ema_decay)]


def _trainer(training: TrainingConfig, folder: Path, place: Place, callbacks: list[Callback]) -> pl.Trainer:
    early = ResumableEarlyStopping(VALIDATION_LOSS, patience=training.patience, check_on_train_epoch_end=False)
    return pl.Trainer(
        # Not max_steps: a run bounded by steps resumes at the end of an epoch that is over, without its metrics.
        max_epochs=math.ceil(training.max_steps / training.steps_per_validation),
        check_val_every_n_epoch=1,
        num_sanity_val_steps=0,
        accumulate_grad_batches=training.accumulate_batches,
        precision=lightning_precision(training.precision),
        callbacks=[early, *callbacks],
        plugins=[WholeCheckpoints()],
        logger=False,
        default_root_dir=folder,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, pl.callbacks.ProgressBar) for c in callbacks),
        deterministic=True,
        accelerator=cluster.accelerator(place),
        strategy=cluster.strategy(place),
        devices=place.num_local,
        num_nodes=place.num_processes // place.num_local,
        use_distributed_sampler=False,
    )


def _best_checkpoint(folder: Path) -> ModelCheckpoint:
    """Keeps 'best', written when an epoch is over; what keeps 'last' comes behind it, and so knows of it."""
    return MovableCheckpoint(
        folder, "best", monitor=VALIDATION_LOSS, save_on_train_epoch_end=True, enable_version_counter=False
    )
