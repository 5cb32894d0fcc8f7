"""POST /v1/forecast: the request's path is admission -> body -> schema -> panel -> engine -> reply.

A plain ASGI endpoint: what FastAPI does for a route costs as much processor time as all of this together.
"""

from __future__ import annotations

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from forecaster.errors import ForecasterError
from service.access.guards import Guarded
from service.access.keys import Scope as Permission
from service.access.security import security_of
from service.answers.forecast import adaption_of, answered
from service.app_state import Service, service_of
from service.compute.engine import Given, Stages
from service.errors import InvalidFields
from service.ledger.giving import Sent
from service.openapi import FORECAST
from service.problems import problem_body
from service.requests import reply
from service.requests.asked import Asked, FindModel, understood
from service.requests.body import checked_media_type
from service.requests.connection import arrival, read_body, while_connected
from service.requests.media import LINES, TABLES, reply_type
from service.routes.named import NamedRoute
from service.tables.query import refuse_options
from service.tables.writing import beside, written

# A request of more bytes is taken apart beside the event loop.
_MANY_BYTES = 1 << 16


class ForecastEndpoint:
    """Forecasts each series of a request from its own history."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        service, headers = service_of(scope), Headers(scope=scope)
        expires = service.admission.expires(headers, arrival(scope))
        media_type, wanted = checked_media_type(headers), reply_type(headers)
        with service.admission.admitted(expires):
            body = await read_body(headers, receive, service.settings.max_body_bytes, expires)
            async with while_connected(receive):
                asked = await _understood(scope, headers, media_type, body, expires)
                charge(scope, asked)
                if wanted == LINES:
                    await _send_lines(scope, send, service, asked)
                    return
                response = await _response(service, asked, wanted, Sent(scope, body))
        await response(scope, receive, send)


ROUTE = NamedRoute(FORECAST, Guarded(ForecastEndpoint(), Permission.FORECAST), methods=["POST"])


async def _understood(scope: Scope, headers: Headers, media_type: str, body: bytes, expires: float) -> Asked:
    """Gives what a request asks, read at once or beside the event loop."""
    service, query = service_of(scope), scope["query_string"]
    if query and media_type not in TABLES:
        refuse_options(query)

    async def ask(find: FindModel) -> Asked:
        if media_type in TABLES:
            adapt = service.settings.adapt
            return await service.tables.understood(media_type, headers, query, body, expires, find, adapt=adapt)
        return await beside(len(body) > _MANY_BYTES, understood, headers, body, expires, service.settings, find)

    return await service.finetuned.asking(service.offered, scope["state"]["principal"].owner, expires, ask)


def charge(scope: Scope, asked: Asked) -> None:
    """Takes the cost of a request from what its key may spend."""
    security = security_of(scope)
    security.charge(scope["state"]["principal"], asked.num_points, asked.question.horizon)


async def _response(service: Service, asked: Asked, media_type: str, sent: Sent) -> Response:
    """Answers at once, with an id where the forecast is kept."""
    if media_type in TABLES and asked.request.samples is not None:
        raise InvalidFields.of("samples", "cannot be told in a table: leave tables out of Accept")
    return await answered(service, asked, media_type, written, sent)


async def _send_lines(scope: Scope, send: Send, service: Service, asked: Asked) -> None:
    """Answers line by line, each piece as soon as it is computed.

    What the first piece runs into is a problem like any other; a later failure is the last line, and names itself so.
    """
    if asked.request.samples is not None or asked.request.fallback != "none" or asked.question.needs_roll_out:
        raise InvalidFields.of(
            "body", f"samples, fallback and roll-outs cannot be streamed: leave {LINES} out of Accept"
        )
    if asked.request.segment is not None:
        raise InvalidFields.of(
            "segment", f"is kept with a forecast, and streamed ones are not: leave {LINES} out of Accept"
        )
    adaption = await adaption_of(service, asked)
    has_begun = False
    try:
        async for piece in service.engine.pieces(asked.predictor, asked.question, asked.expires):
            forecast = asked.question.forecast(piece.answered.value, piece.places)
            own = None if adaption is None else adaption.at(piece.places)
            if own is not None:
                forecast = own.of_forecast(forecast, asked.predictor.support)
            answer = asked.answer(forecast, adaption=own)
            lines = reply.lines(asked.request, answer)
            if not has_begun:
                headers = [(b"content-type", LINES.encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                has_begun, lines = True, reply.first_line(answer) + lines
            await send({"type": "http.response.body", "body": lines, "more_body": True})
            given = Given(answer.forecast, Stages().then(piece.answered))
            service.telemetry.forecasts.count(asked.model, len(piece.places), given, 0.0)
    except ForecasterError as error:
        if not has_begun:
            raise
        await send({"type": "http.response.body", "body": _last_line(scope, error), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _last_line(scope: Scope, error: ForecasterError) -> bytes:
    return orjson.dumps({"problem": problem_body(scope, error)}, option=orjson.OPT_APPEND_NEWLINE)
