"""From encodings to the head's parameters: two ways, one table of names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.tokens import TokenEmbedding


class FlattenedDecoder(nn.Module):
    """One linear map from all tokens together to all steps of the horizon."""

    def __init__(self, config: ModelConfig, tokens: TokenEmbedding, num_parameters: int) -> None:
        super().__init__()
        self.shape = (config.horizon, num_parameters)
        self.linear = nn.Linear(tokens.num_tokens * config.d_model, config.horizon * num_parameters)

    def forward(self, encodings: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Gives parameters [B H K] of encodings [B N D]; those of tokens that are not real [B N] count as 0."""
        seen = encodings.masked_fill(~real.unsqueeze(-1), 0.0).flatten(1)
        parameters: torch.Tensor = self.linear(seen)
        return parameters.reshape(-1, *self.shape)


class QueryDecoder(nn.Module):
    """The same linear map for each token of the future, to the steps of its own patch."""

    def __init__(self, config: ModelConfig, tokens: TokenEmbedding, num_parameters: int) -> None:
        super().__init__()
        self.horizon, self.num_future, self.num_parameters = config.horizon, tokens.num_future, num_parameters
        self.linear = nn.Linear(config.d_model, tokens.patch_length * num_parameters)

    def forward(self, encodings: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Gives parameters [B H K] of encodings [B N D], the last tokens of which are those of the future."""
        parameters: torch.Tensor = self.linear(encodings[:, -self.num_future :])
        return parameters.reshape(parameters.shape[0], -1, self.num_parameters)[:, : self.horizon]


Decoder = FlattenedDecoder | QueryDecoder

DECODERS: dict[str, Callable[[ModelConfig, TokenEmbedding, int], Decoder]] = {
    "flattened": FlattenedDecoder,
    "queries": QueryDecoder,
}
