"""What of this dialect is answered later: each task as a kind of job, whose bytes are those of the answer at once."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import orjson

from forecaster.ledger.finetune_order import FINETUNE
from service.app_state import Service
from service.dialects.timegpt import replies, translation
from service.dialects.timegpt.bodies import OfJobs
from service.errors import InvalidFields
from service.jobs.kinds import Understand, Understood, forecasting, rolling
from service.requests.asked import Asked
from service.requests.body import validated
from service.requests.reply import Answer
from service.settings import Settings

TaskName = Literal["forecast", "cross_validation", "anomaly_detection"]
AnyTask = Literal[TaskName, "finetune"]

_OPTIONS = "job_options"

KIND_OF: dict[AnyTask, str] = {
    "forecast": "timegpt-forecast",
    "cross_validation": "timegpt-windows",
    "anomaly_detection": "timegpt-online",  # the SDK has a job for the search among the last values alone, by this name
    "finetune": FINETUNE,
}


async def written(asked: Asked, answer: Answer, _: str) -> tuple[bytes, dict[str, str]]:
    """Gives the reply to a forecast, and no headers."""
    return await asyncio.to_thread(replies.forecast, asked, answer), {}


def _limited(understand: Understand) -> Understand:
    """Lets a request say how long its job may take."""

    async def limited(service: Service, body: bytes, owner: str, expires: float) -> Understood:
        bare, seconds = await asyncio.to_thread(_split, body, service.settings)
        ends = expires if seconds is None else min(expires, time.monotonic() + seconds)
        return await understand(service, bare, owner, ends)

    return limited


def _split(body: bytes, settings: Settings) -> tuple[bytes, int | None]:
    """Gives a body without the options of its job, and the seconds that they give it."""
    if f'"{_OPTIONS}"'.encode() not in body:
        return body, None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body, None  # whoever reads it says what is wrong
    if not (isinstance(document, dict) and _OPTIONS in document):
        return body, None
    options = validated(OfJobs, {_OPTIONS: document.pop(_OPTIONS)}, settings).job_options
    seconds = None if options is None else options.timeout_seconds
    if seconds is not None and seconds > settings.job_seconds:
        longest = f"at most {settings.job_seconds:g} are allowed"
        raise InvalidFields.of(f"{_OPTIONS}.timeout_seconds", f"{seconds}, {longest}")
    return orjson.dumps(document), seconds


KINDS: dict[str, Understand] = {
    KIND_OF["forecast"]: _limited(forecasting(translation.forecast_asked, written, is_kept=False)),
    KIND_OF["cross_validation"]: _limited(rolling(translation.cross_validation_asked, replies.cross_validation)),
    KIND_OF["anomaly_detection"]: _limited(rolling(translation.online_asked, replies.online_anomalies)),
}
