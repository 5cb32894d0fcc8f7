"""The whole network: a context in the unit of its data goes in, a forecast distribution comes out.

    context [B L]  --standardize-->  values [B L] + Scale
                   --patches------>  tokens [B N D]
                   --encoder------>  encodings [B N D]
                   --projection--->  parameters [B H K]     what the head needs, in scaled space
                   --head--------->  quantiles [B H Q]      ascending
                   --unscale------>  quantiles [B H Q]      in the unit of the data

It knows no trainer. No step of `forward` depends on the data in its control flow, so it can be compiled and exported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.attention import MultiHeadAttention
from forecaster.model.encoder import Encoder, FeedForward
from forecaster.model.heads import HEADS
from forecaster.model.patching import PatchEmbedding, left_pad
from forecaster.model.scaling import scale_target, standardize, unscale
from forecaster.types import Scale, WindowBatch


@dataclass(frozen=True)
class NetworkOutput:
    """What one forward pass gives: the head's parameters in scaled space, and the way back."""

    parameters: torch.Tensor  # [B H K]
    scale: Scale


class Network(nn.Module):
    """Scaling, patches, encoder and head, as one `ModelConfig` describes them.

    ConfigError unless context_length and patch_length are set (`ModelConfig.resolved` sets them).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.context_length, patch_length = _resolved_lengths(config)
        num_patches = self.context_length // patch_length
        self.head = HEADS[config.head](config)
        self.embedding = PatchEmbedding(patch_length, config.d_model)
        self.encoder = Encoder(num_patches, config)
        self.projection = nn.Linear(num_patches * config.d_model, config.horizon * self.head.num_parameters)
        self._draw_weights()

    @property
    def level_range(self) -> tuple[float, float]:
        """Lowest and highest quantile level that can be asked for."""
        return self.head.level_range

    def forward(self, context: torch.Tensor, observed: torch.Tensor) -> NetworkOutput:
        """Gives the distribution that follows context [B L'] float64, observed [B L'] bool, with 1 <= L' <= L.

        What stands under observed False is never read. A shorter context counts as missing on the left.
        """
        window = standardize(*left_pad(context, observed, self.context_length))
        tokens, real = self.embedding(window.values, window.observed)
        encodings = self.encoder(tokens, real)
        seen = encodings.masked_fill(~real.unsqueeze(-1), 0.0).flatten(1)
        parameters = self.projection(seen).to(tokens.dtype)
        return NetworkOutput(parameters.reshape(-1, self.config.horizon, self.head.num_parameters), window.scale)

    def loss(self, batch: WindowBatch) -> torch.Tensor:
        """Gives the head's mean loss in scaled space, over observed targets that follow a context that varies.

        A constant context has no unit to measure an error in. With nothing left to learn from the loss is 0
        and so is its gradient.
        """
        output = self(batch.context, batch.observed)
        target = scale_target(batch.target, output.scale)
        return self.head.loss(output.parameters, target, batch.target_observed & (output.scale.spread > 0))

    def quantiles(self, context: torch.Tensor, observed: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
        """Gives the quantiles [B H Q] float64 at ascending levels, in the unit of the context.

        RequestError for a level outside `level_range` or a context longer than `context_length`.
        """
        output = self(context, observed)
        return unscale(self.head.quantiles(output.parameters, levels), output.scale)

    def attention(self, context: torch.Tensor, observed: torch.Tensor) -> list[torch.Tensor]:
        """Gives the attention weights [B A N N] of each layer: row = the token that looks, column = what it sees.

        N counts the patches of the full context_length, oldest first; those without an observed step weigh 0.
        """
        window = standardize(*left_pad(context, observed, self.context_length))
        return list(self.encoder.attention_maps(*self.embedding(window.values, window.observed)))

    def _draw_weights(self) -> None:
        """Draws the weights so that signals keep their size and the first forecast is near the context's mean.

        Linear maps keep variance (Glorot and Bengio 2010). What blocks add to the residual stream is made
        smaller by sqrt(2 num_layers), so depth does not swell it (as in GPT-2, Radford et al. 2019). The
        projection starts 10 times below variance-keeping around the head's initial parameters: a fresh
        network forecasts roughly a normal with the context's mean and spread, and any context can move it.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, MultiHeadAttention | FeedForward):
                    module.outward.weight /= math.sqrt(2 * self.config.num_layers)
            self.projection.weight.normal_(std=0.1 / math.sqrt(self.projection.in_features))
            start = torch.tensor(self.head.initial_parameters())
            self.projection.bias.copy_(start.repeat(self.config.horizon))


def _resolved_lengths(config: ModelConfig) -> tuple[int, int]:
    if config.context_length is None or config.patch_length is None:
        raise ConfigError(
            f"context_length is {config.context_length} and patch_length is {config.patch_length}: "
            "a network needs both; ModelConfig.resolved chooses them"
        )
    return config.context_length, config.patch_length
