"""What requests for backtests and anomalies look like, and the replies to them."""

from __future__ import annotations

from pydantic import Field

from service.schemas import DataWarning, Interval, ModelOptions, ModelRef, QuantileOptions, Schema, SeriesIn

_MOST = 1_000_000


class RollingRequest(ModelOptions):
    """Series whose known course is forecast from many cutoffs, each forecast seeing what came before it alone."""

    series: list[SeriesIn] = Field(min_length=1, fail_fast=True)
    min_context: int | None = Field(
        None,
        ge=1,
        le=_MOST,
        description="Steps that a forecast must see. Default: two seasons, or what the model looks at if that is less.",
    )

    @property
    def num_points(self) -> int:
        """Numbers of all series together."""
        return sum(series.num_points for series in self.series)


class BacktestRequest(RollingRequest, QuantileOptions):
    """Forecasts of the last steps of each series, or of its whole history, to be scored against what happened."""

    num_windows: int | None = Field(
        None, ge=1, le=_MOST, description="Forecasts of each series; the last one ends where it does. Default: 1."
    )
    step_size: int | None = Field(None, ge=1, le=_MOST, description="Steps between cutoffs. Default: the horizon.")
    history: bool = Field(
        False,
        description="Forecasts the whole history instead, block after block of `horizon` steps, where context allows.",
    )


class AnomalyRequest(RollingRequest):
    """Series whose values are judged by the interval of a forecast that was made before them."""

    level: float = Field(99.0, gt=0.0, le=99.9, description="Central interval, in percent, that is no anomaly.")
    detection_size: int | None = Field(
        None, ge=1, le=_MOST, description="Last steps of each series to judge. Default: all with context enough."
    )
    step_size: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="A forecast is made every so many steps, and judges those up to the next. Default: the model's "
        "horizon, or `detection_size` if that is less.",
    )


class Metrics(Schema):
    """Accuracy of forecasts; null where nothing could be scored. Formulas: `forecaster/metrics/`."""

    mase: float | None = Field(description="Mean error over that of the seasonal naive within what a window sees.")
    smape: float | None = Field(description="In percent, 0 to 200.")
    wql: float | None = Field(
        description="Weighted quantile loss over all levels asked for, those of intervals and the median too."
    )
    coverage: dict[str, float | None] = Field(description="Share of values within each central interval, by percent.")


class Comparison(Schema):
    """The model beside the seasonal naive, on the same windows."""

    model: Metrics
    seasonal_naive: Metrics


class WindowOut(Schema):
    """One forecast, and what happened: as many values as timestamps."""

    cutoff: str | int = Field(description="Timestamp of the last step that the forecast saw.")
    timestamps: list[str] | list[int]
    quantiles: dict[str, list[float]]
    intervals: dict[str, Interval] = Field({}, description="By percent; left out where none were asked for.")
    actual: list[float | None]


class BacktestOut(Schema):
    """The forecasts of one series, the oldest first."""

    id: str
    windows: list[WindowOut]
    metrics: Comparison | None = Field(description="null where there is no window.")
    warnings: list[DataWarning]


class BacktestReply(Schema):
    """Backtests in the order of the request, all by one version of one model."""

    model: ModelRef
    horizon: int
    metrics: Comparison
    series: list[BacktestOut]


class AnomaliesOut(Schema):
    """The judged steps of one series: as many values as timestamps."""

    id: str
    timestamps: list[str] | list[int]
    actual: list[float | None]
    median: list[float]
    lower: list[float]
    upper: list[float]
    anomaly: list[bool] = Field(description="True outside the interval; false for a missing value.")
    score: list[float | None] = Field(
        description="Distance from the median in half widths of the interval on that side: above 1 outside it. At most "
        "a million; null for a missing value."
    )
    accumulated_score: list[float | None] = Field(
        [],
        description="Of all series together at that time, above 1 where that is an anomaly at this level; with "
        "`detection_size` alone.",
    )
    warnings: list[DataWarning]


class AnomalyReply(Schema):
    """Judgements in the order of the request, all by one version of one model."""

    model: ModelRef
    level: float
    extrapolated: bool = Field(
        description="True where the interval reaches beyond the levels that the model was trained for: its ends then "
        "follow the normal distribution through the outermost two of each side."
    )
    series: list[AnomaliesOut]
