"""What jobs there are, and how each is understood and answered: as the route of the same name does at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.responses import Response

from service.answers.asked import RollingAsked
from service.answers.endpoint import AnswerEndpoint
from service.app_state import Service
from service.ledger.giving import Sent
from service.requests.asked import Asked, FindModel, understood
from service.requests.media import JSON
from service.requests.writing import written
from service.routes.anomalies import ENDPOINT as ANOMALIES
from service.routes.backtest import ENDPOINT as BACKTEST
from service.routes.forecast import answered

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


async def _forecast(service: Service, body: bytes, owner: str, expires: float) -> Understood:
    async def ask(find: FindModel) -> Asked:
        return await asyncio.to_thread(understood, _HEADERS, body, expires, service.settings, find)

    asked = await service.finetuned.asking(service.models, owner, expires, ask)
    if asked.request.samples is not None:
        asked.predictor.checked_templates()

    async def answer(by: Service) -> Response:
        return await answered(by, asked, JSON, written, Sent(_AS_SENT, body))

    return Understood(asked.num_points, asked.question.horizon, asked.num_series, answer)


def _rolling(endpoint: AnswerEndpoint[Any]) -> Understand:
    async def understand(service: Service, body: bytes, owner: str, expires: float) -> Understood:
        async def ask(find: FindModel) -> RollingAsked[Any]:
            return await asyncio.to_thread(endpoint.understand, _HEADERS, body, service.settings, find)

        asked = await service.finetuned.asking(service.models, owner, expires, ask)

        async def answer(by: Service) -> Response:
            return await endpoint.answered(by, asked, expires)

        question = asked.question
        return Understood(asked.cost_points, question.horizon, question.num_windows, answer)

    return understand


KINDS: dict[KindName, Understand] = {
    "forecast": _forecast,
    "backtest": _rolling(BACKTEST),
    "anomalies": _rolling(ANOMALIES),
}
