"""What answers say of the version behind them, held against when each version was champion.

    moved to A        moved to B
       |                 |
    ---[====== A may answer =======|bound|]---           the bound: how long a swap may take to be seen
                         [====== B may answer ...

An answer is mixed if its numbers are of another version than the one it names. It has a wrong version if that one was
not champion at any instant between when it was asked for and when it was there. It goes back if one that had been
answered before it was asked for has a higher generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray


@dataclass(frozen=True)
class Claim:
    """One answer: when it was asked for and there, the version it names, and the one that its numbers are of."""

    started: float
    ended: float
    version: str
    digest: str
    generation: int
    computed_by: str | None  # None: the numbers are of no version that is known


@dataclass(frozen=True)
class Reign:
    """From when to when a version was champion, in monotonic time."""

    version: str
    begin: float
    end: float


@dataclass(frozen=True)
class Verdict:
    """How many answers contradict the history."""

    mixed: int
    wrong_version: int
    backwards: int


def reigns_of(moves: Sequence[tuple[str, float, float]]) -> list[Reign]:
    """Gives the reigns that moves (version, begun, done) make: each from its move's begin to the end of the next."""
    ends = [done for _, _, done in moves[1:]] + [float("inf")]
    return [Reign(version, begun, end) for (version, begun, _), end in zip(moves, ends, strict=True)]


def judge(claims: Sequence[Claim], reigns: Sequence[Reign], digests: Mapping[str, str], bound: float) -> Verdict:
    """Counts what answers contradict; `digests` are those of the versions that may serve."""
    mixed = sum(one.computed_by != one.version or digests.get(one.version) != one.digest for one in claims)
    wrong = sum(not _was_champion(one, reigns, bound) for one in claims)
    return Verdict(mixed, wrong, num_backwards(claims))


def num_backwards(claims: Sequence[Claim]) -> int:
    """Counts answers whose generation is lower than that of one that had ended before they were asked for."""
    by_end = sorted(claims, key=lambda one: one.ended)
    highest = np.maximum.accumulate([0, *(one.generation for one in by_end)])
    ends = np.array([one.ended for one in by_end])
    seen = highest[np.searchsorted(ends, [one.started for one in claims], side="left")]
    return int((np.array([one.generation for one in claims], dtype=np.int64) < seen).sum())


def nearest(values: FloatArray, answers: Mapping[str, FloatArray], tolerance: float) -> str | None:
    """Gives the version whose answer these values are, within `tolerance` of their reach; None where there is none."""
    reach = float(np.abs(values).max())
    distances = {
        version: float(np.abs(values - known).max())
        for version, known in answers.items()
        if known.shape == values.shape
    }
    best = min(distances, key=distances.__getitem__, default=None)
    return best if best is not None and distances[best] <= tolerance * reach else None


def _was_champion(claim: Claim, reigns: Sequence[Reign], bound: float) -> bool:
    return any(
        one.version == claim.version and one.begin <= claim.ended and claim.started <= one.end + bound for one in reigns
    )
