"""The question behind an explanation: one window, and the number of its forecast that is asked about.

Variants of the window, with patches hidden or values faded, are answered many at a time. A series that sees others
of its group is asked about in their company: each variant then brings its own copy of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.counts import refuse_unfit, takes_any_value
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows, cutoff_times
from forecaster.model.network import Network
from forecaster.model.scaling import ScaledContext, unscale
from forecaster.predictor import Predictor
from forecaster.types import WindowBatch

_ROWS_PER_FORWARD = 256
_WEIGHTS_PER_FORWARD = 1 << 24  # of attention, in one layer: 64 MiB


@dataclass(frozen=True)
class Question:
    """A window in its company of G rows, and the step of its forecast that is asked about."""

    networks: tuple[Network, ...]
    batch: WindowBatch  # [G ...], with the target that followed where there is one
    place: int  # row of the series in the batch
    cutoff: int  # visible steps of the series
    step: int | None  # from 1 on; None: the mean over the horizon

    @property
    def observed(self) -> BoolArray:
        """[L] where the context has a value."""
        return np.asarray(self.batch.observed[self.place].cpu().numpy())

    @property
    def token_spans(self) -> list[tuple[int, int]]:
        """First and last step of each token [N], from the cutoff, up to the horizon: -1 is the last visible step."""
        tokens = self.networks[0].tokens
        return [(first, min(last, tokens.horizon - 1)) for first, last in tokens.spans]

    @property
    def num_future(self) -> int:
        """Tokens of the future, which are the last ones."""
        return self.networks[0].tokens.num_future

    @property
    def patch_spans(self) -> list[tuple[int, int]]:
        """First and last step of each patch that can be hidden: the context cut into runs that do not overlap."""
        length, width = len(self.observed), self.networks[0].tokens.patch_length
        return [(first, first + width - 1) for first in range(-length, 0, width)]

    @property
    def actual(self) -> FloatArray:
        """[H] what followed, NaN where nothing is known of it; the step asked about alone [1], if it is one."""
        target, observed = self.batch.target[self.place], self.batch.target_observed[self.place]
        followed = torch.where(observed, target, torch.nan).cpu().numpy()
        return np.asarray(followed if self.step is None else followed[[self.step - 1]])

    @property
    def most_variants(self) -> int:
        """Variants to be answered at a time, so that their attention fits into memory."""
        weights_each = self.networks[0].config.num_heads * len(self.token_spans) ** 2
        rows = min(_ROWS_PER_FORWARD, _WEIGHTS_PER_FORWARD // weights_each)
        return max(1, rows // len(self.batch.context))

    def real_tokens(self) -> BoolArray:
        """[N] whether a token has an observed step, or lies in the future."""
        return np.array(
            [first >= 0 or self.observed[first : last + 1 or None].any() for first, last in self.token_spans]
        )

    def answer(self) -> float:
        """Gives the number that is asked about."""
        return float(self.forecasts(self.observed[None]).mean())

    def forecasts(self, observed: BoolArray) -> FloatArray:
        """Gives the steps asked about [K H or K 1], where of the context only what `observed` [K L] says is seen."""
        rows_each = len(self.batch.context)
        num_each = self.most_variants
        parts = []
        with torch.inference_mode():
            for begin in range(0, len(observed), num_each):
                part = torch.from_numpy(observed[begin : begin + num_each]).to(self.batch.observed.device)
                copies = self._copies(len(part))
                seen = copies.observed.reshape(len(part), rows_each, -1).clone()
                seen[:, self.place] = part
                window = self.networks[0].scaled(copies.context, seen.flatten(0, 1))
                parts.append(self._located(window, copies).cpu().numpy())
        return np.concatenate(parts)

    def faded(self, values: torch.Tensor) -> torch.Tensor:
        """Gives the number asked about [K] for scaled contexts [K L] in place of the one there is; can be derived."""
        copies = self._copies(len(values))
        scaled = self.networks[0].scaled(copies.context, copies.observed)
        own = torch.zeros(len(copies.context), dtype=torch.bool, device=values.device)
        own[self.place :: len(self.batch.context)] = True
        rows = values.repeat_interleave(len(self.batch.context), dim=0)
        window = ScaledContext(torch.where(own[:, None], rows, scaled.values), scaled.observed, scaled.scale)
        return self._located(window, copies).mean(dim=1)

    def scaled(self) -> torch.Tensor:
        """Gives the context [L] as the network sees it."""
        return self.networks[0].scaled(self.batch.context, self.batch.observed).values[self.place]

    def _copies(self, number: int) -> WindowBatch:
        """Gives the window and its company this many times, each time as a group of its own."""
        rows_each, device = len(self.batch.context), self.batch.context.device
        copies = self.batch.rows(torch.arange(rows_each, device=device).repeat(number))
        return replace(copies, groups=torch.arange(number, device=device).repeat_interleave(rows_each))

    def _located(self, window: ScaledContext, copies: WindowBatch) -> torch.Tensor:
        """Gives the locations asked about [K H or K 1], in the unit of the data, the mean over the networks."""
        place = self.networks[0].head.loc_index
        members = [network.answer(window, copies.covariates, copies.groups)[..., place] for network in self.networks]
        located = unscale(torch.stack(members).mean(dim=0), window.scale)[self.place :: len(self.batch.context)]
        return located if self.step is None else located[:, [self.step - 1]]


def ask(predictor: Predictor, panel: Panel, position: int, cutoff: int | None, step: int | None) -> Question:
    """Gives the question about a series of a panel; by default at its end, in the company that ends with it.

    At an earlier cutoff all series of its group that reach as far are its company. FrequencyError for a panel of
    another frequency, ColumnError for a covariate that it lacks, SeriesError for values that the model cannot take in.
    """
    predictor.check_frequency(panel)
    config = predictor.network.config
    windows = Windows.for_model(panel, config)
    addresses = _company(panel, position, cutoff) if config.channels == "group" else _alone(panel, position, cutoff)
    if not takes_any_value(config):
        refuse_unfit(panel.select(addresses.series), config)
    batch = windows.gather(addresses).to(predictor.ensemble.device)
    place = int(np.flatnonzero(addresses.series == position)[0])
    return Question(predictor.networks, batch, place, int(addresses.cutoffs[place]), step)


def _alone(panel: Panel, position: int, cutoff: int | None) -> WindowAddresses:
    visible = panel.lengths[position] if cutoff is None else cutoff
    return WindowAddresses(np.array([position]), np.array([visible], dtype=np.int64))


def _company(panel: Panel, position: int, cutoff: int | None) -> WindowAddresses:
    members = np.flatnonzero(panel.group_numbers == panel.group_numbers[position])
    own = _alone(panel, position, cutoff)
    time = cutoff_times(panel, own)
    cutoffs: IntArray = panel.axis.frequency.positions(panel.starts[members], np.repeat(time, len(members)))
    lengths = panel.lengths[members]
    there = (cutoffs == lengths) if cutoff is None else (cutoffs >= 0) & (cutoffs <= lengths)
    return WindowAddresses(members[there], cutoffs[there])
