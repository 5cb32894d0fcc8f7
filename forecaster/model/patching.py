"""Cuts a context into non-overlapping patches and turns each into a token.

steps   . . . . . 1 2 3 4 5 6 7      7 steps, left-padded as missing to L = 12
patches [. . . .] [. 1 2 3] [4 5 6 7]      P = 4, N = 3
real     False     True      True          at least one observed step
"""

from __future__ import annotations

import torch
from torch import nn
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


class PatchEmbedding(nn.Module):
    """One linear map from the 2P numbers of a patch (its values, and 1 or 0 for observed) to a token of width D."""

    def __init__(self, patch_length: int, d_model: int) -> None:
        super().__init__()
        self.patch_length = patch_length
        self.linear = nn.Linear(2 * patch_length, d_model)

    def forward(self, values: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives tokens [B N D] and real [B N] of scaled values [B L]; L is first padded to whole patches.

        `real` is True where a patch has at least one observed step. Tokens keep the precision of the
        weights even under autocast, since all residual sums of the encoder start from them.
        """
        num_patches = -(-values.shape[1] // self.patch_length)
        values, observed = left_pad(values, observed, num_patches * self.patch_length)
        seen = observed.reshape(-1, num_patches, self.patch_length)
        steps = torch.where(seen, values.reshape(seen.shape), 0.0)
        patches = torch.cat([steps, seen], dim=-1).to(self.linear.weight.dtype)
        return self.linear(patches).to(patches.dtype), seen.any(dim=-1)
