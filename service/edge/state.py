"""What the connections of one server share: limits, whether it is about to end, and who counts what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.server import ServerState

from service.settings import Settings


class Edge(ServerState):
    """The state of a server's edge."""

    def __init__(self, settings: Settings, count_refusal: Callable[[str], None]) -> None:
        super().__init__()
        self.settings = settings
        self.count_refusal = count_refusal  # by the code of the problem; the application does not see these requests
        self.draining = False
        self.turned_away: set[asyncio.Protocol] = set()
