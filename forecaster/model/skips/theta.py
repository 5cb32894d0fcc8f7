"""The theta method for many series at once, in scaled space and with missing values, as a skip beside the encoder.

    season      additive profile of a centred moving average, where the autocorrelation at its lag is significant
    level       exponential smoothing of what is left; of ALPHAS the one that forecasts a step ahead best
    drift       half the slope of a straight line through what is left
    forecast    level + drift + season

Assimakopoulos & Nikolopoulos 2000, "The theta model", in the form of simple exponential smoothing with drift that
Hyndman & Billah 2003 showed it to be. The season here is added, not multiplied: scaled values may be negative.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from forecaster.types import CovariateBatch

ALPHAS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
_SIGNIFICANCE = 1.645  # a normal exceeds it in either direction with probability 10 %


class ThetaSkip(nn.Module):
    """L scaled values -> H locations by the theta method. It has no weights: the encoder learns what it leaves."""

    decays: torch.Tensor  # [A L L] float64: weight of step j in the level after step t, for each alpha
    alphas: torch.Tensor  # [A] float64

    def __init__(self, context_length: int, horizon: int, season_length: int) -> None:
        super().__init__()
        self.horizon, self.season_length = horizon, season_length
        age = torch.arange(context_length)[None, :] - torch.arange(context_length)[:, None]  # [j t]
        powers = [torch.where(age >= 0, (1 - alpha) ** age.clamp(min=0).double(), 0.0) for alpha in ALPHAS]
        self.register_buffer("decays", torch.stack(powers), persistent=False)
        self.register_buffer("alphas", torch.tensor(ALPHAS, dtype=torch.float64), persistent=False)

    def forward(
        self, values: torch.Tensor, observed: torch.Tensor, covariates: CovariateBatch | None = None
    ) -> torch.Tensor:
        """Gives locations [B H] for scaled values [B L], observed [B L]; reads no covariates.

        In float64, which autocast leaves alone.
        """
        wide = values.to(torch.float64)
        season = seasonal_profile(wide, observed, self.season_length)  # [B m]
        length, m = values.shape[1], self.season_length
        phase = (torch.arange(length, device=values.device) - length) % m
        rest = torch.where(observed, wide - season[:, phase], 0.0)
        level, alpha = self._smoothed(rest, observed)
        steps = torch.arange(self.horizon, device=values.device)
        lasting = (1 - (1 - alpha) ** observed.sum(dim=1, keepdim=True)) / alpha
        drift = 0.5 * slope(rest, observed) * (steps + lasting)
        return (level + drift + season[:, steps % m]).to(values.dtype)

    def _smoothed(self, rest: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives the last level and its alpha, both [B 1]: an average with weights that decay by 1 - alpha a step.

        Divided by the sum of its weights, so that missing values and the start of a series need no other rule.
        """
        total = torch.einsum("bj,ajt->bat", rest, self.decays)
        weight = torch.einsum("bj,ajt->bat", observed.to(rest.dtype), self.decays)
        levels = total / weight.clamp(min=torch.finfo(rest.dtype).tiny)  # [B A L]
        # A missing value leaves the level; computed anew, it would be lost where all weights have decayed to 0.
        levels = levels.gather(2, latest_observed(observed).unsqueeze(1).expand_as(levels))
        known = observed[:, 1:] & (observed.cumsum(dim=1)[:, :-1] > 0)
        errors = torch.where(known.unsqueeze(1), (rest[:, None, 1:] - levels[:, :, :-1]).square(), 0.0).sum(dim=2)
        best = errors.argmin(dim=1, keepdim=True)  # [B 1]
        return levels[:, :, -1].gather(1, best), self.alphas[best]


def theta_bytes(context_length: int) -> int:
    """Gives how much memory the weights of all ages take that one such skip holds."""
    return 8 * len(ALPHAS) * context_length**2


def latest_observed(observed: torch.Tensor) -> torch.Tensor:
    """Gives for each step the last one up to it that is observed [B L] int64; 0 before the first.

    A running maximum in log2(L) passes over whole rows: an export to ONNX knows no `cummax`.
    """
    length = observed.shape[1]
    latest = torch.where(observed, torch.arange(length, device=observed.device), 0)
    reach = 1
    while reach < length:
        latest = torch.maximum(latest, F.pad(latest, (reach, 0))[:, :length])
        reach *= 2
    return latest


def slope(values: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Gives the slope per step [B 1] of the least-squares line through the observed values [B L]; 0 through one."""
    count = observed.sum(dim=1, keepdim=True).clamp(min=1)
    time = torch.arange(values.shape[1], dtype=values.dtype, device=values.device).expand_as(values)
    time = torch.where(observed, time - torch.where(observed, time, 0.0).sum(dim=1, keepdim=True) / count, 0.0)
    return (time * values).sum(dim=1, keepdim=True) / time.square().sum(dim=1, keepdim=True).clamp(min=1e-6)


def seasonal_profile(values: torch.Tensor, observed: torch.Tensor, season_length: int) -> torch.Tensor:
    """Gives the additive season [B m] of values [B L], its first phase that of the step after the last.

    The mean, for each phase, of the differences to a centred moving average over a whole season; phases that have none
    get 0. All is 0 where the season is not significant, or shorter than 2 or longer than half the context.
    """
    m = season_length
    if not 2 <= m <= values.shape[1] // 2:
        return torch.zeros(values.shape[0], max(1, m), dtype=values.dtype, device=values.device)
    missing = -values.shape[1] % m
    values, observed = F.pad(torch.where(observed, values, 0.0), (missing, 0)), F.pad(observed, (missing, 0))
    trend, whole = _moving_average(values, observed, m)
    differs = whole & observed
    seasons = values.shape[0], -1, m
    total = torch.where(differs, values - trend, 0.0).reshape(seasons).sum(dim=1)
    profile = total / differs.reshape(seasons).sum(dim=1).clamp(min=1)
    profile = profile - profile.mean(dim=1, keepdim=True)
    return torch.where(is_seasonal(values, observed, m).unsqueeze(1), profile, 0.0)


def is_seasonal(values: torch.Tensor, observed: torch.Tensor, season_length: int) -> torch.Tensor:
    """Says for which rows [B] the autocorrelation at the season is beyond chance at 10 % (Bartlett's formula)."""
    count = observed.sum(dim=1).clamp(min=1)
    centred = torch.where(observed, values - (values.sum(dim=1) / count).unsqueeze(1), 0.0)
    variance = centred.square().sum(dim=1).clamp(min=torch.finfo(values.dtype).tiny)
    lags = [(centred[:, lag:] * centred[:, :-lag]).sum(dim=1) / variance for lag in range(1, season_length + 1)]
    correlations = torch.stack(lags, dim=1)  # [B m]
    bound = _SIGNIFICANCE * ((1 + 2 * correlations[:, :-1].square().sum(dim=1)) / count).sqrt()
    return (correlations[:, -1].abs() > bound) & (count >= 2 * season_length)


def _moving_average(
    values: torch.Tensor, observed: torch.Tensor, season_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives the centred average over a season [B L], and where [B L] all its steps are observed."""
    width = season_length + 1 - season_length % 2
    kernel = torch.full((1, 1, width), 1 / season_length, dtype=values.dtype, device=values.device)
    if season_length % 2 == 0:
        kernel[..., 0] = kernel[..., -1] = 0.5 / season_length
    ends = (width // 2, width // 2)
    average = F.conv1d(F.pad(values, ends).unsqueeze(1), kernel).squeeze(1)
    share = F.conv1d(F.pad(observed.to(values.dtype), ends).unsqueeze(1), kernel).squeeze(1)
    return average, share > 1 - 0.25 / season_length
