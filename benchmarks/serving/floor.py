"""The floor of a JSON service: an ASGI application that parses a request and encodes a prepared answer, no more.

python -m benchmarks.serving.floor --port 8000
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
import uvicorn

from benchmarks.serving.model import HORIZON, MODEL, START
from benchmarks.serving.null_model import prepared

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def application() -> Callable[..., Coroutine[None, None, None]]:
    """Gives the application."""
    times = pd.date_range(START, periods=HORIZON, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    columns = np.ascontiguousarray(prepared().T)
    levels = {f"{level:g}": column for level, column in zip(MODEL.levels, columns, strict=True)}
    document = {"forecasts": [{"id": "a", "timestamps": times, "quantiles": levels, "warnings": []}]}

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = await _whole_body(receive)
        if scope["method"] == "POST":
            orjson.loads(body)
        reply = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    return answer


async def _whole_body(receive: Receive) -> bytes:
    chunks, has_more = [], True
    while has_more:
        message = await receive()
        chunks.append(message.get("body", b""))
        has_more = message.get("more_body", False)
    return b"".join(chunks)


def main() -> None:
    """Serves until it is ended, on the fastest loop and parser that uvicorn has."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    given = arguments.parse_args()
    uvicorn.run(
        application(),
        port=given.port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
    )


if __name__ == "__main__":
    main()
