"""Where a ledger may be is told by its URL alone, and no refusal repeats what may hold a password."""

from __future__ import annotations

import pytest

from forecaster.ledger.address import check_address

WORD = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////folder/ledger.db",
        "sqlite:///ledger.db",
        "sqlite+pysqlite:///ledger.db",
        f"postgresql+psycopg2://user:{WORD}@127.0.0.1:1/nowhere?connect_timeout=1",
    ],
)
def test_a_database_that_may_be_there_is_taken(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no URL of a database"),
        (f"nonsense-{WORD}", "is no URL of a database"),
        (f"postgresql+psycopg2://user:{WORD}@host:port/d", "is no URL of a database"),
        (f"postgresql//user:{WORD}@host/d", "is no URL of a database"),
        (f"mysql://user:{WORD}@host/d", "begins with neither sqlite nor postgresql"),
        (f"postgres://user:{WORD}@host/d", "begins with neither sqlite nor postgresql"),
        (f"postgresql+nobodys://user:{WORD}@host/d", "names no known driver"),
        (f"postgresql+pg8000://user:{WORD}@host/d", r"a driver that is not installed \(pg8000\)"),
        ("sqlite://", "names no file of SQLite"),
        ("sqlite:///:memory:", "names no file of SQLite"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_address(url)
    assert WORD not in str(caught.value)
    assert caught.value.__cause__ is None
