"""The keys as a running service knows them: checks what clients show, and follows the file as it changes."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from forecaster.errors import ConfigError
from service.access.keys import KeyFiles, KeyRecord, digest_of, parse_token
from service.file_mark import Mark, mark_of

log = logging.getLogger("service.access.key_ring")

CHECK_SECONDS = 1.0  # a revoked key is refused at most this long after the file was written
_NOBODY = "0" * 64  # the digest that stands in where there is no such key: no secret is known to have it

Reason = Literal["missing", "malformed", "unknown", "wrong-secret", "expired", "revoked"]


@dataclass(frozen=True)
class Rejection:
    """Why a key is not good: for the log, never for the client."""

    reason: Reason
    key_id: str | None = None


@dataclass(frozen=True)
class _Content:
    """What the files held when they were last good."""

    records: Mapping[str, KeyRecord]
    pepper: bytes


class KeyRing:
    """Good keys by their id. Threads may share it."""

    def __init__(
        self,
        files: KeyFiles,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the files; raises ConfigError where they cannot be used. No file yet: no key is good."""
        self._files = files
        self._clock = clock
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._looked = monotonic()
        self._mark = mark_of(self._files.keys)
        self._content = self._load()
        self._problem = ""
        if not self._content.records:
            log.warning("no_keys", extra={"fields": {"file": str(files.keys)}})

    def check(self, token: str | None) -> KeyRecord | Rejection:
        """Gives the record of a good key. An unknown id and a wrong secret take the same steps."""
        self._follow()
        if token is None:
            return Rejection("missing")
        parts = parse_token(token)
        if parts is None:
            return Rejection("malformed")
        key_id, secret = parts
        content = self._content
        record = content.records.get(key_id)
        matches = hmac.compare_digest(digest_of(content.pepper, secret), _NOBODY if record is None else record.digest)
        if record is None or not matches:
            return Rejection("unknown" if record is None else "wrong-secret", key_id)
        state = record.state(self._clock())
        return record if state == "live" else Rejection(state, key_id)

    def _follow(self) -> None:
        """Looks at most once a second whether the file is another one, and if so reads it."""
        now = self._monotonic()
        if now - self._looked < CHECK_SECONDS or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = now
            mark = mark_of(self._files.keys)
            if mark != self._mark or self._problem:
                self._read_anew(mark)
        finally:
            self._looking.release()

    def _read_anew(self, mark: Mark | None) -> None:
        """Takes the new content; where there is none that can be used, the old one goes on."""
        try:
            if mark is None and self._content.records:
                raise ConfigError(f"{self._files.keys} is missing")
            content = self._load()
        except (ConfigError, OSError) as error:
            if str(error) != self._problem:
                log.error("keys_unreadable", extra={"fields": {"reason": str(error)}})
            self._problem = str(error)
            return
        self._content, self._mark, self._problem = content, mark, ""
        log.info("keys_loaded", extra={"fields": {"number": len(content.records)}})

    def _load(self) -> _Content:
        records = {record.id: record for record in self._files.read()}
        return _Content(records, self._files.read_pepper() if records else b"")
