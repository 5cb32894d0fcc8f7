"""What each patch of the context contributes to a forecast, told in two ways that fail differently.

Occlusion asks what the model would have said without a patch: exact, but blind to what two patches say together.
Integrated gradients (Sundararajan et al. 2017) share out the whole difference to a flat context, but look at
contexts on the way that the model has never seen. Captum has both; here a patch is hidden by its mask and not by a
value, a forecast has a scale that must stay in place, and what is left then is shorter than the wrapping of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from forecaster.arrays import FloatArray
from forecaster.explain.faithfulness import Faithfulness, without
from forecaster.explain.question import Question

_POINTS_PER_PASS = 32


@dataclass(frozen=True)
class Attribution:
    """What each part of the context contributes, in the unit of the data, and whether that is true to the model."""

    values: FloatArray  # [N] patches or [L] steps; positive: the part makes the forecast larger
    faithfulness: Faithfulness


def occlusion(question: Question) -> FloatArray:
    """Gives for each patch [N] the forecast minus the one without it; 0 for a patch that has no value.

    Without its only patch the network has nothing to say but 0, as for any context without a value.
    """
    singles = np.eye(len(question.patch_spans), dtype=np.bool_)
    forecasts = question.forecasts(np.concatenate([question.observed[None], without(question, singles)])).mean(axis=1)
    return np.asarray(forecasts[0] - forecasts[1:])


def integrated_gradients(question: Question, num_points: int) -> tuple[float, FloatArray]:
    """Gives the forecast of a flat context, and how the difference to it is shared out to the steps [L].

    The context is faded in from flat, all at its loc, with its scale kept. The gradients with regard to the scaled
    values are averaged over the midpoints of `num_points` equal parts of the way, and multiplied by the values. Up to
    the error of this sum (32 points leave about a thousandth) the parts add up to the forecast minus that of the
    flat context.
    """
    values = question.scaled()
    shares = (torch.arange(num_points, dtype=values.dtype, device=values.device) + 0.5) / num_points
    total = torch.zeros_like(values, dtype=torch.float64)
    points_each = min(_POINTS_PER_PASS, question.most_variants)
    for begin in range(0, num_points, points_each):
        faded = (shares[begin : begin + points_each, None] * values).requires_grad_()
        (gradients,) = torch.autograd.grad(question.faded(faded).sum(), faded)
        total += gradients.sum(dim=0)
    with torch.inference_mode():
        flat = question.faded(torch.zeros_like(values)[None])
    return float(flat), np.asarray((total / num_points * values).cpu().numpy())
