"""How many requests a second a service answers to clients that each wait for their answer."""

from __future__ import annotations

import asyncio
import time

from benchmarks.serving.connection import Address, Connection

_WARM_UP_SECONDS = 1.0
_PAUSE_AFTER_REFUSAL = 0.05  # a client without manners could ask for refusals all the time


def capacity(address: Address, request: bytes, num_connections: int, seconds: float) -> float:
    """Gives the requests a second that are answered with 200, after a second that warms the service up."""
    asyncio.run(_answered(address, request, num_connections, _WARM_UP_SECONDS))
    return asyncio.run(_answered(address, request, num_connections, seconds)) / seconds


async def _answered(address: Address, request: bytes, num_connections: int, seconds: float) -> int:
    end = time.monotonic() + seconds

    async def ask_again() -> int:
        connection, number = await Connection.open(address), 0
        while time.monotonic() < end:
            if not connection.is_open:
                connection = await Connection.open(address)
            if (await connection.exchange(request)).status == 200:
                number += 1
            else:
                await asyncio.sleep(_PAUSE_AFTER_REFUSAL)
        connection.close()
        return number

    return sum(await asyncio.gather(*(ask_again() for _ in range(num_connections))))
