"""The home: the folder that holds what a service or a pipeline keeps, its databases of SQLite among it."""

from __future__ import annotations

from pathlib import Path

# In a URL of SQLite what follows one is no path any more, or stands for another byte.
_NOT_IN_URLS = "?%"


def check_home(home: Path) -> None:
    """Raises ValueError for a home that no URL of a database can name."""
    for character in _NOT_IN_URLS:
        if character in str(home.absolute()):
            raise ValueError(f"is {home.absolute()}: no {character!r} may be in it")
