"""What is asked of the families: how many series, how long, and with which cycles."""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.config.cycles import Cycles

# How often series are made with the cycles of a frequency.
CYCLE_WEIGHTS = {
    Cycles(1): 3.0,  # yearly, or none
    Cycles(4): 2.0,  # quarterly
    Cycles(12): 3.0,  # monthly
    Cycles(52): 1.0,  # weekly
    Cycles(7, 365): 2.0,  # daily
    Cycles(5, 260): 1.0,  # on business days
    Cycles(24, 168): 3.0,  # hourly
    Cycles(48, 336): 1.0,  # half-hourly
    Cycles(96, 672): 1.0,  # quarter-hourly
}


@dataclass(frozen=True)
class Order:
    """Series to be made: S of T steps each, that may follow these cycles."""

    num_series: int
    num_steps: int
    cycles: Cycles

    def of(self, num_series: int) -> Order:
        """Gives the same for another number of series."""
        return Order(num_series, self.num_steps, self.cycles)
