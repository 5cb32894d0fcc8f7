"""The whole network: a context in the unit of its data goes in, a forecast distribution comes out.

    context [B L]  --scale------>  values [B L] + Scale
                   --tokens----->  tokens [B N D]           patches, with covariates and a future if any
                   --encoder---->  encodings [B N D]
                   --decoder---->  parameters [B H K]       what the head needs, in scaled space
                   --skip------->  parameters [B H K]       plus a simple forecast, if there is one
                   --head------->  quantiles [B H Q]        ascending
                   --unscale---->  quantiles [B H Q]        in the unit of the data

It knows no trainer. No step of `forward` depends on the data in its control flow, so it can be compiled and exported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.attention import MultiHeadAttention
from forecaster.model.decoders import DECODERS
from forecaster.model.encoder import Encoder
from forecaster.model.feed_forward import FeedForward
from forecaster.model.heads import HEADS
from forecaster.model.patching import left_pad
from forecaster.model.scaling import ScaledContext, scale_context, scale_target
from forecaster.model.skips import SKIPS
from forecaster.model.tokens import TokenEmbedding
from forecaster.types import CovariateBatch, Scale, WindowBatch


@dataclass(frozen=True)
class NetworkOutput:
    """What one forward pass gives: the head's parameters in scaled space, and the way back."""

    parameters: torch.Tensor  # [B H K]
    scale: Scale


class Network(nn.Module):
    """Scaling, tokens, encoder, decoder and head, as one `ModelConfig` describes them.

    ConfigError unless context_length and patch_length are set (`ModelConfig.resolved` sets them).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.context_length, patch_length = _resolved_lengths(config)
        self.head = HEADS[config.head](config)
        self.tokens = TokenEmbedding(config, self.context_length, patch_length)
        self.encoder = Encoder(self.tokens.num_tokens, config)
        self.decoder = DECODERS[config.decoder](config, self.tokens, self.head.num_parameters)
        self.skip = None if config.skip == "none" else SKIPS[config.skip](config, self.context_length)
        self._draw_weights()

    @property
    def level_range(self) -> tuple[float, float]:
        """Lowest and highest quantile level that can be asked for."""
        return self.head.level_range

    def forward(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> NetworkOutput:
        """Gives the distribution that follows context [B L'] float64, observed [B L'] bool, with 1 <= L' <= L.

        What stands under observed False is never read. A shorter context counts as missing on the left. Rows of
        equal `groups` [B] stand at one cutoff and see each other where the config says so; by default each is
        alone. RequestError where the config names covariates, or positions by time, and none are given.
        """
        window = self.scaled(context, observed)
        return NetworkOutput(self.answer(window, covariates, groups), window.scale)

    def answer(
        self, window: ScaledContext, covariates: CovariateBatch | None = None, groups: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Gives the head's parameters [B H K] for a context that is scaled already."""
        tokens = self.tokens(window, covariates)
        parameters = self.decoder(self.encoder(tokens, groups), tokens.real).to(tokens.values.dtype)
        return self._with_skip(parameters, window, covariates)

    def scaled(self, context: torch.Tensor, observed: torch.Tensor) -> ScaledContext:
        """Gives the context [B L'] as the network sees it: left-padded to L and scaled."""
        return scaled_for(self.config, context, observed)

    def loss(self, batch: WindowBatch) -> torch.Tensor:
        """Gives the head's mean loss in scaled space, over observed targets that follow a context that varies.

        A constant context has no unit to measure an error in. With nothing left to learn from the loss is 0
        and so is its gradient.
        """
        output = self(batch.context, batch.observed, batch.covariates, batch.groups)
        target = scale_target(batch.target, output.scale)
        observed = batch.target_observed & (output.scale.spread > 0)
        return self.head.loss(output.parameters, target, observed, output.scale)

    def attention(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Gives the attention weights [B A N N] of each layer: row = the token that looks, column = what it sees.

        The steps that token n covers are `tokens.spans[n]`; tokens without an observed step weigh 0.
        """
        tokens = self.tokens(self.scaled(context, observed), covariates)
        return list(self.encoder.attention_maps(tokens, groups))

    def shrink_correction(self, share: float) -> None:
        """Multiplies what the encoder adds to the location of the forecast by `share`."""
        with torch.no_grad():
            for numbers in (self.decoder.linear.weight, self.decoder.linear.bias):
                numbers[self.head.loc_index :: self.head.num_parameters] *= share

    def _with_skip(
        self, parameters: torch.Tensor, window: ScaledContext, covariates: CovariateBatch | None
    ) -> torch.Tensor:
        """Adds the simple forecast to the location among the parameters [B H K]."""
        if self.skip is None:
            return parameters
        location = torch.zeros(self.head.num_parameters, device=parameters.device)
        location[self.head.loc_index] = 1.0
        located: torch.Tensor = self.skip(window.values, window.observed, covariates)
        return parameters + located.unsqueeze(-1) * location

    def _draw_weights(self) -> None:
        """Draws the weights so that signals keep their size and the first forecast is near the context's mean.

        Linear maps keep variance (Glorot and Bengio 2010). What blocks add to the residual stream is made
        smaller by sqrt(2 num_layers), so depth does not swell it (as in GPT-2, Radford et al. 2019). The
        decoder starts 10 times below variance-keeping around the head's initial parameters: a fresh
        network forecasts roughly a normal with the context's mean and spread, and any context can move it.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, MultiHeadAttention | FeedForward):
                    module.outward.weight /= math.sqrt(2 * self.config.num_layers)
            last = self.decoder.linear
            last.weight.normal_(std=0.1 / math.sqrt(last.in_features))
            start = torch.tensor(self.head.initial_parameters())
            last.bias.copy_(start.repeat(last.out_features // len(start)))


def scaled_for(config: ModelConfig, context: torch.Tensor, observed: torch.Tensor) -> ScaledContext:
    """Gives the context [B L'] as networks of this config see it: left-padded to L and scaled."""
    context_length, _ = _resolved_lengths(config)
    return scale_context(*left_pad(context, observed, context_length), config.scaling)


def _resolved_lengths(config: ModelConfig) -> tuple[int, int]:
    if config.context_length is None or config.patch_length is None:
        raise ConfigError(
            f"context_length is {config.context_length} and patch_length is {config.patch_length}: "
            "a network needs both; ModelConfig.resolved chooses them"
        )
    return config.context_length, config.patch_length
