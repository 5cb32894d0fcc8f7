"""The address of a ledger: which URLs of databases one can be opened at, told without a look at the database."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DATABASES = ("sqlite", "postgresql")
_WANTED = "wanted is one such as postgresql+psycopg2://user@host/database or sqlite:////folder/ledger.db"


def check_address(url: str) -> None:
    """Raises ValueError for a URL that no ledger can be opened at, without repeating it: it may hold a password."""
    place = _parsed(url)
    if place.get_backend_name() not in _DATABASES:
        raise ValueError(f"begins with neither sqlite nor postgresql: {_WANTED}")
    if place.get_backend_name() == "sqlite" and place.database in (None, "", ":memory:"):
        raise ValueError(f"names no file of SQLite, and one process could not see the memory of another: {_WANTED}")
    _check_driver(place)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"is no URL of a database: {_WANTED}") from None


def _check_driver(place: URL) -> None:
    try:
        dialect = place.get_dialect()
        dialect.import_dbapi()
    except (ArgumentError, ImportError) as error:
        reason = (
            f"a driver that is not installed ({error.name})" if isinstance(error, ImportError) else "no known driver"
        )
        raise ValueError(f"names {reason}: {_WANTED}") from None
    if dialect.is_async:
        raise ValueError(f"names a driver for asyncio, by which the ledger does not ask: {_WANTED}")
