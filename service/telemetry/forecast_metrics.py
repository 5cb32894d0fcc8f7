"""What forecasts cost and where their time goes, by model and version; and how shadows stand apart from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

from forecaster.ledger.finetuned_names import PREFIX, is_finetuned
from service.compute.engine import Given
from service.compute.work import Work
from service.errors import ClientGone, DeadlineExceeded
from service.models.view import ServedModel

if TYPE_CHECKING:
    from service.telemetry.spans import Spans

_LABELS = ["model", "version"]
_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class _OfVersion:
    """The metrics of one version, looked up once: a look-up for each request costs more than the count."""

    series: Counter
    queue: Histogram
    compute: Histogram
    serialise: Histogram
    rows: Histogram


class ForecastMetrics:
    """Counts forecasts and observes their stages; `spans` are told of them too."""

    def __init__(self, registry: CollectorRegistry, spans: Spans | None = None) -> None:
        self._spans = spans

        def stage(name: str, meaning: str) -> Histogram:
            return Histogram(f"forecaster_{name}_seconds", meaning, _LABELS, buckets=_SECONDS, registry=registry)

        self._series = Counter("forecaster_series", "Series forecast.", _LABELS, registry=registry)
        self._queue = stage("queue", "Time that a request's series waited for the inference thread.")
        self._compute = stage("compute", "Time of the forward passes that answered a request.")
        self._serialise = stage("serialise", "Time to write a reply.")
        self._rows = Histogram(
            "forecaster_batch_rows", "Series in a forward pass.", _LABELS, buckets=_ROWS, registry=registry
        )
        self._degraded = Counter(
            "forecaster_series_degraded", "Series that a fallback answered.", [*_LABELS, "reason"], registry=registry
        )
        discarded = Counter(
            "forecaster_discarded_rows",
            "Series that were computed although nobody waited for them any more.",
            ["reason"],
            registry=registry,
        )
        self._discarded = {reason: discarded.labels(reason) for reason in (ClientGone.code, DeadlineExceeded.code)}
        self._not_kept = Counter(
            "forecaster_not_kept", "Forecasts that were answered without an id.", ["reason"], registry=registry
        )
        self._shadows = Counter(
            "forecaster_shadows", "Requests that also went to a challenger.", [*_LABELS, "outcome"], registry=registry
        )
        self._distance = Histogram(
            "forecaster_shadow_distance",
            "Mean distance of the challenger's quantiles, as a share of the width of the answer that was given.",
            _LABELS,
            buckets=_SHARES,
            registry=registry,
        )
        self._versions: dict[tuple[str, str], _OfVersion] = {}

    def count(self, model: ServedModel, num_series: int, given: Given, serialise_seconds: float) -> None:
        """Counts series that were forecast, and observes where the time went."""
        of = self._of(model)
        of.series.inc(num_series)
        of.queue.observe(given.stages.queue)
        of.compute.observe(given.stages.compute)
        of.serialise.observe(serialise_seconds)
        of.rows.observe(given.stages.batch_rows)
        if given.degraded is not None:
            self._degraded.labels(*_labels(model), given.degraded).inc(num_series)
        if self._spans is not None:
            self._spans.tell(model, given, serialise_seconds)

    def count_not_kept(self, reason: str) -> None:
        """Counts a forecast that the ledger should have and has not, by the reason."""
        self._not_kept.labels(reason).inc()

    def count_discarded(self, work: Work) -> None:
        """Counts the rows of a work that was computed for nobody, by why its client did not wait."""
        reason = ClientGone.code if work.outcome.cancelled() else DeadlineExceeded.code
        self._discarded[reason].inc(work.task.num_rows)

    def count_shadow(self, challenger: ServedModel, outcome: str, distance: float | None = None) -> None:
        """Counts a shadow by its outcome: answered, dropped, or the code of what went wrong."""
        self._shadows.labels(*_labels(challenger), outcome).inc()
        if distance is not None:
            self._distance.labels(*_labels(challenger)).observe(distance)

    def _of(self, model: ServedModel) -> _OfVersion:
        labels = _labels(model)
        if labels not in self._versions:
            stages = (self._queue, self._compute, self._serialise, self._rows)
            self._versions[labels] = _OfVersion(
                self._series.labels(*labels), *(metric.labels(*labels) for metric in stages)
            )
        return self._versions[labels]


def _labels(model: ServedModel) -> tuple[str, str]:
    """Gives name and version; fine-tuned models, whose names clients choose, count as one."""
    if is_finetuned(model.reference.name):
        return f"{PREFIX}*", ""
    return model.reference.name, model.reference.version
