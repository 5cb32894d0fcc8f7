"""What the log is told once at the start, however many processes answer."""

from __future__ import annotations

import logging

from service.settings import unknown_variables

log = logging.getLogger("service.edge.start")


def warn_of_unknown_variables() -> None:
    """Names in one line the variables FORECASTER_... that nobody reads: a setting may be mistyped."""
    found = unknown_variables()
    if found:
        log.warning("settings_unknown", extra={"fields": {"variables": found}})
