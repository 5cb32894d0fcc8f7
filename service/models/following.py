"""How following the registry goes, as values: what is wanted, what went wrong with it, when to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from service.model_spec import ModelSpec
from service.models.registry import VersionRef

MAX_PAUSES = 6  # of refresh_seconds: the longest pause of a back-off

RegistryStatus = Literal["up", "down", "never-seen"]


@dataclass(frozen=True)
class Trouble:
    """Why the version that a spec names is not in service: refused, or unavailable."""

    reference: VersionRef
    code: str
    reason: str
    num_tries: int
    retry_at: float  # of the monotonic clock


@dataclass(frozen=True)
class Following:
    """What is known of one spec beside what serves it. `desired`: None where the registry has no such version."""

    desired: VersionRef | None = None
    trouble: Trouble | None = None
    is_seen: bool = False  # the registry has been asked for it since the start

    def problem(self) -> tuple[str, str] | None:
        """Gives code and reason of what keeps the spec from being as the registry has it."""
        if self.trouble is not None:
            return self.trouble.code, self.trouble.reason
        if self.is_seen and self.desired is None:
            return "alias-missing", "the registry has no such alias or version"
        return None


@dataclass(frozen=True)
class RegistryContact:
    """How long ago the registry answered, if it did, and how often in a row it has failed since."""

    last_success: float | None = None  # of the monotonic clock
    num_failures: int = 0

    @property
    def status(self) -> RegistryStatus:
        """Whether the last question was answered."""
        if self.num_failures == 0 and self.last_success is not None:
            return "up"
        return "never-seen" if self.last_success is None else "down"


@dataclass(frozen=True)
class Refresh:
    """What one refresh did. A version that is still being refused, without a new try, is not in `failed`."""

    registry: RegistryStatus
    swapped: tuple[ModelSpec, ...] = ()
    failed: tuple[tuple[ModelSpec, str], ...] = ()  # and the code


@dataclass(frozen=True)
class Pauses:
    """How long to wait before the next try, by what failed and how often."""

    refresh_seconds: float
    retry_refused_seconds: float
    draw: random.Random

    def between_refreshes(self, num_failures: int) -> float:
        """Gives `refresh_seconds`, after failures a back-off with full jitter, never less than a second or that."""
        if num_failures == 0:
            return self.refresh_seconds
        return max(min(1.0, self.refresh_seconds), self.after_outage(num_failures))

    def after_outage(self, num_tries: int) -> float:
        """Gives a wait between nothing and a bound that doubles from `refresh_seconds` to MAX_PAUSES of it."""
        return self.draw.uniform(0, self.refresh_seconds * min(2.0 ** min(num_tries, 16), MAX_PAUSES))

    def after_refusal(self, num_tries: int, *, may_be_transfer: bool) -> float:
        """Gives about `retry_refused_seconds`; a wait that doubles up to it where the transfer may be to blame."""
        longest = self.retry_refused_seconds
        wait = min(longest, self.refresh_seconds * 2.0 ** min(num_tries, 16)) if may_be_transfer else longest
        return wait * self.draw.uniform(0.75, 1)
