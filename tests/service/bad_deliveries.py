"""The table of bad deliveries: what a webhook may not bring.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from tests.service.bad_headers import GOOD
from tests.service.bad_requests import LOCKED, PLAIN, BadRequest
from tests.service.deliveries import BODY, SECRET, delivery, signature

WEBHOOK = "/v1/models/webhook"
_LONG_AGO = 1_700_000_000


def delivered(
    what: str, *, status: int = 401, code: str = "bad-delivery", body: bytes = BODY, **headers: str | None
) -> BadRequest:
    """A delivery of long ago, signed as it should be, with some headers changed or, by None, left out."""
    given = {**delivery(body, identity="one", timestamp=_LONG_AGO)}
    changed = {**given, **{f"X-MLflow-{name.replace('_', '-').title()}": text for name, text in headers.items()}}
    kept = tuple((name.lower(), text) for name, text in changed.items() if text is not None)
    return BadRequest(what, status, code, body, path=WEBHOOK, headers=kept, service=LOCKED)


DELIVERIES = (
    delivered("a delivery of long ago"),
    delivered("a delivery from the future", timestamp="9999999999", signature=signature("one", "9999999999")),
    delivered("a delivery that is not signed", signature=None),
    delivered("a delivery signed with another secret", signature=signature("one", _LONG_AGO, secret="x" * 43)),
    delivered("a delivery with another body than was signed", signature=signature("one", _LONG_AGO, b"{}")),
    delivered("a delivery without an id", delivery_id=None),
    delivered("a delivery without a time", timestamp=None),
    delivered("a signature of another kind", signature=f"sha256={'0' * 64}"),
    delivered("the secret for a signature", signature=f"v1,{SECRET}="),
    delivered("a delivery of more than 64 kB", status=413, code="body-too-large", body=b" " * ((1 << 16) + 1)),
    BadRequest(
        "a key for a signature",
        401,
        "bad-delivery",
        BODY,
        path=WEBHOOK,
        headers=(("authorization", f"Bearer {GOOD}"),),
        service=LOCKED,
    ),
    BadRequest(
        "a delivery to a service without a secret for webhooks",
        404,
        "not-found",
        BODY,
        path=WEBHOOK,
        headers=tuple((name.lower(), text) for name, text in delivery(identity="one", timestamp=_LONG_AGO).items()),
        service=PLAIN,
    ),
)
