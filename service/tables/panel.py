"""A table -> the panel of a request, by the door of files.

Rows after the last value of a series are missing values, as anywhere else. For a model with known covariates they are
the steps ahead, and a series ends with its last value.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.config import ModelConfig, TableConfig
from forecaster.data.findings import unknown_categories
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields
from service.requests.covariates import MAX_STATIC
from service.requests.translate import PanelIn, warnings_of
from service.schemas import ForecastOptions
from service.tables.roles import GROUP, ID, TARGET, TIME


def to_panel(frame: pd.DataFrame, options: ForecastOptions, frequency: Frequency | None, model: ModelConfig) -> PanelIn:
    """Gives the panel of a table for a model; `frequency`, the model's, is the default. None: what the times say.

    Every problem is a DataError or InvalidFields that names the column and the first row, counted from 1.
    """
    reading = read_panel(frame, _config(frame, options, frequency, model))
    _refuse_large_statics(reading.panel)
    unknown = unknown_categories(reading.panel, model.covariates.categories)
    return PanelIn(reading.panel, warnings_of([*reading.report.findings, *unknown]))


def _config(
    frame: pd.DataFrame, options: ForecastOptions, frequency: Frequency | None, model: ModelConfig
) -> TableConfig:
    covariates = model.covariates
    asked = Frequency.parse(options.frequency).alias if options.frequency else None
    return TableConfig(
        layout="long",
        id_column=ID,
        time_column=TIME,
        target_column=TARGET,
        frequency=asked,
        expected_frequency=None if asked or frequency is None else frequency.alias,
        timezone=options.timezone,
        past_columns=covariates.past,
        known_columns=covariates.known,
        static_columns=covariates.static,
        category_columns=tuple(covariates.categories),
        group_column=GROUP if model.channels == "group" and GROUP in frame else None,
        ends="value" if covariates.known else "row",
    )


def _refuse_large_statics(panel: Panel) -> None:
    held = panel.covariates
    for place, name in enumerate(held.static_names):
        if (np.abs(held.static[:, place]) > MAX_STATIC).any():
            raise InvalidFields.of(name, f"is beyond +/- {MAX_STATIC:g}")
