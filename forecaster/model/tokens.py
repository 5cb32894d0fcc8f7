"""From steps to tokens: everything known of a patch of steps becomes one vector, in the past and in the future alike.

    step     value observed | lags | past covariates | known covariates | calendar      one row of C numbers
    patch    P steps in a row                                                    P x C numbers -> token [D]

A patch of the future is a patch whose value is not observed: it enters by the same map, marked by a vector of its
own. Missing numbers are 0 with observed 0. What holds for the whole series is added to each of its tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from forecaster.config import ModelConfig
from forecaster.errors import RequestError
from forecaster.model.lags import lagged, sources
from forecaster.model.patching import cut_patches, patch_ages
from forecaster.model.scaling import ScaledContext, scale_context, scale_covariate
from forecaster.types import CovariateBatch, Masked

# Static numbers count as no further than this many standard deviations from the mean of the training series. None of
# those is beyond sqrt(S - 1) (Samuelson 1968), so training never meets it; in float32 squares overflow from 1e19 on.
LARGEST_SCALED_STATIC = 1e6


@dataclass(frozen=True)
class Tokens:
    """Tokens in order: the coarse resolution, if there is one, then the fine one, then the future."""

    values: torch.Tensor  # [B N D]
    real: torch.Tensor  # [B N] bool, False where a past patch has no observed step
    # float32, patches between the end of the token and the cutoff, negative ahead: by steps [N], or by time [B N]
    ages: torch.Tensor
    lags: torch.Tensor | None = None  # [B H G] scaled values a cycle or more before each step ahead, 0 where missing


class TokenEmbedding(nn.Module):
    """Makes the tokens of a window; `spans` says which steps each of them covers."""

    ages: torch.Tensor  # [N], by steps
    ends: torch.Tensor  # [N] int64, the last step of each token, from the first of the context
    sources: torch.Tensor  # [L+H G] int64, the step of the context that each step is shown by each lag

    def __init__(self, config: ModelConfig, context_length: int, patch_length: int) -> None:
        super().__init__()
        self.needs_covariates, self.reads_elapsed = not config.reads_context_alone, config.reads_elapsed
        self.context_length, self.patch_length, self.horizon = context_length, patch_length, config.horizon
        num_numbers = _num_numbers(config)
        resolutions = [(config.coarse_patch_length, config.coarse_patch_length)] if config.coarse_patch_length else []
        resolutions.append((patch_length, config.patch_stride or patch_length))
        self.resolutions = [(length, stride) for length, stride in resolutions if length and stride]
        self.embeddings = nn.ModuleList(nn.Linear(n * num_numbers, config.d_model) for n, _ in self.resolutions)
        self.num_future = math.ceil(config.horizon / patch_length) if _looks_ahead(config) else 0
        # Made only where it is used: a weight without a gradient would halt training on several processes.
        self.future_mark = nn.Parameter(torch.empty(config.d_model).normal_(std=0.02)) if self.num_future else None
        self.static = StaticEmbedding(config) if config.covariates.static or config.covariates.categories else None
        self.register_buffer("ages", self._ages(), persistent=False)
        ends = torch.tensor([context_length + last for _, last in self.spans])
        self.register_buffer("ends", ends, persistent=False)
        found = sources(context_length, config.horizon, config.resolved_lags)
        self.register_buffer("sources", found, persistent=False)

    @property
    def num_tokens(self) -> int:
        """N, those of the future included."""
        return len(self.ages)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last step of each token [N], from the cutoff: -1 is the last visible step, 0 the first ahead."""
        spans = [
            (end - length, end - 1)
            for length, stride in self.resolutions
            for end in range(length - self.context_length, 1, stride)
        ]
        return spans + [(i * self.patch_length, (i + 1) * self.patch_length - 1) for i in range(self.num_future)]

    def forward(self, window: ScaledContext, covariates: CovariateBatch | None) -> Tokens:
        """Gives the tokens of a window of context_length steps; RequestError where covariates are needed and absent."""
        if covariates is None and self.needs_covariates:
            raise RequestError("this model needs covariates and got none", code="missing-covariates")
        lags = lagged(window.values, window.observed, self.sources) if self.sources.numel() else None
        steps = self._steps(window, covariates, lags)
        length = self.context_length
        parts, real = [], []
        for embedding, (patch, stride) in zip(self.embeddings, self.resolutions, strict=True):
            parts.append(_embed(embedding, cut_patches(steps[:, :length], patch, stride)))
            real.append(cut_patches(window.observed, patch, stride).any(dim=-1))
        if self.future_mark is not None:
            ahead = F.pad(steps[:, length:], (0, 0, 0, self.num_future * self.patch_length - self.horizon))
            future = _embed(self.embeddings[-1], cut_patches(ahead, self.patch_length, self.patch_length))
            parts.append(future + self.future_mark)
            real.append(torch.ones(future.shape[:2], dtype=torch.bool, device=future.device))
        values = torch.cat(parts, dim=1)
        if self.static is not None and covariates is not None:
            values = values + self.static(covariates).unsqueeze(1)
        seen = None if lags is None else lags.values[:, length:]
        return Tokens(values, torch.cat(real, dim=1), self._ages_of(covariates), seen)

    def _steps(self, window: ScaledContext, covariates: CovariateBatch | None, lags: Masked | None) -> torch.Tensor:
        """Gives what is known of each step [B L C], or [B L+H C] where the future has tokens."""
        ahead = self.horizon if self.num_future else 0
        columns = [*_columns(Masked(window.values, window.observed), ahead)]
        if lags is not None:  # value and observed of the first lag, of the second, ...
            columns.append(torch.stack([lags.values, lags.observed.to(lags.values.dtype)], dim=-1).flatten(-2))
        if covariates is not None:
            length = self.context_length + ahead
            columns += _columns(scale_covariate(covariates.past), ahead)
            columns += [part[:, :length] for part in _columns(scale_covariate(covariates.known), 0)]
            columns.append(covariates.calendar[:, :length])
        precision = next(self.embeddings.parameters()).dtype
        return torch.cat([part.to(precision) for part in columns], dim=-1)

    def _ages_of(self, covariates: CovariateBatch | None) -> torch.Tensor:
        """Gives the ages of the tokens: by steps [N], or by time [B N]; steps beyond the horizon have mean length."""
        if not self.reads_elapsed:
            return self.ages
        elapsed = None if covariates is None else covariates.elapsed
        if elapsed is None:
            raise RequestError("this model needs the elapsed time of each step and got none", code="missing-covariates")
        num_further = max(0, self.num_future * self.patch_length - self.horizon)  # the last patch ahead is whole
        further = torch.arange(1, num_further + 1, device=elapsed.device)
        return torch.cat([elapsed, elapsed[:, -1:] - further], dim=1)[:, self.ends] / self.patch_length

    def _ages(self) -> torch.Tensor:
        past = [patch_ages(self.context_length, length, stride) for length, stride in self.resolutions]
        ahead = -torch.arange(1, self.num_future + 1, dtype=torch.float32) * self.patch_length
        return torch.cat([*past, ahead]) / self.patch_length


class StaticEmbedding(nn.Module):
    """Turns what holds for a whole series into one vector [D]: a linear map of numbers, a vector for each category.

    Numbers are standardised by `loc` and `spread`, which the trainer takes from its series, and clipped to
    LARGEST_SCALED_STATIC. Category 0 stands for missing and for texts that training has not met; where training has
    met no such series, the trainer gives it the mean of the vectors of the others.
    """

    loc: torch.Tensor  # [F] float64
    spread: torch.Tensor  # [F] float64

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        names, categories = config.covariates.static, config.covariates.categories
        self.linear = nn.Linear(2 * len(names), config.d_model, bias=False) if names else None
        self.tables = nn.ModuleList(nn.Embedding(1 + len(texts), config.d_model) for texts in categories.values())
        self.register_buffer("loc", torch.zeros(len(names), dtype=torch.float64))
        self.register_buffer("spread", torch.ones(len(names), dtype=torch.float64))

    def scale_by(self, numbers: torch.Tensor) -> None:
        """Takes mean and standard deviation of the static numbers [S F] of the training series, NaN where missing."""
        scaled = scale_context(numbers.T, ~numbers.T.isnan()).scale
        self.loc.copy_(scaled.loc.squeeze(1))
        self.spread.copy_(torch.where(scaled.spread > 0, scaled.spread, 1.0).squeeze(1))

    def forward(self, covariates: CovariateBatch) -> torch.Tensor:
        """Gives [B D]."""
        parts = [table(covariates.categories[:, place]) for place, table in enumerate(self.tables)]
        if self.linear is not None:
            observed = covariates.static.observed
            scaled = (covariates.static.values - self.loc) / self.spread
            numbers = torch.where(observed, scaled.clamp(-LARGEST_SCALED_STATIC, LARGEST_SCALED_STATIC), 0.0)
            parts.append(self.linear(torch.cat([numbers, observed], dim=-1).to(self.linear.weight.dtype)))
        return torch.stack(parts).sum(dim=0)


def _embed(embedding: nn.Module, patches: torch.Tensor) -> torch.Tensor:
    """Gives tokens [B N D] of patches [B N P C], in the precision of the weights even under autocast.

    All residual sums of the encoder start from them.
    """
    tokens: torch.Tensor = embedding(patches.flatten(2))
    return tokens.to(patches.dtype)


def _columns(numbers: Masked, ahead: int) -> list[torch.Tensor]:
    """Gives values and observed as columns [B T F], T grown by `ahead` steps that are not observed."""
    pair = [numbers.values, numbers.observed]
    return [F.pad(part if part.ndim == 3 else part.unsqueeze(-1), (0, 0, 0, ahead)) for part in pair]


def _num_numbers(config: ModelConfig) -> int:
    """Gives the numbers known of a step (C)."""
    covariates = config.covariates
    return 2 * (1 + len(config.resolved_lags) + len(covariates.past) + len(covariates.known)) + len(covariates.calendar)


def _looks_ahead(config: ModelConfig) -> bool:
    """Says whether there are tokens of the future: as queries, or because something of it is known."""
    known = config.covariates.known or config.covariates.calendar or config.resolved_lags
    return config.decoder == "queries" or bool(known)
