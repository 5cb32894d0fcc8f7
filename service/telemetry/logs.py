"""Logs: one JSON object a line, to standard error."""

from __future__ import annotations

import json
import logging

from service.request_id import current_request_id


class JsonFormatter(logging.Formatter):
    """Gives one JSON object a line: time, level, logger, event, fields, and the type of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line; control characters are escaped by JSON."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **({"request_id": request_id} if (request_id := current_request_id()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging() -> None:
    """Sends all logs of this process to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("mlflow", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
