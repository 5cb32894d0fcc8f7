"""Tables and the pretrained encoder, which is of no frequency and needs no registry: MLflow is not even imported."""

from __future__ import annotations

from dataclasses import dataclass, replace

from forecaster.bundle import Bundle
from forecaster.config import TableConfig
from forecaster.pretrained import ZERO_SHOT, calibrated, encoder_for, pretrained_encoder
from forecaster.time.frequency import Frequency
from pipelines.config import SourceConfig
from pipelines.loading import LoadedPanel, load
from pipelines.prediction import Prediction, Wanted, predicted


@dataclass(frozen=True)
class Unseen:
    """Series that no model was trained on, and the encoder as it suits them."""

    loaded: LoadedPanel
    bundle: Bundle


def predict_unseen(source: SourceConfig, table: TableConfig, wanted: Wanted) -> Prediction:
    """Forecasts each series of the source, of any frequency, without any training. Covariates are not read.

    Intervals are as wide as its errors in the past of the series want them, where they are long enough.
    """
    unseen = load_unseen(source, table, wanted.horizon)
    predictor = calibrated(unseen.bundle.predictor, unseen.loaded.panel)
    return predicted(ZERO_SHOT, replace(unseen.bundle, predictor=predictor), unseen.loaded, table, wanted)


def load_unseen(source: SourceConfig, table: TableConfig, horizon: int | None = None) -> Unseen:
    """Reads a table, and fits the encoder to its frequency, and to a horizon within its own."""
    loaded = load(source, table)
    return Unseen(loaded, encoder_within(loaded.panel.axis.frequency, int(loaded.panel.lengths.max()), horizon))


def encoder_within(frequency: Frequency, longest: int, horizon: int | None) -> Bundle:
    """Gives the encoder for series of a frequency, `longest` steps long at most, and a horizon cut to its own."""
    within = None if horizon is None else min(horizon, pretrained_encoder().config.model.horizon)
    return encoder_for(frequency, longest, horizon=within)
