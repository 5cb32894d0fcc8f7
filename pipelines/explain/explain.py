"""Explanations as files: the tables of `forecaster.explain` as CSV, and one picture of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray
from forecaster.config import TableConfig
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError
from forecaster.explain import ExplainConfig, Explanation, explain
from forecaster.predictor import Predictor
from forecaster.types import Forecast
from pipelines.config import Environment, SourceConfig
from pipelines.errors import SourceError
from pipelines.explain.figure import draw_explanation
from pipelines.loading import load_for
from pipelines.references import load_reference
from pipelines.zero_shot import load_unseen

PICTURE = "explanation.png"


@dataclass(frozen=True)
class Asked:
    """Whose forecast is explained, and which step of it, from 1 on; None: the mean over the horizon."""

    series: str
    step: int | None = None


@dataclass(frozen=True)
class Explained:
    """An explanation beside the forecast and the history that it is about."""

    model: str
    digest: str
    explanation: Explanation
    forecast: Forecast  # of this series alone
    history: FloatArray  # all of its values, NaN where missing
    times: pd.Index  # of the history

    def summary(self) -> dict[str, Any]:
        """Gives what was found, JSON-safe."""
        found = self.explanation
        return {
            "model": self.model,
            "digest": self.digest,
            "series": found.series_id,
            "step": found.step,
            "forecast": found.forecast,
            "flat_forecast": found.flat_forecast,
            "faithful": {
                "occlusion": found.occlusion.faithfulness.holds,
                "gradients": found.gradients.faithfulness.holds,
            },
        }

    def lines(self) -> list[str]:
        """Gives the same as text."""
        found = self.explanation
        what = "mean over the horizon" if found.step is None else f"step {found.step}"
        lines = [
            f"model       {self.model} ({self.digest})",
            f"forecast    {found.forecast:.6g}, {what} of series {found.series_id!r}",
            f"flat        {found.flat_forecast:.6g}, for a context that stays at its level",
        ]
        for method, told in (("occlusion", found.occlusion), ("gradients", found.gradients)):
            test = told.faithfulness
            verdict = "faithful" if test.holds else "NOT faithful"
            moved = f"hiding its top {test.num_hidden} moves the forecast by {test.top_change:.4g}"
            lines.append(f"{method:11} {verdict}: {moved}, random ones by {test.random_change:.4g}")
        return lines


def explain_series(
    environment: Environment, reference: str, source: SourceConfig, table: TableConfig, asked: Asked
) -> Explained:
    """Explains the forecast of one series of a table by a registered version or a bundle folder."""
    if asked.step is not None and asked.step < 1:
        raise ConfigError(f"--step counts from 1, got {asked.step}")
    if reference == ZERO_SHOT:
        unseen = load_unseen(source, table)
        bundle, panel, name = unseen.bundle, unseen.loaded.panel, ZERO_SHOT
    else:
        model = load_reference(environment, reference)
        bundle, panel, name = model.bundle, load_for([model.bundle], source, table).panel, model.name
    predictor, position = bundle.predictor, panel.position(asked.series)
    return Explained(
        name,
        bundle.digest,
        explain(predictor, panel, position, config=ExplainConfig(step=asked.step)),
        _forecast(predictor, panel, position),
        panel.target(position),
        panel.axis.show(panel.starts[position], int(panel.lengths[position])),
    )


def check_folder(folder: Path) -> None:
    """Raises SourceError where an explanation could not be written to `folder`, before any work is done."""
    try:
        exists, has_parent = folder.exists(), folder.parent.is_dir()
    except OSError as error:
        raise SourceError(f"output folder {str(folder)[:80]} cannot be one: {error.strerror}") from error
    if exists:
        raise SourceError(f"output folder {folder} exists already: name a new one")
    if not has_parent:
        raise SourceError(f"the folder of output folder {folder} does not exist")


def write_explanation(explained: Explained, folder: Path) -> None:
    """Writes tokens, patches, steps, attention and faithfulness as CSV, and the picture, all or nothing."""
    check_folder(folder)
    found = explained.explanation
    tables = {
        "tokens": found.token_frame(),
        "patches": found.patch_frame(),
        "steps": found.step_frame(),
        "attention": found.attention_frame(),
        "faithfulness": found.faithfulness_frame(),
    }
    try:
        with tempfile.TemporaryDirectory(prefix=".forecaster-", dir=folder.parent) as draft_folder:
            draft = Path(draft_folder) / folder.name
            draft.mkdir()
            for name, table in tables.items():
                table.to_csv(draft / f"{name}.csv", index=False)
            draw_explanation(found, explained.forecast, pd.Series(explained.history, explained.times), draft / PICTURE)
            draft.rename(folder)
    except OSError as error:
        raise SourceError(f"output folder {folder} cannot be written: {error.strerror}") from error


def _forecast(predictor: Predictor, panel: Panel, position: int) -> Forecast:
    """Gives the forecast of one series, made in the company that it has in the panel."""
    company = np.flatnonzero(panel.group_numbers == panel.group_numbers[position])
    made = predictor.predict(panel.select(company))
    place = int(np.flatnonzero(company == position)[0])
    own = slice(place, place + 1)
    return Forecast(made.series_ids[own], made.axis, made.starts[own], made.levels, made.values[own])
