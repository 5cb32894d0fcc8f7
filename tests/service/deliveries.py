"""Deliveries as MLflow makes them, and made by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid

SECRET = "w" * 43
BODY = json.dumps(
    {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "data": {"name": "waves", "alias": "champion", "version": "2"},
    }
).encode()


def signature(identity: str, timestamp: object, body: bytes = BODY, secret: str = SECRET) -> str:
    """Gives the signature that MLflow would send."""
    content = f"{identity}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()}"


def delivery(
    body: bytes = BODY, *, identity: str | None = None, timestamp: object = None, secret: str = SECRET
) -> dict[str, str]:
    """Gives the headers of a delivery: a new one, of now, and signed, where nothing else is said."""
    identity = str(uuid.uuid4()) if identity is None else identity
    timestamp = int(time.time()) if timestamp is None else timestamp
    return {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": identity,
        "X-MLflow-Timestamp": str(timestamp),
        "X-MLflow-Signature": signature(identity, timestamp, body, secret),
    }
