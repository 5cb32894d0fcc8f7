"""The cycles that series have, and the lags by which pretrained networks look at them."""

from __future__ import annotations

from dataclasses import dataclass

NUM_LAGS = 6


@dataclass(frozen=True)
class Cycles:
    """Calendar periods in steps; a season of 1 and a longer cycle of 0 stand for none."""

    season: int = 1
    longer: int = 0

    @property
    def lags(self) -> tuple[int, ...]:
        """What a pretrained network is shown beside each step: the one before, four seasons, the longer cycle."""
        return 1, self.season, 2 * self.season, 3 * self.season, 4 * self.season, self.longer
