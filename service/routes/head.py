"""HEAD, which every route for GET answers as GET, with the same guard and headers; the server leaves the body out.

Routes need not declare it, so the document of the interface names each of them once.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Shows the application below HEAD as GET, and what is around it, which counts and writes answers, HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            scope["method"] = "HEAD"  # the server asks for it when it writes
            await send(message)

        scope["method"] = "GET"  # not in a copy: what is around reads from this one which route was found
        try:
            await self._app(scope, receive, answer)
        finally:
            scope["method"] = "HEAD"
