"""What jobs there are, and how each is understood and answered: as the route of the same name does at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers
from starlette.responses import Response

from service.answers.asked import R
from service.answers.endpoint import Encode, Read, rolling_asked, rolling_response
from service.answers.endpoints import ANOMALIES, BACKTEST
from service.answers.forecast import Write, answered
from service.app_state import Service
from service.ledger.giving import Sent
from service.requests.asked import Asked, FindModel, understood
from service.requests.media import JSON
from service.tables.writing import written

KindName = Literal["forecast", "backtest", "anomalies"]

# Bodies are kept as JSON, whatever they were sent as.
_HEADERS = Headers()
_AS_SENT = {"headers": [(b"content-type", JSON.encode())], "query_string": b""}


@dataclass(frozen=True)
class Understood:
    """A job whose request can be answered: what it costs, and by what it is answered."""

    points: int
    horizon: int
    num_rows: int  # windows that it takes, or about so many
    answer: Callable[[Service], Awaitable[Response]]


Understand = Callable[[Service, bytes, str, float], Awaitable[Understood]]  # the body, whose it is, and until when


ReadForecast = Callable[[Service, Headers, bytes, float, FindModel], Asked]


def forecasting(read: ReadForecast, write: Write, *, is_kept: bool) -> Understand:
    """Gives how jobs for a forecast are understood, in whatever words; `is_kept` where the ledger takes them."""

    async def understand(service: Service, body: bytes, owner: str, expires: float) -> Understood:
        async def ask(find: FindModel) -> Asked:
            return await asyncio.to_thread(read, service, _HEADERS, body, expires, find)

        asked = await service.finetuned.asking(service.offered, owner, expires, ask)
        if asked.request.samples is not None:
            asked.predictor.checked_templates()

        async def answer(by: Service) -> Response:
            return await answered(by, asked, JSON, write, Sent(_AS_SENT, body) if is_kept else None)

        return Understood(asked.num_points, asked.question.horizon, asked.num_series, answer)

    return understand


def rolling(read: Read[R], encode: Encode[R]) -> Understand:
    """Gives how jobs for a rolling forecast are understood, in whatever words."""

    async def understand(service: Service, body: bytes, owner: str, expires: float) -> Understood:
        asked = await rolling_asked(service, _HEADERS, body, owner, expires, read)

        async def answer(by: Service) -> Response:
            return await rolling_response(by, asked, encode, expires)

        question = asked.question
        return Understood(asked.cost_points, question.horizon, question.num_windows, answer)

    return understand


def _understood(service: Service, headers: Headers, body: bytes, expires: float, find: FindModel) -> Asked:
    return understood(headers, body, expires, service.settings, find)


KINDS: dict[str, Understand] = {
    "forecast": forecasting(_understood, written, is_kept=True),
    "backtest": rolling(BACKTEST.read, BACKTEST.encode),
    "anomalies": rolling(ANOMALIES.read, ANOMALIES.encode),
}
