"""A check that schemathesis runs on every response of the fuzz, beside its own."""

from __future__ import annotations

from typing import Any

import schemathesis

from benchmarks.reliability.exchange import Reply
from benchmarks.reliability.verdicts import faults_of_reply


@schemathesis.check
def keeps_what_every_reply_keeps(_ctx: Any, response: Any, _case: Any) -> None:
    """Fails where a reply is not as `verdicts` wants it; whether a status is declared schemathesis knows itself."""
    headers = {name.lower(): ", ".join(values) for name, values in response.headers.items()}
    reply = Reply(response.status_code, headers, response.content)
    faults = list(faults_of_reply(reply, len(response.request.body or b"") + 200, (response.status_code,)))
    assert not faults, "; ".join(faults)
