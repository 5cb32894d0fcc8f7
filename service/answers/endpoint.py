"""The path of a request for a rolling forecast: admission -> body -> schema -> panel -> engine -> scores -> reply.

A plain ASGI endpoint, like that of forecasts. The forward passes are cut into pieces, which share the inference thread
with forecasts and leave room for them in between; all else happens beside the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic

import numpy as np
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from forecaster.rolling import Rolled
from service.access.security import Principal, security_of
from service.answers.asked import R, RollingAsked
from service.answers.timing import server_timing
from service.app_state import Service, service_of
from service.compute.engine import Engine, Given, Stages
from service.errors import DeadlineExceeded
from service.requests.asked import FindModel
from service.requests.body import refuse_all_but_json
from service.requests.connection import arrival, read_body, while_connected
from service.requests.media import JSON
from service.settings import Settings
from service.tables.query import refuse_options

# One thread, so that several large replies leave the event loop and the inference thread their share of the processor.
_SCORING = ThreadPoolExecutor(1, thread_name_prefix="scoring")

Read = Callable[[Service, Headers, bytes, FindModel], RollingAsked[R]]
Encode = Callable[[RollingAsked[R], Rolled], bytes]


class AnswerEndpoint(Generic[R]):
    """Answers requests of one schema: `understand` reads them, `encode` writes what the forecasts say."""

    def __init__(
        self,
        schema: type[R],
        understand: Callable[[Headers, bytes, Settings, FindModel], RollingAsked[R]],
        encode: Encode[R],
    ) -> None:
        self._schema, self._understand, self.encode = schema, understand, encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        refuse_options(scope["query_string"], self._schema)
        response = await rolling_answer(scope, receive, self.read, self.encode)
        await response(scope, receive, send)

    def read(self, service: Service, headers: Headers, body: bytes, find: FindModel) -> RollingAsked[R]:
        """Gives what a body asks; every problem of the caller's making is found here."""
        return self._understand(headers, body, service.settings, find)


async def rolling_answer(scope: Scope, receive: Receive, read: Read[R], encode: Encode[R]) -> Response:
    """Admits, reads, charges and answers one request of JSON, in whatever words `read` and `encode` know."""
    service, headers = service_of(scope), Headers(scope=scope)
    expires = service.admission.expires(headers, arrival(scope))
    refuse_all_but_json(headers)
    with service.admission.admitted(expires):
        body = await read_body(headers, receive, service.settings.max_body_bytes, expires)
        async with while_connected(receive):
            security = security_of(scope)
            principal: Principal = scope["state"]["principal"]
            asked = await rolling_asked(service, headers, body, principal.owner, expires, read)
            security.charge(principal, asked.cost_points, asked.question.horizon)
            return await rolling_response(service, asked, encode, expires)


async def rolling_asked(
    service: Service, headers: Headers, body: bytes, owner: str, expires: float, read: Read[R]
) -> RollingAsked[R]:
    """Gives what a body asks, of a model of everybody or of this owner; raises what `read` and the look-up raise."""

    async def ask(find: FindModel) -> RollingAsked[R]:
        return await asyncio.to_thread(read, service, headers, body, find)

    return await service.finetuned.asking(service.offered, owner, expires, ask)


async def rolling_response(service: Service, asked: RollingAsked[R], encode: Encode[R], expires: float) -> Response:
    """Has the model answer what was understood, and counts that; raises what `Engine.pieces` raises."""
    rolled, stages = await rolled_by(service.engine, asked, expires)
    began = time.perf_counter()
    content = await _encoded(partial(encode, asked, rolled), expires)
    serialise = time.perf_counter() - began
    given = Given(rolled.to_forecast(), stages)
    service.telemetry.forecasts.count(asked.model, asked.question.num_windows, given, serialise)
    return Response(content, media_type=JSON, headers={"Server-Timing": server_timing(stages, serialise)})


async def _encoded(encode: Callable[[], bytes], expires: float) -> bytes:
    work = asyncio.get_running_loop().run_in_executor(_SCORING, encode)
    try:
        return await asyncio.wait_for(work, expires - time.monotonic())
    except TimeoutError:
        message = "the forecasts were not scored and written in the time that the request allows"
        raise DeadlineExceeded(message) from None


async def rolled_by(engine: Engine, asked: RollingAsked[R], expires: float) -> tuple[Rolled, Stages]:
    """Gives the forecasts that are asked for, and where their time went; raises what `Engine.pieces` raises."""
    question, stages = asked.question, Stages()
    values = np.empty((question.num_windows, question.horizon, len(question.levels)))
    async for piece in engine.pieces(asked.model.bundle.predictor, question, expires):
        values[piece.places] = piece.answered.value[:, : question.horizon]
        stages = stages.then(piece.answered)
    return question.rolled(values), stages
