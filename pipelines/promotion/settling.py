"""What is to be done before a champion may move: the registry and the history have to say the same.

Somebody may have been killed between the history and the registry, or may have moved the alias by hand, or may be late
with what he wrote when he had lost the lock. All of it is told by looking at both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from forecaster.ledger.promotions import Kind, Move
from pipelines.registry import CHAMPION, PREVIOUS

# No write of an alias that was begun before its writer lost the lock arrives later: three tries of 10 s, and pauses.
LATE_SECONDS = 120.0


@dataclass(frozen=True)
class Next:
    """What becomes of a model: its champion, the version before, and what a roll back returns to."""

    kind: Kind
    version: int | None
    before: int | None
    previous: int | None


def unsettled(history: Sequence[Move], aliases: Mapping[str, int], now: int) -> Move | Next | None:
    """Gives the newest move, if the registry has to be told of it; what it has that the history has not; or None.

    `aliases` are those of the registry now, `now` is in microseconds.
    """
    champion = aliases.get(CHAMPION)
    if not history:
        return None if champion is None else Next(Kind.FOUND, champion, None, aliases.get(PREVIOUS))
    last = history[-1]
    if last.written is None and _may_be_under_way(last, champion):
        return last
    if last.written is not None and (champion == last.version or _is_late(history, champion, now)):
        is_right = champion == last.version and not _is_late_previous(history, aliases.get(PREVIOUS), now)
        return None if is_right else last
    return Next(Kind.FOUND, champion, last.version, _after(last, champion, aliases.get(PREVIOUS)))


def _may_be_under_way(last: Move, champion: int | None) -> bool:
    """Says whether the registry is as the move found it or leaves it; what was found there is not written there."""
    return champion == last.version or (champion == last.before and last.kind != Kind.FOUND)


def _is_late(history: Sequence[Move], champion: int | None, now: int) -> bool:
    """Says whether the registry may say what a move said that its own writer did not finish."""
    return any(move.version == champion for move in _taken_over(history[:-1], now))


def _is_late_previous(history: Sequence[Move], previous: int | None, now: int) -> bool:
    late = any(move.previous == previous for move in _taken_over(history[:-1], now))
    return late and previous != history[-1].previous


def _taken_over(history: Sequence[Move], now: int) -> list[Move]:
    since = now - LATE_SECONDS * 1e6
    return [move for move in history if move.is_taken_over and move.written is not None and move.written >= since]


def _after(last: Move, champion: int | None, previous: int | None) -> int | None:
    """Gives what a roll back returns to after somebody has moved the champion by hand.

    Whoever has moved `previous` too has said so. Whoever went back to it by hand does not want to return.
    """
    if champion is None or previous != last.previous:
        return previous
    return None if champion == previous else last.version


def undone_automatically(history: Sequence[Move], version: int, digest: str) -> Move | None:
    """Gives the automatic roll back of a version, None for one that has never been; another may have its number."""
    undone = [
        move
        for promotion, move in pairwise(history)
        if move.kind == Kind.AUTOMATIC and (promotion.version, promotion.digest) == (version, digest)
    ]
    return undone[-1] if undone else None
