"""The service with a middleware that keeps 1 KiB of each request: the negative control of a soak.

python -m benchmarks.reliability.leaking_service serve ...
"""

from __future__ import annotations

import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from forecaster import cli
from service.telemetry.telemetry import Telemetry

_KEPT: list[bytearray] = []


def leak() -> None:
    """Lets the outermost middleware of every application keep something of each request."""
    innocent = Telemetry.middleware

    def middleware(self: Telemetry, app: ASGIApp) -> ASGIApp:
        measured = innocent(self, app)

        async def leaking(scope: Scope, receive: Receive, send: Send) -> None:
            _KEPT.append(bytearray(b"x" * 1024))
            await measured(scope, receive, send)

        return leaking

    setattr(Telemetry, "middleware", middleware)  # noqa: B010 - an assignment would be typed as a bound method


if __name__ == "__main__":
    leak()
    cli.main(sys.argv[1:])
