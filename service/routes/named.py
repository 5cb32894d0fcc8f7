"""Routes to ASGI applications, which FastAPI's telemetry would else know nothing of."""

from __future__ import annotations

from starlette.routing import Match, Route
from starlette.types import Scope


class NamedRoute(Route):
    """A route that says which one it is, as FastAPI's do: requests are counted by it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Says whether a request is for this route."""
        match, found = super().matches(scope)
        return match, ({**found, "route": self} if match is not Match.NONE else found)
