"""The short cut of forecasts past FastAPI's layers.

Its router and half a dozen wrappers, of which a forecast needs nothing, would take a tenth of the processor time that
it costs. What both ways share is the route itself, the telemetry around it, and what is said of unexpected errors.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import Receive, Scope, Send

from forecaster.errors import ForecasterError
from service.openapi import FORECAST
from service.problems import problem_of
from service.routes import forecast
from service.telemetry.telemetry import Telemetry


class ShortCut:
    """Sends forecasts to their route, and all else to the layers of an application that has them all by now."""

    def __init__(self, app: FastAPI, telemetry: Telemetry) -> None:
        self._app, self._layers = app, app.build_middleware_stack()
        unexpected: Any = app.exception_handlers[Exception]
        self._forecasts = ServerErrorMiddleware(telemetry.middleware(_answer), unexpected)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request. It says whose it is itself, so that a server may begin here."""
        scope["app"] = self._app
        if scope["type"] == "http" and scope["path"] == FORECAST and scope["method"] == "POST":
            scope["route"] = forecast.ROUTE
            await self._forecasts(scope, receive, send)
        else:
            await self._layers(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a forecast, or with the problem that it ran into."""
    try:
        await forecast.ROUTE.app(scope, receive, send)
    except ForecasterError as error:
        await problem_of(scope, error)(scope, receive, send)
