"""What is to be done before a champion may move, as a table of cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forecaster.ledger.promotions import Kind, Move
from pipelines.promotion.settling import LATE_SECONDS, Next, undone_automatically, unsettled

NOW = 10_000_000_000


def move(generation: int, version: int | None, before: int | None = None, **other: object) -> Move:
    """Gives a promotion that has reached the registry long ago."""
    usual = {"kind": Kind.PROMOTE, "previous": before, "written": 1, "digest": f"sha256:{version}"}
    facts = {"reason": "", "actor": "", "run_id": None, "created": 1}
    return Move(model="sales", generation=generation, version=version, before=before, **{**facts, **usual, **other})  # type: ignore[arg-type]


ONE, TWO = move(1, 1), move(2, 2, 1)
UNTOLD = replace(TWO, written=None)
BACK = move(3, 1, 2, kind=Kind.ROLL_BACK, previous=None)
FOUND = move(2, 2, 1, kind=Kind.FOUND)
TAKEN = replace(TWO, is_taken_over=True, written=NOW - 1_000_000)
THREE = move(3, 3, 2)


def found(version: int | None, before: int | None, previous: int | None) -> Next:
    return Next(Kind.FOUND, version, before, previous)


@pytest.mark.parametrize(
    ("history", "champion", "previous", "wanted"),
    [
        # both say the same
        ([], None, None, None),
        ([ONE], 1, None, None),
        ([ONE, TWO], 2, 1, None),
        ([ONE, TWO, BACK], 1, None, None),
        ([ONE, move(2, None, 1, kind=Kind.FOUND)], None, None, None),
        # a registry of before there was a history
        ([], 4, None, found(4, None, None)),
        ([], 4, 3, found(4, None, 3)),
        # somebody was killed: before the registry was told, half-way, and before that was noted
        ([ONE, UNTOLD], 1, None, UNTOLD),
        ([ONE, UNTOLD], 1, 1, UNTOLD),
        ([ONE, UNTOLD], 2, 1, UNTOLD),
        ([replace(ONE, written=None)], None, None, replace(ONE, written=None)),
        ([ONE, TWO, replace(BACK, written=None)], 2, 1, replace(BACK, written=None)),
        ([ONE, TWO, replace(BACK, written=None)], 1, 1, replace(BACK, written=None)),
        # somebody has moved the alias by hand: forth, back to the one before, with `previous`, away
        ([ONE, TWO], 3, 1, found(3, 2, 2)),
        ([ONE, TWO], 1, 1, found(1, 2, None)),
        ([ONE, TWO], 3, 7, found(3, 2, 7)),
        ([ONE, TWO], None, 1, found(None, 2, 1)),
        ([ONE], 2, None, found(2, 1, 1)),
        ([ONE, TWO, move(3, None, 2, kind=Kind.FOUND, previous=1)], 2, 1, found(2, None, None)),
        # and that in the middle of a promotion, or while it was being taken in
        ([ONE, UNTOLD], 3, None, found(3, 2, None)),
        ([ONE, replace(FOUND, written=None)], 2, None, replace(FOUND, written=None)),
        ([ONE, replace(FOUND, written=None)], 1, 1, found(1, 2, None)),
        # who had lost the lock writes late, after others had it
        ([ONE, TAKEN, THREE], 2, 2, THREE),
        ([ONE, TAKEN, THREE], 3, 1, THREE),
        ([ONE, TAKEN, THREE], 3, 2, None),
        ([ONE, TAKEN, THREE], 1, 2, found(1, 3, 3)),
        # but not as late as that
        ([ONE, replace(TAKEN, written=NOW - int(LATE_SECONDS * 1e6) - 1), THREE], 2, 2, found(2, 3, None)),
        ([ONE, TWO, THREE], 3, 1, None),
    ],
)
def test_registry_and_history_are_made_to_say_the_same(
    history: list[Move], champion: int | None, previous: int | None, wanted: Move | Next | None
) -> None:
    pairs = {"champion": champion, "previous": previous, "challenger": 9}
    aliases = {name: number for name, number in pairs.items() if number is not None}
    assert unsettled(history, aliases, NOW) == wanted


AUTOMATIC = move(3, 1, 2, kind=Kind.AUTOMATIC)


@pytest.mark.parametrize(
    ("history", "version", "digest", "wanted"),
    [
        ([ONE, TWO, AUTOMATIC], 2, "sha256:2", AUTOMATIC),
        ([ONE, TWO, AUTOMATIC, move(4, 3, 1)], 2, "sha256:2", AUTOMATIC),
        ([ONE, TWO, AUTOMATIC], 1, "sha256:1", None),
        ([ONE, TWO, AUTOMATIC], 2, "sha256:another of this number", None),
        ([ONE, TWO, BACK], 2, "sha256:2", None),
        ([], 2, "sha256:2", None),
    ],
)
def test_only_what_was_rolled_back_automatically_counts_as_such(
    history: list[Move], version: int, digest: str, wanted: Move | None
) -> None:
    assert undone_automatically(history, version, digest) == wanted
