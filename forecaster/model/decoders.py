"""From encodings to what the head needs of each step, and how much of each lag is added: two ways, one table."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.tokens import TokenEmbedding


class FlattenedDecoder(nn.Module):
    """One linear map from all tokens together to all steps of the horizon."""

    def __init__(self, config: ModelConfig, tokens: TokenEmbedding, num_outputs: int) -> None:
        super().__init__()
        self.shape = (config.horizon, num_outputs)
        self.linear = nn.Linear(tokens.num_tokens * config.d_model, config.horizon * num_outputs)

    def forward(self, encodings: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Gives outputs [B H K+G] of encodings [B N D]; those of tokens that are not real [B N] count as 0."""
        seen = encodings.masked_fill(~real.unsqueeze(-1), 0.0).flatten(1)
        outputs: torch.Tensor = self.linear(seen)
        return outputs.reshape(-1, *self.shape)


class QueryDecoder(nn.Module):
    """The same linear map for each token of the future, to the steps of its own patch."""

    def __init__(self, config: ModelConfig, tokens: TokenEmbedding, num_outputs: int) -> None:
        super().__init__()
        self.horizon, self.num_future, self.num_outputs = config.horizon, tokens.num_future, num_outputs
        self.linear = nn.Linear(config.d_model, tokens.patch_length * num_outputs)

    def forward(self, encodings: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Gives outputs [B H K+G] of encodings [B N D], the last tokens of which are those of the future."""
        outputs: torch.Tensor = self.linear(encodings[:, -self.num_future :])
        return outputs.reshape(outputs.shape[0], -1, self.num_outputs)[:, : self.horizon]


Decoder = FlattenedDecoder | QueryDecoder

DECODERS: dict[str, Callable[[ModelConfig, TokenEmbedding, int], Decoder]] = {
    "flattened": FlattenedDecoder,
    "queries": QueryDecoder,
}
