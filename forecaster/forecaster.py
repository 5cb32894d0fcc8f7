"""`Forecaster`: fit and predict on a pandas table, the short way through the library."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from forecaster.baselines import SeasonalNaive
from forecaster.bundle import Bundle, load_bundle, save_bundle
from forecaster.config import ForecasterConfig, ModelConfig, TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.splits import rolling_origin
from forecaster.errors import BundleError, ConfigError, RequestError
from forecaster.evaluation import Evaluation, evaluate, evaluate_refitted, on_common_windows
from forecaster.leakage import unseen_folds
from forecaster.manifest import TrainingFacts
from forecaster.predictor import Predictor
from forecaster.pretrained import (
    CalibratedOnHistory,
    calibrated,
    context_for,
    encoder_for,
    fine_tunable,
    pretrained_encoder,
)


class Forecaster:
    """A transformer fitted on one table of series, forecasting that table or another of the same frequency.

        model = Forecaster(horizon=24).fit(frame)
        forecast = model.predict()

    `table` says how tables are laid out (default: long `unique_id, ds, y`, or wide); `config` holds all
    other settings, and `horizon` is a short form for the one that always has to be chosen.
    """

    def __init__(
        self, horizon: int | None = None, *, config: ForecasterConfig | None = None, table: TableConfig | None = None
    ) -> None:
        self.config = config or ForecasterConfig()
        if horizon is not None:
            try:
                model = ModelConfig(**{**self.config.model.model_dump(exclude_unset=True), "horizon": horizon})
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise ConfigError(f"horizon {str(horizon)[:40]!r} cannot be forecast: {reason}") from error
            self.config = self.config.model_copy(update={"model": model})
        self.table = table or TableConfig()
        self._predictor: Predictor | None = None
        self._facts: TrainingFacts | None = None
        self._panel: Panel | None = None

    def fit(
        self,
        frame: pd.DataFrame,
        *,
        future: pd.DataFrame | None = None,
        static: pd.DataFrame | None = None,
        from_pretrained: bool = False,
        show_progress: bool = False,
    ) -> Self:
        """Trains on the table. Needs the `train` extra; raises DataError where the table is not usable.

        `static` holds one row per series, and fills what static columns of the table leave open; `future` the known
        columns after its last rows, for a later `predict()`.
        With `from_pretrained` the encoder that ships with the library is trained further, at a tenth of the rate and
        in its own shape but for the settings that the config names; TrainingError where those do not fit its weights.
        """
        from forecaster.training.fit import fit  # the trainer is imported only by those who train
        from forecaster.training.start import fine_tune

        panel = read_panel(frame, self.table, future=future, static=static).panel
        config, start = self.config, None
        if from_pretrained:
            config = config.model_copy(update={"model": fine_tunable(config.model)})
            start = fine_tune(pretrained_encoder())
        with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
            result = fit(panel, config, Path(folder), start=start, show_progress=show_progress)
        self._predictor = result.predictor
        self._facts = result.facts
        self._panel = panel
        return self

    def predict(
        self,
        frame: pd.DataFrame | None = None,
        *,
        future: pd.DataFrame | None = None,
        static: pd.DataFrame | None = None,
        horizon: int | None = None,
        levels: Sequence[float] | None = None,
        roll_out: bool = False,
    ) -> pd.DataFrame:
        """Forecasts the steps after the end of each series of `frame` (default: the table of `fit`).

        A model with known covariates needs them for those steps in `future`. Gives one row per series and step: id,
        timestamp and one column per quantile level ('0.1', '0.5', ...). Raises RequestError for a level outside
        the model's range, and for a longer horizon than the model's unless `roll_out` lets it go on from its own
        forecasts.
        """
        panel = self._read(frame, future, static)
        predictor = self._suited(panel)
        if self._learns_intervals:
            predictor = calibrated(predictor, panel)
        forecast = predictor.predict(panel, horizon, levels, roll_out=roll_out)
        time_column = self.table.time_column or "ds"
        return forecast.to_frame(self.table.id_column, time_column)

    def backtest(
        self, frame: pd.DataFrame | None = None, *, static: pd.DataFrame | None = None, num_folds: int | None = None
    ) -> dict[str, Evaluation]:
        """Evaluates the model and the seasonal naive on the same last folds: {'model': ..., 'seasonal_naive': ...}.

        Windows that one of them cannot forecast, as it sees no value there, count for neither.
        `static` holds one row per series of `frame`, for a model that reads such a table. By default there are as many
        folds as training kept back (`config.split.num_test_folds`). A series is left out of folds that training has
        seen of it; raises LeakageError where that leaves nothing. What it has seen of each is known on its very table;
        of any other, some or another order of those series among them, all up to its latest time counts as seen.
        """
        panel = self._read(frame, static=static)
        predictor, split = self._suited(panel), self.config.split
        wanted = _checked_folds(split.num_test_folds if num_folds is None else num_folds)
        assert self._facts is not None, "set together with the predictor"
        folds = unseen_folds(panel, rolling_origin(panel, predictor.horizon, wanted, split.step), self._facts)
        naive = SeasonalNaive(panel.axis.frequency.season_length)
        if self._learns_intervals:
            own = evaluate_refitted(CalibratedOnHistory(predictor), panel, folds, predictor.levels)
        else:
            own = evaluate(predictor, panel, folds, predictor.levels)
        beside = evaluate(naive, panel, folds, predictor.levels)
        return on_common_windows({"model": own, "seasonal_naive": beside}, panel)

    def save(self, folder: str | Path) -> str:
        """Writes the model as a bundle to a new folder; gives its digest.

        BundleError where the folder exists already or cannot be written.
        """
        predictor = self._fitted()
        assert self._facts is not None, "set together with the predictor"
        shown = repr(str(folder)[:80])
        if "\0" in str(folder):
            raise BundleError(f"bundle folder {shown} cannot be written: no path holds a null character")
        try:
            return save_bundle(Path(folder), predictor, self._facts)
        except OSError as error:
            raise BundleError(f"bundle folder {shown} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, folder: str | Path, *, table: TableConfig | None = None) -> Self:
        """Loads and verifies a bundle; raises BundleError where it is incomplete or changed."""
        bundle: Bundle = load_bundle(Path(folder))
        facts = bundle.manifest.training
        model = cls(config=ForecasterConfig(model=bundle.config.model, split=facts.split), table=table)
        model._predictor, model._facts = bundle.predictor, facts
        return model

    @classmethod
    def pretrained(cls, frame: pd.DataFrame, *, horizon: int | None = None, table: TableConfig | None = None) -> Self:
        """Gives a model that forecasts this table, or others of its frequency, without any training.

        It is the encoder that ships with the library, trained on synthetic series alone. Its horizon is 64 steps
        unless a shorter one is given; `predict` rolls it out on request. Its intervals are made wider or narrower by
        its errors in the past of the series that it forecasts, where these are long enough. It looks back as far as
        the table that is forecast reaches, up to what it was trained for. Covariates are not read.
        Raises DataError where the table is not usable, and ConfigError for a longer horizon.
        """
        model = cls(horizon, table=table)
        panel = read_panel(frame, model.table).panel
        wanted = None if horizon is None else model.config.model.horizon
        bundle = encoder_for(panel.axis.frequency, int(panel.lengths.max()), horizon=wanted)
        model.config = ForecasterConfig(model=bundle.config.model, split=model.config.split)
        model._predictor, model._facts, model._panel = bundle.predictor, bundle.facts, panel
        return model

    def _fitted(self) -> Predictor:
        if self._predictor is None:
            raise RequestError(
                "this Forecaster has no weights yet: call fit(), load() or pretrained() first", code="not-fitted"
            )
        return self._predictor

    def _suited(self, panel: Panel) -> Predictor:
        """Gives the predictor; the encoder in the box looks back further where the series of a panel are longer."""
        predictor = self._fitted()
        if not self._learns_intervals or self._facts != pretrained_encoder().facts:
            return predictor
        network, context = predictor.network, context_for(int(panel.lengths.max()))
        if context <= network.context_length:
            return predictor
        config = network.config
        longer = network.reshaped(context_length=context, horizon=config.horizon, lags=config.resolved_lags)
        return Predictor(longer, predictor.frequency, predictor.calibration)

    @property
    def _learns_intervals(self) -> bool:
        """Whether their width is told by the history of what is forecast: of such series training has seen none."""
        return self._facts is not None and self._facts.is_synthetic

    def _read(
        self, frame: pd.DataFrame | None, future: pd.DataFrame | None = None, static: pd.DataFrame | None = None
    ) -> Panel:
        predictor = self._fitted()
        if frame is not None:
            table = self.table.expecting(predictor.frequency.alias, predictor.network.config.covariates)
            return read_panel(frame, table, future=future, static=static).panel
        if future is not None or static is not None:
            raise RequestError("`future` and `static` belong to a table: pass it too", code="no-data")
        if self._panel is None:
            raise RequestError("a loaded model holds no data: pass the table to forecast", code="no-data")
        return self._panel


def _checked_folds(num_folds: int) -> int:
    is_whole = isinstance(num_folds, int | np.integer) and not isinstance(num_folds, bool)
    if not is_whole or num_folds < 1:
        raise ConfigError(f"a backtest needs 1 fold or more, a whole number, got {num_folds!r:.40}")
    return int(num_folds)
