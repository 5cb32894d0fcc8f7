"""How much a name may spend in a time: token buckets on a clock that never goes back.

A request costs its points times its horizon; so cost does not depend on how a client cuts its series into requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field


class Rate(BaseModel):
    """So much at once, and so much again in every minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: float = Field(gt=0, allow_inf_nan=False)
    per_minute: float = Field(gt=0, allow_inf_nan=False)


class CostAboveBurst(Exception):
    """A cost that no wait makes affordable; `burst` is the most that may be spent at once."""

    def __init__(self, burst: float) -> None:
        super().__init__(f"at most {burst:.0f} at once")
        self.burst = burst


class _Bucket:
    """The tokens of one name at one moment."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._moment = now

    def refill(self, now: float, rate: Rate) -> float:
        """Gives the tokens there are now, at most those of a rate, which holds from now on."""
        elapsed = max(0.0, now - self._moment)  # a clock that went back refills nothing, and later not twice
        refilled = self._tokens + elapsed * self._rate.per_minute / 60
        self._tokens = min(refilled, self._rate.burst, rate.burst)
        self._moment = max(now, self._moment)
        self._rate = rate
        return self._tokens

    def take(self, cost: float, now: float, rate: Rate) -> float:
        """Gives 0 and spends, or gives the seconds until the cost is there and spends nothing."""
        self.refill(now, rate)
        if cost > rate.burst:
            raise CostAboveBurst(rate.burst)
        if cost > self._tokens:
            return (cost - self._tokens) * 60 / rate.per_minute
        self._tokens -= cost
        return 0.0


class RateLimiter:
    """One bucket a name, made full when the name first spends. Threads may share it."""

    def __init__(self, max_names: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Beyond `max_names` the one that has not spent for the longest time is forgotten."""
        self._max_names = max_names
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, cost: float, rate: Rate, now: float | None = None) -> float:
        """Gives the seconds to wait, 0 where the cost is granted and spent. Raises CostAboveBurst.

        `now` is in seconds of a clock that never goes back; a changed rate of a name holds from this call on.
        """
        if not (math.isfinite(cost) and cost >= 0):
            raise ValueError(f"a cost must be a finite number from 0 on, got {cost}")
        with self._lock:
            moment = self._clock() if now is None else now
            bucket = self._buckets.pop(name, None) or _Bucket(rate, moment)
            self._buckets[name] = bucket  # now the last one to be forgotten
            if len(self._buckets) > self._max_names:
                self._buckets.popitem(last=False)
            return bucket.take(cost, moment, rate)

    def spent(self, name: str, rate: Rate) -> float:
        """Gives what a name has spent of its burst and has not been given back yet; 0 where it is not remembered."""
        with self._lock:
            bucket = self._buckets.get(name)
            return 0.0 if bucket is None else rate.burst - bucket.refill(self._clock(), rate)
