"""The windows of pretraining, as a pure function of (seed, block): cut from synthetic series, none of them seen twice.

They are made on the CPU, whatever trains on them, so that they are the same everywhere.

block of steps -> orders (cycles, context, horizon) -> series -> windows -> each step a few of every order
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from forecaster.config.cycles import Cycles
from forecaster.config.pretraining import PretrainingConfig
from forecaster.model.scaling import mean_and_deviation
from forecaster.synthesis import CYCLE_WEIGHTS, Draws, Order, synthesize
from forecaster.types import WindowBatch

# Series of a season up to that of months seldom have a longer history.
_SHORT_SEASON, _SHORT_CONTEXT = 12, 320
_LARGEST_TARGET = 25.0  # spreads of the context: beyond it, the future has little to do with the past
_SHORT_HISTORIES = 0.3  # share of windows that begin within the context
_FEWEST_STEPS = 5  # of such a history
_AT_ONCE = 4_096  # series

# Seeds of blocks count upwards; those of validation lie where no training gets to.
_VALIDATION_SEED = 2**62
_NUM_VALIDATION = 128  # windows of each frequency, long and short


@dataclass(frozen=True)
class SyntheticPart:
    """Windows of one order, and the cycles that a network is told of."""

    batch: WindowBatch
    cycles: Cycles

    @property
    def context_length(self) -> int:
        """Steps of history (L)."""
        return int(self.batch.context.shape[1])

    @property
    def horizon(self) -> int:
        """Steps of the target (H)."""
        return int(self.batch.target.shape[1])

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """All that the windows consist of, in the order of `WindowBatch`."""
        return self.batch.context, self.batch.observed, self.batch.target, self.batch.target_observed

    def to(self, device: torch.device | str) -> SyntheticPart:
        """Gives the same windows on another device."""
        return replace(self, batch=self.batch.to(device))


class SyntheticWindows:
    """All windows that a pretraining of this config sees."""

    def __init__(self, config: PretrainingConfig) -> None:
        self.config = config

    def block(self, number: int) -> list[SyntheticPart]:
        """Gives the windows of `steps_per_block` steps, one part for each order; `steps_of` takes them apart."""
        config = self.config
        draws = Draws.seeded(config.seed * 2**31 + number)
        num_series = config.windows_per_order * config.steps_per_block
        parts = []
        for _ in range(config.num_orders):
            cycles = _drawn_cycles(draws)
            lengths = self._context(draws, cycles), self._horizon(draws)
            parts.append(_joined([windows(draws, cycles, size, *lengths) for size in _portions(num_series)]))
        return parts

    def steps_of(self, block: Sequence[SyntheticPart]) -> Iterator[list[SyntheticPart]]:
        """Gives the windows of each step of a block, in order."""
        size = self.config.windows_per_order
        for start in range(0, size * self.config.steps_per_block, size):
            yield [SyntheticPart(part.batch.rows(slice(start, start + size)), part.cycles) for part in block]

    def validation(self) -> list[SyntheticPart]:
        """Gives windows that no step sees: of every frequency, with the longest and with a short context."""
        draws, model = Draws.seeded(_VALIDATION_SEED), self.config.model
        longest, patch = model.context_length or 0, model.patch_length or 1
        lengths = (longest, max(self.config.min_context, longest // 8 // patch * patch))
        return [
            windows(draws, cycles, _NUM_VALIDATION, length, model.horizon)
            for cycles in CYCLE_WEIGHTS
            for length in lengths
        ]

    def _context(self, draws: Draws, cycles: Cycles) -> int:
        """Draws a length in whole patches, two seasons or more, its logarithm evenly spread."""
        longest, patch = self.config.model.context_length or 0, self.config.model.patch_length or 1
        if cycles.season <= _SHORT_SEASON:
            longest = max(self.config.min_context, min(longest, _SHORT_CONTEXT // patch * patch))
        shortest = max(self.config.min_context, min(longest, 2 * cycles.season))
        drawn = float(draws.log_uniform(shortest, longest, 1))
        return min(longest, math.ceil(drawn / patch) * patch)

    def _horizon(self, draws: Draws) -> int:
        return round(float(draws.log_uniform(self.config.min_horizon, self.config.model.horizon, 1)))


def windows(draws: Draws, cycles: Cycles, num_series: int, context_length: int, horizon: int) -> SyntheticPart:
    """Makes series and cuts each at one cutoff; some begin within the context.

    Targets of windows that leave the range of their context by far are not observed.
    """
    series = synthesize(draws, Order(num_series, context_length + horizon, cycles))
    values, observed = series.values.to(torch.float64), series.observed
    begins = draws.uniform(0, 1, num_series, 1) * (context_length - _FEWEST_STEPS)
    begins = begins * draws.chance(_SHORT_HISTORIES, num_series, 1)
    seen = observed[:, :context_length] & (torch.arange(context_length, device=values.device) >= begins)
    context = torch.where(seen, values[:, :context_length], 0.0)
    target, known = values[:, context_length:], observed[:, context_length:]
    mean, spread = mean_and_deviation(context, seen)
    within = ((target - mean).abs() <= _LARGEST_TARGET * spread).all(dim=1, keepdim=True)
    batch = WindowBatch(context, seen, torch.where(known, target, 0.0), known & within)
    return SyntheticPart(batch, cycles)


def _portions(num_series: int) -> list[int]:
    """Gives how many series are made at once, as memory of more is slower."""
    whole, rest = divmod(num_series, _AT_ONCE)
    return [_AT_ONCE] * whole + [rest] * (rest > 0)


def _joined(parts: Sequence[SyntheticPart]) -> SyntheticPart:
    """Gives the windows of parts of one order as one part."""
    context, observed, target, target_observed = map(torch.cat, zip(*(part.tensors for part in parts), strict=True))
    return SyntheticPart(WindowBatch(context, observed, target, target_observed), parts[0].cycles)


def _drawn_cycles(draws: Draws) -> Cycles:
    weights = torch.tensor(list(CYCLE_WEIGHTS.values()), device=draws.device)
    return list(CYCLE_WEIGHTS)[int(torch.multinomial(weights, 1, generator=draws.generator))]
