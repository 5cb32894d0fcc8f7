"""Random numbers for many series at once, all from one generator, on its device, in float32."""

from __future__ import annotations

import math

import torch


class Draws:
    """What the families of series draw from; the same seed gives the same series on the same device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    @classmethod
    def seeded(cls, seed: int, device: torch.device | str = "cpu") -> Draws:
        """Gives draws that depend on the seed (0 to 2^63 - 1) alone."""
        return cls(torch.Generator(device).manual_seed(seed))

    @property
    def device(self) -> torch.device:
        """Where the numbers lie."""
        return self.generator.device

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Gives numbers evenly spread over low to high."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Gives numbers above 0 whose logarithms are evenly spread."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> torch.Tensor:
        """Gives standard normals."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def heavy(self, tail: torch.Tensor, *shape: int) -> torch.Tensor:
        """Gives normals of random scale, exp(tail x another normal): the larger the tail (0 to 1), the wilder."""
        return self.normal(*shape) * (tail * self.normal(*shape)).exp()

    def chance(self, share: float, *shape: int) -> torch.Tensor:
        """Gives bools, True with this probability."""
        return torch.rand(shape, generator=self.generator, device=self.device) < share

    def rows(self, share: float, num_rows: int) -> torch.Tensor:
        """Gives the numbers [R] of rows that are chosen, each with this probability."""
        return self.chance(share, num_rows).nonzero().squeeze(1)

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Gives whole numbers from low to high, both included."""
        return torch.randint(low, high + 1, shape, generator=self.generator, device=self.device)

    def poisson(self, rates: torch.Tensor) -> torch.Tensor:
        """Gives a Poisson count for each rate."""
        return torch.poisson(rates, generator=self.generator)
