"""The result of explaining a forecast, and its tables: one row per thing and one column per fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.explain.attribution import Attribution
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes


@dataclass(frozen=True)
class Stretches:
    """Runs of steps in time: tokens, or patches of the context. Those before the start of a series count on."""

    first: StoredTimes  # [N] stored time of the first step
    last: StoredTimes  # [N] of the last step
    num_steps: IntArray  # [N]
    is_future: BoolArray  # [N] True where the stretch lies after the cutoff

    @classmethod
    def of(cls, axis: TimeAxis, cutoff: np.generic, spans: Sequence[tuple[int, int]]) -> Stretches:
        """Gives the stretches of spans, which count steps from the cutoff (stored time of the first step ahead)."""
        first, last = np.array(spans, dtype=np.int64).T
        starts = np.full(len(spans), cutoff)
        return cls(
            axis.frequency.advance(starts, first),
            axis.frequency.advance(starts, last),
            last - first + 1,
            first >= 0,
        )


@dataclass(frozen=True)
class Attended:
    """Where the encoder looks for one forecast. Axes: M networks, Y layers, A heads, N tokens."""

    series_id: str
    axis: TimeAxis
    cutoff: np.generic  # stored time of the first step forecast
    spans: tuple[tuple[int, int], ...]  # N first and last step of each token, from the cutoff
    tokens: Stretches
    maps: FloatArray  # [M Y A N N] row = the token that looks, column = what it sees
    roll_out: FloatArray  # [N] sums to 1


@dataclass(frozen=True)
class Explanation:
    """Why one number of a forecast is what it is. Axes: M networks, Y layers, A heads, N tokens or patches, L steps."""

    series_id: str
    axis: TimeAxis
    cutoff: np.generic  # stored time of the first step forecast
    step: int | None  # of the horizon, from 1 on; None: the mean over the horizon
    forecast: float  # the number explained
    flat_forecast: float  # what it would be for a context that is flat at its loc
    tokens: Stretches
    patches: Stretches
    attention: FloatArray  # [M Y A N N] row = the token that looks, column = what it sees
    attention_roll_out: FloatArray  # [N] tokens; sums to 1
    occlusion: Attribution  # by patch
    gradients: Attribution  # by step; adds up to forecast - flat_forecast, but for a small error

    def attention_frame(self) -> pd.DataFrame:
        """Gives one row per network, layer, head, token that looks (`from`) and token that is seen (`to`)."""
        places = np.indices(self.attention.shape).reshape(5, -1)
        first, last = self.axis.label(self.tokens.first), self.axis.label(self.tokens.last)
        *outer, looking, seen = places
        columns = {
            **dict(zip(("network", "layer", "head"), outer, strict=True)),
            "from_token": looking,
            "from_first": first[looking],
            "from_last": last[looking],
            "to_token": seen,
            "to_first": first[seen],
            "to_last": last[seen],
        }
        return pd.DataFrame({**columns, "weight": self.attention.ravel()})

    def token_frame(self) -> pd.DataFrame:
        """Gives one row per token: first and last timestamp, number of steps, past or future, roll-out."""
        return pd.DataFrame({**self._times(self.tokens), "attention_roll_out": self.attention_roll_out})

    def patch_frame(self) -> pd.DataFrame:
        """Gives one row per patch of the context: first and last timestamp, and both attributions."""
        columns = self._times(self.patches)
        shared = self.gradients.values.reshape(len(self.patches.first), -1).sum(axis=1)
        return pd.DataFrame({**columns, "occlusion": self.occlusion.values, "gradients": shared})

    def step_frame(self) -> pd.DataFrame:
        """Gives one row per step of the context: timestamp, and what integrated gradients share out to it."""
        num_steps = len(self.gradients.values)
        stored = self.axis.frequency.advance(np.full(num_steps, self.cutoff), np.arange(-num_steps, 0))
        return pd.DataFrame({"timestamp": self.axis.label(stored), "gradients": self.gradients.values})

    def faithfulness_frame(self) -> pd.DataFrame:
        """Gives one row per method: what hiding its largest parts did, beside hiding random ones."""
        methods = {"occlusion": self.occlusion, "gradients": self.gradients}
        rows = [{"method": name, **asdict(found.faithfulness)} for name, found in methods.items()]
        return pd.DataFrame(rows)

    def _times(self, stretches: Stretches) -> dict[str, object]:
        return {
            "first": self.axis.label(stretches.first),
            "last": self.axis.label(stretches.last),
            "num_steps": stretches.num_steps,
            "is_future": stretches.is_future,
        }
