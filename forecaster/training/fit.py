"""Panel + config -> trained predictor: one network or several, in one process or several, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from pytorch_lightning.callbacks import Callback

from forecaster.config import ForecasterConfig
from forecaster.counts import refuse_unfit
from forecaster.data.covariates import covariate_config
from forecaster.data.panel import Panel
from forecaster.data.splits import Split, split_panel
from forecaster.errors import ConfigError
from forecaster.manifest import TrainingFacts
from forecaster.predictor import Predictor
from forecaster.time.calendar import calendar_columns, default_calendar
from forecaster.time.cycles import cycles_of
from forecaster.training.augmentation import check_augmentations
from forecaster.training.calibrating import learn_calibration
from forecaster.training.callbacks import process_settings, progress_bar, quiet_lightning
from forecaster.training.checkpoints import claim
from forecaster.training.cluster import ALONE, Place, launched
from forecaster.training.member import Job, Member, member_data, train_member
from forecaster.training.memory import refuse_too_large
from forecaster.training.start import Start, scratch
from forecaster.training.workers import workers


@dataclass(frozen=True)
class FitResult:
    """A trained predictor with the facts of its training."""

    predictor: Predictor  # the weights with the lowest validation loss, calibrated if the config says so
    validated: Predictor  # the same before any of it was fitted on the validation folds, uncalibrated
    config: ForecasterConfig  # resolved
    split: Split
    facts: TrainingFacts


def resolve(panel: Panel, config: ForecasterConfig) -> ForecasterConfig:
    """Gives the config with every default that depends on the data filled in.

    ConfigError where a setting contradicts such a default.
    """
    frequency = panel.axis.frequency
    try:
        model = config.model.resolved(cycles_of(frequency), int(panel.lengths.max()))
    except ValidationError as error:
        reasons = "; ".join(found["msg"].removeprefix("Value error, ") for found in error.errors())
        raise ConfigError(f"model settings that were left out do not go with those given: {reasons}") from error
    calendar = default_calendar(frequency) if model.calendar == "auto" else ()
    covariates = model.covariates
    if covariates.is_empty:
        covariates = covariate_config(panel, calendar, model.holidays)
    elif (calendar or model.holidays is not None) and not covariates.calendar:
        shown = {"calendar": calendar_columns(calendar, panel.axis, model.holidays), "holidays": model.holidays}
        covariates = covariates.model_copy(update=shown)
    if covariates.calendar:
        clock = {"timezone": model.covariates.timezone or panel.axis.timezone}
        covariates = covariates.model_copy(update=clock)
    model = model.model_copy(update={"covariates": covariates})
    return ForecasterConfig(model=model, training=config.training, split=config.split)


def fit(
    panel: Panel,
    config: ForecasterConfig,
    folder: Path,
    *,
    start: Start | None = None,
    callbacks: Sequence[Callback] = (),
    show_progress: bool = False,
    place: Place = ALONE,
) -> FitResult:
    """Trains one network or several on the training part of `panel`, from scratch by default; gives their best weights.

    `folder` keeps the checkpoints: when it holds some of the same panel, config and start, training resumes there
    and ends in the same weights as an unbroken run. Raises SeriesError when the series are too short or have values
    that the model cannot take in, ConfigError for settings that contradict a default and for augmentations that do not
    suit the model, TrainingError when the memory does not suffice, when the loss does not become finite, when `start`
    is of another architecture, or when `folder` belongs to another fit.

    With the `place` that a launcher gave it, the process trains with those that it started beside this one, which are
    in `train_along`.
    """
    config, start = resolve(panel, config), start or scratch()
    check_augmentations(config.training.augmentations, config.model)
    start.check(config.model)
    refuse_unfit(panel, config.model)
    refuse_too_large(config, panel)
    claim(folder, _identity(panel, config, start))
    num_threads = _threads_per_process(config, place)
    job = Job(panel, config, folder, start.facts)
    with quiet_lightning(), process_settings(config.training.seed, num_threads):
        with workers(job, num_threads, place) as own:
            shown = [*callbacks, *progress_bar(show_progress)]
            members = [train_member(job, number, own, start, shown) for number in range(config.training.num_members)]
        return _result(job, members)


def train_along(panel: Panel, config: ForecasterConfig, folder: Path, place: Place, start: Start | None = None) -> None:
    """Trains along with the first process of a launcher's group, which is in `fit` of the same; keeps nothing.

    `folder` is that of the first process: machines that train together share it. Raises what `fit` raises.
    """
    config, start = resolve(panel, config), start or scratch()
    job = Job(panel, config, folder, start.facts)
    num_threads = _threads_per_process(config, place)
    with quiet_lightning(), process_settings(config.training.seed, num_threads), launched(place):
        for number in range(config.training.num_members):
            train_member(job, number, place)


def _result(job: Job, members: list[Member]) -> FitResult:
    """Puts the members together, and learns the calibration of what they say together."""
    panel, config = job.panel, job.config
    validated = [member.network for member in members]
    data = member_data(panel, config, config.training)
    calibration = learn_calibration(validated, data) if config.training.calibration == "conformal" else None
    split = split_panel(panel, config.model.horizon, config.split)
    predictor = Predictor([member.refitted for member in members], panel.axis.frequency, calibration)
    before = Predictor(validated, panel.axis.frequency)
    return FitResult(predictor, before, config, split, _facts(job, split, members))


def _threads_per_process(config: ForecasterConfig, place: Place) -> int:
    num_sharing = 1 if place.is_launched else config.training.num_processes  # a launcher has shared them out
    return config.training.num_threads or max(1, torch.get_num_threads() // num_sharing)


def fit_key(panel: Panel, config: ForecasterConfig, start: Start | None = None) -> str:
    """Gives a name that only fits of the same data, config and start share: 16 hex digits."""
    return hashlib.sha256(_identity(panel, resolve(panel, config), start or scratch()).encode()).hexdigest()[:16]


def _identity(panel: Panel, config: ForecasterConfig, start: Start) -> str:
    identity = {
        "config": config.model_dump(mode="json"),
        "data": panel.fingerprint(),
        "start": start.facts.model_dump(mode="json"),
    }
    return json.dumps(identity, indent=2)


def _facts(job: Job, split: Split, members: list[Member]) -> TrainingFacts:
    panel, config = job.panel, job.config
    seen = panel.axis.frequency.advance(panel.starts, split.seen_ends - 1)
    tested = np.zeros(len(panel), dtype=bool)
    for fold in split.test:
        tested[fold.series] = True
    used_up = np.flatnonzero(~tested & tested.any())
    return TrainingFacts(
        data_fingerprint=panel.fingerprint(),
        target_fingerprint=panel.target_fingerprint(),
        num_series=len(panel),
        frequency=panel.axis.frequency.alias,
        timezone=panel.axis.timezone,
        horizon=config.model.horizon,
        cutoff=str(seen[tested].max() if tested.any() else seen.max()),
        latest=str(seen.max()),
        used_up=tuple(panel.series_ids[position] for position in used_up),
        split=config.split,
        start=job.start,
        num_steps=max(member.num_steps for member in members),
        validation_loss=float(np.mean([member.validation_loss for member in members])),
        correction_share=float(np.mean([member.correction_share for member in members])),
    )
