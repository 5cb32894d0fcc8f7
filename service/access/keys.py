"""API keys: made, rotated and revoked in one JSON file, which holds no key but what proves one.

A key is `fk_ID_SECRET`. The secret is 256 random bits and is shown once; the file holds sha256(pepper + secret),
so that neither the file nor the pepper alone is enough to try guesses on. A fast hash is right here: nobody guesses
256 bits, and a slow one would let anybody keep the processor busy.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from forecaster.errors import ConfigError
from forecaster.secret_files import locked, read_secret, write_secret
from service.access.rate import Rate
from service.settings import Settings

OVERLAP = timedelta(hours=24)
MAX_NOTE = 200
_TOKEN = re.compile(r"fk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key may do; none includes another."""

    FORECAST = "forecast"
    FEEDBACK = "feedback"
    EXPLAIN = "explain"
    FINETUNE = "finetune"
    ADMIN = "admin"
    METRICS = "metrics"


class KeyRecord(BaseModel):
    """What is kept of a key. `rate` None: the rate of the settings; `successor`: the key it was rotated to.

    `heir_of` is the first of the keys that were rotated to this one: what belonged to that one is this one's, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    successor: str | None = None
    heir_of: str | None = None
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""
    rate: Rate | None = None

    @property
    def owner(self) -> str:
        """The id that jobs and fine-tuned models belong to: that of the first key, whatever it was rotated to."""
        return self.heir_of or self.id

    def state(self, now: datetime) -> Literal["live", "expired", "revoked"]:
        """Says whether the key is good at that moment."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "live"


class KeysDocument(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment when it is whole."""

    token: str = field(repr=False)
    record: KeyRecord


@dataclass(frozen=True)
class KeyTerms:
    """What somebody asks for with a key. `lifetime` None: it does not expire."""

    scopes: tuple[Scope, ...]
    lifetime: timedelta | None = None
    note: str = ""
    rate: Rate | None = None

    @classmethod
    def of(cls, record: KeyRecord) -> KeyTerms:
        """Gives the terms that a key was made on."""
        lifetime = None if record.expires is None else record.expires - record.created
        return cls(record.scopes, lifetime, record.note, record.rate)


@dataclass(frozen=True)
class KeyFiles:
    """Where keys and pepper are; a pepper that is given goes before its file."""

    keys: Path
    pepper: Path
    given_pepper: bytes | None

    @classmethod
    def of(cls, settings: Settings) -> KeyFiles:
        """Gives the files that the settings name."""
        given = settings.key_pepper.get_secret_value().encode() if settings.key_pepper is not None else None
        return cls(settings.resolved_keys_file(), settings.home / "pepper", given)

    def read(self) -> tuple[KeyRecord, ...]:
        """Gives all records; none where there is no file. ConfigError: unreadable, malformed or open to others."""
        try:
            document = KeysDocument.model_validate_json(read_secret(self.keys))
        except FileNotFoundError:
            return ()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "the document"
            raise ConfigError(f"{self.keys} holds no keys as they are written here: {where}: {first['msg']}") from None
        if len({record.id for record in document.keys}) < len(document.keys):
            raise ConfigError(f"{self.keys} holds two keys of one id")
        return document.keys

    def read_pepper(self) -> bytes:
        """Gives the pepper; ConfigError where it is missing, short or open to others."""
        if self.given_pepper is not None:
            return self.given_pepper
        try:
            pepper = read_secret(self.pepper)
        except FileNotFoundError:
            raise ConfigError(f"{self.pepper} is missing: no key of {self.keys} can be checked without it") from None
        if len(pepper) < 32:
            raise ConfigError(f"{self.pepper} has {len(pepper)} bytes, at least 32 are wanted")
        return pepper


class KeyStore:
    """Changes keys: reads, changes and writes under a lock, so that two changes at once are both kept."""

    def __init__(self, files: KeyFiles, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._files = files
        self._clock = clock

    def records(self) -> tuple[KeyRecord, ...]:
        """Gives all keys, the oldest first, spent ones too."""
        return self._files.read()

    def create(self, terms: KeyTerms) -> NewKey:
        """Makes a key; the first one brings the pepper with it unless one is given."""
        with locked(self._files.keys):
            records = self._files.read()
            new = self._new(records, terms)
            self._write((*records, new.record))
        return new

    def revoke(self, key_id: str) -> KeyRecord:
        """Ends a key at once and for good; one that is revoked stays as it is."""
        with locked(self._files.keys):
            records = self._files.read()
            record = _find(records, key_id)
            if record.revoked is None:
                record = record.model_copy(update={"revoked": self._clock()})
                self._write(_replaced(records, record))
        return record

    def rotate(self, key_id: str, overlap: timedelta = OVERLAP) -> NewKey:
        """Makes a successor of the same scopes, rate, note and lifetime; the old key lives on for the overlap.

        What belongs to the old key belongs to both.
        """
        with locked(self._files.keys):
            records = self._files.read()
            old, now = _find(records, key_id), self._clock()
            _check_can_rotate(old, now)
            new = self._new(records, KeyTerms.of(old), heir_of=old.owner)
            ends = now + overlap if old.expires is None else min(old.expires, now + overlap)
            spent = old.model_copy(update={"expires": ends, "successor": new.record.id})
            self._write((*_replaced(records, spent), new.record))
        return new

    def _new(self, records: tuple[KeyRecord, ...], terms: KeyTerms, heir_of: str | None = None) -> NewKey:
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        now = self._clock()
        record = KeyRecord(
            id=key_id,
            digest=digest_of(self._pepper(records), secret),
            scopes=tuple(sorted(set(terms.scopes))),
            created=now,
            expires=None if terms.lifetime is None else now + terms.lifetime,
            heir_of=heir_of,
            note=terms.note,
            rate=terms.rate,
        )
        return NewKey(f"fk_{key_id}_{secret}", record)

    def _pepper(self, records: tuple[KeyRecord, ...]) -> bytes:
        """Gives the pepper; makes its file where there is neither a file nor a key that needs the lost one."""
        if self._files.given_pepper is None and not records and not self._files.pepper.exists():
            with locked(self._files.pepper):
                write_secret(self._files.pepper, secrets.token_hex(32).encode())
        return self._files.read_pepper()

    def _write(self, records: tuple[KeyRecord, ...]) -> None:
        write_secret(self._files.keys, KeysDocument(keys=records).model_dump_json(indent=1).encode())


def parse_token(token: str) -> tuple[str, str] | None:
    """Gives id and secret of a key; None for what has not the form of one."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def digest_of(pepper: bytes, secret: str) -> str:
    """Gives what the file keeps of a secret."""
    return hashlib.sha256(pepper + secret.encode()).hexdigest()


def _find(records: tuple[KeyRecord, ...], key_id: str) -> KeyRecord:
    for record in records:
        if record.id == key_id:
            return record
    raise ConfigError(f"there is no key {key_id[:40]!r}; `forecaster keys list` names all", code="unknown-key")


def _replaced(records: tuple[KeyRecord, ...], new: KeyRecord) -> tuple[KeyRecord, ...]:
    return tuple(new if record.id == new.id else record for record in records)


def _check_can_rotate(record: KeyRecord, now: datetime) -> None:
    if record.state(now) != "live":
        raise ConfigError(f"key {record.id} is {record.state(now)}: create a new one", code="key-not-live")
    if record.successor is not None:
        raise ConfigError(f"key {record.id} was rotated to {record.successor}: rotate that one", code="key-not-live")
