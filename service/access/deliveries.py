"""Deliveries of MLflow's webhooks: has MLflow signed this one, not long ago, and has it not come before?

MLflow signs `ID.TIMESTAMP.BODY` with a secret that both sides know (HMAC-SHA256). A delivery that MLflow tries again
has the same id and time as before.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from starlette.datastructures import Headers

from forecaster.errors import ConfigError
from forecaster.secret_files import read_secret
from service.settings import SHORTEST_SECRET, Settings

SIGNATURE_HEADER = "X-MLflow-Signature"
WINDOW_SECONDS = 300
MAX_BODY_BYTES = 1 << 16

_ID_HEADER, _TIMESTAMP_HEADER = "X-MLflow-Delivery-Id", "X-MLflow-Timestamp"
# No id has a dot: else a part of the id could be passed off as a part of the time.
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE_PREFIX = "v1,"
_MAX_REMEMBERED = 4096

Reason = Literal["missing", "malformed", "wrong-signature", "expired", "replayed"]


class Deliveries:
    """Remembers the good deliveries of the last minutes. Memory is bounded, and no delivery is good twice."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock
        self._ids: set[str] = set()
        self._by_age: list[tuple[int, str]] = []
        self._forgotten = 0  # until that time ids may have been forgotten, and nothing is good any more

    @classmethod
    def of(cls, settings: Settings) -> Deliveries | None:
        """Builds it as the settings say; None where they name no secret. ConfigError for a file without a good one."""
        if settings.webhook_secret is not None:
            return cls(settings.webhook_secret.get_secret_value().encode())
        return None if settings.webhook_secret_file is None else cls(_read(settings.webhook_secret_file))

    def reason_against(self, headers: Headers, body: bytes) -> Reason | None:
        """Gives why a delivery is not to be believed; None for a good one, which is good this once."""
        given = [headers.getlist(name) for name in (_ID_HEADER, _TIMESTAMP_HEADER, SIGNATURE_HEADER)]
        if not all(given):
            return "missing"
        identity, timestamp, signature = (", ".join(values) for values in given)
        signed = _decoded(signature)
        if not _ID.fullmatch(identity) or not _TIMESTAMP.fullmatch(timestamp) or signed is None:
            return "malformed"
        content = f"{identity}.{timestamp}.".encode() + body
        if not hmac.compare_digest(hmac.digest(self._secret, content, "sha256"), signed):
            return "wrong-signature"
        return self._remember(identity, int(timestamp))

    def _remember(self, identity: str, timestamp: int) -> Reason | None:
        now = self._clock()
        if identity in self._ids:
            return "replayed"
        if abs(now - timestamp) > WINDOW_SECONDS or timestamp <= self._forgotten:
            return "expired"
        self._ids.add(identity)
        heapq.heappush(self._by_age, (timestamp, identity))
        while self._by_age[0][0] < now - WINDOW_SECONDS or len(self._by_age) > _MAX_REMEMBERED:
            self._forgotten, oldest = heapq.heappop(self._by_age)
            self._ids.discard(oldest)
        return None


def _read(path: Path) -> bytes:
    try:
        secret = read_secret(path).rstrip(b"\r\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}, the file of the webhook's secret, is missing") from None
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(f"{path} has {len(secret)} bytes, at least {SHORTEST_SECRET} are wanted")
    return secret


def _decoded(signature: str) -> bytes | None:
    """Gives the bytes of 'v1,BASE64'; None for anything else."""
    version, encoded = signature[: len(_SIGNATURE_PREFIX)], signature[len(_SIGNATURE_PREFIX) :]
    try:
        return base64.b64decode(encoded, validate=True) if version == _SIGNATURE_PREFIX else None
    except (binascii.Error, ValueError):  # ValueError: it is not ASCII
        return None
