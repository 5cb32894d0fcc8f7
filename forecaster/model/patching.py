"""Cuts steps into patches: `patch_length` steps each, a new one every `stride` steps, all of them whole.

steps   . . . . . 1 2 3 4 5 6 7      7 steps, left-padded as missing to L = 12
patches [. . . .] [. 1 2 3] [4 5 6 7]      P = 4, stride 4, N = 3
real     False     True      True          at least one observed step
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from forecaster.errors import RequestError


def left_pad(context: torch.Tensor, observed: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives context and observed [B length], where the steps put before the given [B L] ones are missing.

    RequestError if the context is longer than `length`.
    """
    missing = length - context.shape[1]
    if missing < 0:
        raise RequestError(
            f"the context has {context.shape[1]} steps, the model sees at most {length}", code="context-too-long"
        )
    return F.pad(context, (missing, 0)), F.pad(observed, (missing, 0))


def cut_patches(steps: torch.Tensor, patch_length: int, stride: int) -> torch.Tensor:
    """Gives patches [B N P ...] of steps [B L ...], N = (L - P) / stride + 1; the newest ends with the last step."""
    return steps.unfold(1, patch_length, stride).movedim(-1, 2)


def patch_ages(length: int, patch_length: int, stride: int) -> torch.Tensor:
    """Gives how many steps before the cutoff each patch [N] of `length` steps ends, oldest first: float32, last 0."""
    return torch.arange(length - patch_length, -1, -stride, dtype=torch.float32)
