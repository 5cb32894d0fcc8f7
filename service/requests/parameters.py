"""The parameters of a URL: one that its route does not have would be ignored, and another question answered."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from service.errors import InvalidFields


async def _refuse_unknown(request: Request) -> None:
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise InvalidFields.of(f"query.{unknown[0]}", f"is unknown: there is {', '.join(known)}")


# For `dependencies` of a route of FastAPI, after the guard.
KNOWN_PARAMETERS: Any = Depends(_refuse_unknown)
