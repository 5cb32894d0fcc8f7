"""How following the registry goes, and which versions it has brought."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from service.models.following import Refresh
from service.models.view import ModelsState


class FollowingMetrics:
    """How following the registry goes. Labels are specs of the settings or the registry, and codes of ours."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refreshes = Counter(
            "forecaster_registry_lookups", "Looks at the registry.", ["registry"], registry=registry
        )
        self._swaps = Counter("forecaster_model_swaps", "Versions swapped in.", ["spec"], registry=registry)
        self._failures = Counter(
            "forecaster_model_failures",
            "Versions refused or unavailable, each try.",
            ["spec", "code"],
            registry=registry,
        )
        self._up = Gauge(
            "forecaster_registry_up",
            "1 if the registry answered the last look.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._answered = Gauge(
            "forecaster_registry_last_answer_timestamp_seconds",
            "When the registry last answered, in seconds since 1970; 0: never.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._generation = Gauge(
            "forecaster_model_generation",
            "Grows by one with every swap.",
            ["spec"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._behind = Gauge(
            "forecaster_model_behind",
            "1 if the spec is not as the registry has it.",
            ["spec"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._shown: set[str] = set()  # specs

    def count(self, refresh: Refresh) -> None:
        """Counts the look at the registry and what came of it."""
        self._refreshes.labels(refresh.registry).inc()
        for spec in refresh.swapped:
            self._swaps.labels(str(spec)).inc()
        for spec, code in refresh.failed:
            self._failures.labels(str(spec), code).inc()

    def show(self, state: ModelsState) -> None:
        """Shows the registry, and of each spec what serves and whether it is behind."""
        contact = state.registry
        self._up.set(contact.status == "up")
        self._answered.set(0 if contact.last_success is None else time.time() - (state.at - contact.last_success))
        specs = {str(one.spec) for one in state.specs}
        for gone in self._shown - specs:
            self._behind.labels(gone).set(0)
        self._shown |= specs
        for one in state.specs:
            self._behind.labels(str(one.spec)).set(one.following.problem() is not None)
            if one.served is not None:
                self._generation.labels(str(one.spec)).set(one.served.generation)
