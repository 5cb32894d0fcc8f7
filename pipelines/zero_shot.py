"""Tables and the pretrained encoder, which is of no frequency and needs no registry: MLflow is not even imported."""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.bundle import Bundle
from forecaster.config import TableConfig
from forecaster.pretrained import ZERO_SHOT, encoder_for
from pipelines.config import SourceConfig
from pipelines.loading import LoadedPanel, load
from pipelines.prediction import Prediction, Wanted, predicted


@dataclass(frozen=True)
class Unseen:
    """Series that no model was trained on, and the encoder as it suits them."""

    loaded: LoadedPanel
    bundle: Bundle


def predict_unseen(source: SourceConfig, table: TableConfig, wanted: Wanted) -> Prediction:
    """Forecasts each series of the source, of any frequency, without any training. Covariates are not read."""
    unseen = load_unseen(source, table)
    return predicted(ZERO_SHOT, unseen.bundle, unseen.loaded, table, wanted)


def load_unseen(source: SourceConfig, table: TableConfig) -> Unseen:
    """Reads a table, and fits the encoder to its frequency."""
    loaded = load(source, table)
    return Unseen(loaded, encoder_for(loaded.panel.axis.frequency, int(loaded.panel.lengths.max())))
