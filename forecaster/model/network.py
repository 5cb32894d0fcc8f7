"""The whole network: a context in the unit of its data goes in, a forecast distribution comes out.

    context [B L]  --scale------>  values [B L] + Scale
                   --tokens----->  tokens [B N D]           patches, with covariates and a future if any
                   --encoder---->  encodings [B N D]
                   --decoder---->  outputs [B H K+G]        what the head needs, in scaled space, and gates of lags
                   --lags------->  parameters [B H K]       plus gate x value of each cycle earlier, if there are any
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
from forecaster.model.undrawn import Undrawn
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
        self.decoder = DECODERS[config.decoder](
            config, self.tokens, self.head.num_parameters + len(config.resolved_lags)
        )
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
        outputs = self.decoder(self.encoder(tokens, groups), tokens.real).to(tokens.values.dtype)
        return self._with_skip(self._with_lags(outputs, tokens.lags), window, covariates)

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
            num_outputs = self.head.num_parameters + len(self.config.resolved_lags)
            for numbers in (self.decoder.linear.weight, self.decoder.linear.bias):
                for place in (self.head.loc_index, *range(self.head.num_parameters, num_outputs)):
                    numbers[place::num_outputs] *= share

    def reshaped(self, *, context_length: int, horizon: int, lags: tuple[int, ...]) -> Network:
        """Gives a network of these very weights for other lengths and cycles; what trains the one trains the other.

        ConfigError where the weights depend on the lengths, or the number of lags is another one.
        """
        if not self.config.is_length_free or len(lags) != len(self.config.resolved_lags):
            raise ConfigError(
                "a network is reshaped that has decoder 'queries', no skip, no learned positions, and as many lags: "
                f"this one has {self.config.decoder!r}, skip {self.config.skip!r}, positions "
                f"{self.config.positions!r} and {len(self.config.resolved_lags)} lags, not {len(lags)}"
            )
        shape = {"context_length": context_length, "horizon": horizon, "lags": lags}
        config = ModelConfig(**{**self.config.model_dump(), **shape})
        with Undrawn():
            other = Network(config).to(next(self.parameters()).device)
        for name, learned in self.state_dict(keep_vars=True).items():  # the weights, and what was fitted to statics
            owner, _, place = name.rpartition(".")
            setattr(other.get_submodule(owner), place, learned)
        return other.train(self.training)

    def _with_lags(self, outputs: torch.Tensor, lags: torch.Tensor | None) -> torch.Tensor:
        """Gives parameters [B H K] of outputs [B H K+G]: to the location, gate x value of each lag [B H G] is added."""
        if lags is None:
            return outputs
        num = self.head.num_parameters
        return self._moved(outputs[..., :num], (outputs[..., num:] * lags).sum(dim=-1))

    def _with_skip(
        self, parameters: torch.Tensor, window: ScaledContext, covariates: CovariateBatch | None
    ) -> torch.Tensor:
        """Adds the simple forecast to the location among the parameters [B H K]."""
        if self.skip is None:
            return parameters
        located: torch.Tensor = self.skip(window.values, window.observed, covariates)
        return self._moved(parameters, located)

    def _moved(self, parameters: torch.Tensor, locations: torch.Tensor) -> torch.Tensor:
        """Adds [B H] to the location among the parameters [B H K]."""
        is_location = torch.arange(self.head.num_parameters, device=parameters.device) == self.head.loc_index
        return parameters + locations.unsqueeze(-1) * is_location

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
            start = torch.tensor([*self.head.initial_parameters(), *[0.0] * len(self.config.resolved_lags)])
            last.bias.copy_(start.repeat(last.out_features // len(start)))


def scaled_for(config: ModelConfig, context: torch.Tensor, observed: torch.Tensor) -> ScaledContext:
    """Gives the context [B L'] as networks of this config see it: left-padded to L and scaled."""
    context_length, _ = _resolved_lengths(config)
    return scale_context(*left_pad(context, observed, context_length), config.scaling)


def _resolved_lengths(config: ModelConfig) -> tuple[int, int]:
    if config.context_length is None or config.patch_length is None or config.lags == "cycles":
        raise ConfigError(
            f"context_length is {config.context_length}, patch_length is {config.patch_length} and lags are "
            f"{config.lags}: a network needs numbers; ModelConfig.resolved chooses them"
        )
    return config.context_length, config.patch_length
