"""Panel -> forecasts: the one door that service, backtest, batch and `Forecaster` go through."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.calibration import Calibration
from forecaster.counts import support_of
from forecaster.data.batches import batches_of
from forecaster.data.origins import Origins
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows
from forecaster.errors import RequestError
from forecaster.known_ahead import refuse_unknown_ahead
from forecaster.model.ensemble import Ensemble, EnsembleOutput, Executor
from forecaster.model.network import Network
from forecaster.model.scaling import unscale, unscale_counts
from forecaster.plain_question import PlainQuestion, PlainSeries
from forecaster.question import PanelQuestion, Question
from forecaster.roll_out import RollOut
from forecaster.rolling import Rolled, RollingQuestion
from forecaster.sample_paths import SamplePaths, draw_paths
from forecaster.support import Support, kept_within
from forecaster.time.frequency import Frequency, frequency_mismatch
from forecaster.types import CovariateBatch, Forecast, WindowBatch

WINDOWS_PER_FORWARD = 256

# A roll-out is refused beyond this many steps: by then nothing of it is a forecast.
MAX_ROLL_OUT = 16_384


class Predictor:
    """A trained network, or several that answer as one, ready to forecast panels of its frequency.

    Holds no state between calls. Several networks answer at each level with the mean of their quantiles,
    rounded where they forecast counts.
    """

    def __init__(
        self, network: Network | Sequence[Network], frequency: Frequency, calibration: Calibration | None = None
    ) -> None:
        self.ensemble: Executor = Ensemble(network)
        self.frequency = frequency
        self.calibration = calibration

    def executed_by(self, executor: Executor) -> Predictor:
        """Gives the same predictor, whose networks another executor computes."""
        other = copy.copy(self)
        other.ensemble = executor
        return other

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks that answer."""
        return self.ensemble.networks

    @property
    def network(self) -> Network:
        """The first of the networks."""
        return self.networks[0]

    @property
    def horizon(self) -> int:
        """Longest horizon the network can forecast, in steps."""
        return self.network.config.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels that the network forecasts when none are asked for, ascending."""
        return self.network.config.levels

    def predict(
        self,
        panel: Panel,
        horizon: int | None = None,
        levels: Sequence[float] | None = None,
        *,
        roll_out: bool = False,
    ) -> Forecast:
        """Forecasts the `horizon` steps (default: the longest) after the end of each series of `panel`.

        With `roll_out` the horizon may be longer than the model's: what it forecasts is fed back to it. Raises
        FrequencyError for a panel of another frequency, SeriesError for a series without a value in its last
        `context_length` steps, ColumnError for a covariate that the panel lacks, and RequestError for a horizon
        beyond the model's, for levels that it cannot give and for covariates not known as far ahead.
        """
        return self.forecast(self.question(panel, horizon, levels, roll_out=roll_out))

    def question(
        self,
        panel: Panel,
        horizon: int | None = None,
        levels: Sequence[float] | None = None,
        *,
        roll_out: bool = False,
    ) -> Question:
        """Checks what `predict` is asked for, and gives it as what can be cut into windows and answered apart.

        Raises what `predict` raises.
        """
        wanted = self._checked_horizon(horizon, roll_out)
        chosen = self._checked_levels(levels)
        self.check_frequency(panel)
        refuse_unknown_ahead(panel, self._known_names(panel), wanted)
        question = PanelQuestion.of(panel, self.network.config, wanted, chosen)
        question.refuse_blind()
        return question

    def plain_question(
        self,
        series: PlainSeries,
        horizon: int | None = None,
        levels: Sequence[float] | None = None,
        *,
        roll_out: bool = False,
    ) -> PlainQuestion:
        """Is `question` for plain series, of a model that `reads_context_alone`.

        Raises what `predict` raises for a horizon, for levels and for another frequency.
        """
        wanted = self._checked_horizon(horizon, roll_out)
        chosen = self._checked_levels(levels)
        self._check_frequency(series.axis.frequency)
        return PlainQuestion.of(series, self.network.config, wanted, chosen)

    def rolling_question(
        self,
        panel: Panel,
        origins: Origins,
        horizon: int | None = None,
        levels: Sequence[float] | None = None,
        *,
        min_context: int | None = None,
    ) -> RollingQuestion:
        """Checks what `rolled` is asked for: `horizon` steps (default: the longest) from each cutoff of `origins`.

        Raises what `predict` raises for a horizon, for levels and for another frequency, and SeriesError where no
        series is long enough.
        """
        wanted, chosen = self._checked_horizon(horizon, None), self._checked_levels(levels)
        self.check_frequency(panel)
        return RollingQuestion.of(panel, self.network.config, origins, wanted, chosen, min_context)

    def rolled(self, question: RollingQuestion) -> Rolled:
        """Answers a rolling question by itself."""
        where = question.addresses
        values = self.forecast_windows(question.panel, where.series, where.cutoffs, question.horizon, question.levels)
        return question.rolled(values)

    def forecast(self, question: Question) -> Forecast:
        """Answers a question by itself, rolled out where it needs to be."""
        blocks = [*self.blocks(question)]
        return question.forecast(blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1))

    def blocks(self, question: Question) -> Iterator[FloatArray]:
        """Yields the answer [S H Q] block after block, H the model's horizon; each is computed when it is asked for."""
        panel, levels = question.to_panel(), question.levels
        yield (plain := self._block(panel, levels))
        if question.needs_roll_out:
            first = plain if levels == self.levels else self._block(panel, self.levels)
            ahead = partial(self._block, levels=self.levels)
            roll_out = RollOut(ahead, self.levels, self.network.context_length, self.support)
            yield from roll_out.further_blocks(panel, first, math.ceil(question.horizon / self.horizon) - 1, levels)

    def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> FloatArray:
        """Gives the quantiles [B H Q] that follow some windows; NaN for a window without an observed value."""
        batch = windows.to(self.ensemble.device)
        quantiles = self.quantiles(batch.context, batch.observed, levels, batch.covariates, batch.groups)
        own = np.asarray(quantiles.cpu().numpy())
        values = kept_within(own, own, self.support)  # the mean of several networks' counts may be none
        seen: BoolArray = np.any(batch.observed.cpu().numpy(), axis=1, keepdims=True)
        return values if seen.all() else np.where(seen[:, :, None], values, np.nan)

    def sample_paths(
        self, panel: Panel, num_paths: int = 100, *, seed: int = 0, horizon: int | None = None
    ) -> SamplePaths:
        """Draws joint scenarios of the `horizon` steps (default: the longest) after the end of each series.

        At each step they follow the forecast's quantiles; from step to step they go together as the actuals of
        validation did. Raises what `predict` raises, and RequestError for a model without rank templates.
        """
        return self.paths_of(self.predict(panel, horizon), num_paths, seed)

    def paths_of(self, forecast: Forecast, num_paths: int, seed: int) -> SamplePaths:
        """Draws joint scenarios from a forecast at the model's own levels; raises what `sample_paths` raises."""
        if num_paths < 1:
            raise RequestError(f"num_paths must be 1 or more, got {num_paths}", code="invalid-num-paths")
        if seed < 0:
            raise RequestError(f"seed must be 0 or more, got {seed}", code="invalid-seed")
        return draw_paths(forecast, self.checked_templates(), num_paths, seed, self.support)

    @property
    def support(self) -> Support:
        """Which values its forecasts have."""
        return support_of(self.network.config)

    def checked_templates(self) -> NDArray[np.float32]:
        """Gives the rank templates that joint scenarios are drawn by; RequestError for a model that has none."""
        templates = None if self.calibration is None else self.calibration.templates
        if templates is None or not len(templates):
            raise RequestError(
                "this model has no rank templates to draw paths by: train it with calibration", code="no-templates"
            )
        return templates

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing only the first `cutoffs[b]` steps of its series.

        Windows of one group and cutoff time see each other if the model lets them. NaN for a window without an
        observed value. Raises FrequencyError for a panel of another frequency.
        """
        self.check_frequency(panel)
        addresses = WindowAddresses(series, cutoffs)
        windows = Windows.for_model(panel, self.network.config, with_target=False)
        values = np.empty((len(series), horizon, len(levels)))
        for places in batches_of(panel, addresses, WINDOWS_PER_FORWARD):
            values[places] = self.answer(windows.gather(addresses.at(places)), levels)[:, :horizon]
        return values

    def quantiles(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        levels: Sequence[float],
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Gives calibrated quantiles [B H Q] float64 of contexts [B L] at ascending levels, H the longest horizon."""
        with torch.inference_mode():
            if tuple(levels) == self.levels:
                own = self.ensemble.own_quantiles(context, observed, covariates, groups)
                if own is not None:
                    return own
            return self.quantiles_of(self.ensemble(context, observed, covariates, groups), levels)

    def quantiles_of(self, output: EnsembleOutput, levels: Sequence[float]) -> torch.Tensor:
        """Gives calibrated quantiles [B H Q] float64 at ascending levels, of what the networks said."""
        scaled = self.calibration.adjusted(output.quantiles, levels) if self.calibration else output.quantiles(levels)
        return (unscale_counts if self.network.head.counts_only else unscale)(scaled, output.scale)

    def _block(self, panel: Panel, levels: tuple[float, ...]) -> FloatArray:
        """Gives the quantiles [S H Q] of the longest plain forecast after the end of each series."""
        return self.forecast_windows(panel, np.arange(len(panel)), panel.lengths, self.horizon, levels)

    def _known_names(self, panel: Panel) -> tuple[str, ...]:
        """Gives the known covariates that the model reads and the panel has; `Windows` refuses one that lacks some."""
        return tuple(name for name in self.network.config.covariates.known if name in panel.covariates.known_names)

    def check_frequency(self, panel: Panel) -> None:
        """Raises FrequencyError for a panel of another frequency than the model's."""
        self._check_frequency(panel.axis.frequency)

    def _check_frequency(self, frequency: Frequency) -> None:
        if frequency != self.frequency:
            raise frequency_mismatch(frequency.alias, self.frequency.alias)

    def _checked_horizon(self, horizon: int | None, roll_out: bool | None) -> int:
        """Gives the horizon, by default that of the model; `roll_out` is None where there can be none."""
        if horizon is None:
            return self.horizon
        if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer):
            raise RequestError(
                f"horizon must be a whole number, got {str(horizon)[:40]!r}", code="horizon-out-of-range"
            )
        longest = MAX_ROLL_OUT if roll_out else self.horizon
        if not 1 <= horizon <= longest:
            what = "the range of a roll-out" if roll_out else "the range this model was trained for"
            further = f"; a roll-out, if one is asked for, goes up to {MAX_ROLL_OUT}" if roll_out is False else ""
            message = f"horizon {horizon} is outside 1..{longest}, {what}{further if horizon > longest else ''}"
            raise RequestError(message, code="horizon-out-of-range")
        return int(horizon)

    def _checked_levels(self, levels: Sequence[float] | None) -> tuple[float, ...]:
        if levels is None:
            return self.levels
        try:
            chosen = tuple(sorted(float(level) for level in levels))
        except (TypeError, ValueError) as error:
            message = f"quantile levels must be numbers, several of them, got {str(levels)[:80]!r}"
            raise RequestError(message, code="invalid-levels") from error
        if not chosen or len(set(chosen)) != len(chosen):
            raise RequestError(f"quantile levels must be given once each, got {list(levels)}", code="invalid-levels")
        low, high = self.network.level_range
        if chosen[0] < low or chosen[-1] > high:
            raise RequestError(
                f"quantile levels {list(chosen)} reach outside {low}..{high}, the range of this model",
                code="level-out-of-range",
            )
        return chosen
