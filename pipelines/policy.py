"""The promotion policy: a pure decision on scores from the same folds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from forecaster.metrics import Scores


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, and why."""

    promote: bool
    reason: str


def decide(challenger: Scores, champion: Scores | None, naive: Scores, min_gain: float) -> Decision:
    """Promotes only what beats the seasonal naive, and the champion (if there is one) by `min_gain`, in MASE."""
    if not math.isfinite(challenger.mase):
        return Decision(False, "the challenger's MASE is not finite on these folds")
    if not challenger.mase < naive.mase:
        return Decision(False, f"MASE {challenger.mase:.4f} does not beat the seasonal naive's {naive.mase:.4f}")
    gain_over_naive = f"MASE {challenger.mase:.4f} beats the seasonal naive's {naive.mase:.4f}"
    if champion is None:
        return Decision(True, f"{gain_over_naive}; there is no champion to compare with")
    if math.isfinite(champion.mase) and not challenger.mase < champion.mase * (1.0 - min_gain):
        wanted = f" by {min_gain:.1%}" if min_gain else ""
        return Decision(False, f"MASE {challenger.mase:.4f} does not beat the champion's {champion.mase:.4f}{wanted}")
    return Decision(True, f"{gain_over_naive} and the champion's {champion.mase:.4f}")
