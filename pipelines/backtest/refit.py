"""The training of a registered version, done again for each fold on what that fold may see."""

from __future__ import annotations

import ast
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from pydantic import ValidationError

from forecaster.bundle import Bundle
from forecaster.config import ForecasterConfig, TrainingConfig
from forecaster.data.covariates import NO_COVARIATES
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold
from forecaster.errors import ConfigError, SeriesError
from forecaster.predictor import Predictor
from forecaster.training.fit import fit, fit_key
from pipelines.errors import RegistryError
from pipelines.registry import Version
from pipelines.tracking import registry_errors

log = logging.getLogger("pipelines.backtest")

_TRAINING = "training."


@dataclass(frozen=True)
class Refit:
    """Trains a version again as it was trained, from scratch, fold by fold."""

    version: Version
    config: ForecasterConfig  # with no test folds: what a fold may see is all trained and validated on
    folder: Path  # of checkpoints, by which a fold that was broken off goes on

    def fitted(self, visible: Panel, fold: Fold) -> Predictor:
        """Trains on what a fold may see; raises what `forecaster.training.fit.fit` raises, and says for which fold."""
        # Columns that only other models of the comparison read would else be taken for this one's.
        panel = replace(visible, covariates=NO_COVARIATES) if self.config.model.covariates.is_empty else visible
        log.info("refit_begun", extra={"fields": {"version": str(self.version), "fold": fold.number}})
        checkpoints = self.folder / fit_key(panel, self.config)
        try:
            result = fit(panel, self.config, checkpoints)
        except SeriesError as error:
            message = f"{self.version} trained again for fold {fold.number}: {error}"
            raise SeriesError(message, code=error.code) from error
        shutil.rmtree(checkpoints, ignore_errors=True)
        return result.predictor


def refit_of(client: MlflowClient, version: Version, bundle: Bundle, folder: Path) -> Refit:
    """Gives the refit of a version, by the settings that its run has recorded.

    ConfigError for a version that was begun from another one, whose weights may have seen what follows the folds;
    RegistryError where its run is gone or does not tell how it was trained.
    """
    start = bundle.facts.start.kind
    if start != "scratch":
        raise ConfigError(
            f"{version} cannot be refitted for each fold: its training ({start}) began with weights that may have seen "
            "what the folds hold. Backtest it without --refit"
        )
    split = bundle.facts.split.model_copy(update={"num_test_folds": 0})
    training = _training(client, version)
    return Refit(version, ForecasterConfig(model=bundle.config.model, training=training, split=split), folder)


def _training(client: MlflowClient, version: Version) -> TrainingConfig:
    with registry_errors():
        run_id = client.get_model_version(version.name, str(version.number)).run_id
        parameters: Mapping[str, str] = client.get_run(run_id).data.params if run_id else {}
    settings = {
        name.removeprefix(_TRAINING): _value(text) for name, text in parameters.items() if name.startswith(_TRAINING)
    }
    if not settings:
        raise RegistryError(f"the run of {version} does not say how it was trained, so it cannot be refitted")
    try:
        return TrainingConfig(**settings)
    except ValidationError as error:
        found = error.errors()[0]
        raise RegistryError(
            f"the run of {version} has the parameter {_TRAINING}{'.'.join(map(str, found['loc']))} = "
            f"{str(found['input'])[:40]!r}, which this version of the software does not know: {found['msg']}"
        ) from error


def _value(text: str) -> Any:
    """Gives the value that was logged as a text: numbers, lists, None and booleans; texts stay as they are."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
