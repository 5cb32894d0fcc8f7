"""What schemathesis does in the fuzz beside its own: a check on every response, and tables left to `table_cases.py`."""

from __future__ import annotations

from typing import Any

import schemathesis

from benchmarks.reliability.exchange import Reply
from benchmarks.reliability.verdicts import faults_of_reply
from service.errors.dialects import INVOCATIONS
from service.openapi import FORECAST
from service.requests.media import TABLES


@schemathesis.hook
def before_load_schema(_context: Any, document: dict[str, Any]) -> None:
    """Leaves out tables, which it cannot make, and the options in the query that only they may have."""
    for path in (FORECAST, INVOCATIONS):
        operation = document["paths"][path]["post"]
        operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "query"]
        for media_type in TABLES:
            operation["requestBody"]["content"].pop(media_type, None)


@schemathesis.check
def keeps_what_every_reply_keeps(_ctx: Any, response: Any, case: Any) -> None:
    """Fails where a reply is not as `verdicts` wants it; whether a status is declared schemathesis knows itself."""
    headers = {name.lower(): ", ".join(values) for name, values in response.headers.items()}
    reply = Reply(response.status_code, headers, response.content)
    num_sent = len(response.request.body or b"") + 200
    faults = list(faults_of_reply(reply, num_sent, (response.status_code,), case.path))
    assert not faults, "; ".join(faults)
