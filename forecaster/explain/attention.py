"""Attention as it is, and rolled out over the layers.

A later layer looks at mixtures of what earlier ones looked at. Roll-out (Abnar and Zuidema 2020, "Quantifying
Attention Flow in Transformers") follows the mixing back to the tokens: each layer is taken as half its attention,
averaged over heads, and half the identity, which stands for what was there already; the layers are multiplied.
Attention across a group takes no part in it.
"""

from __future__ import annotations

import numpy as np
import torch

from forecaster.arrays import BoolArray, FloatArray
from forecaster.explain.question import Question

_RESIDUAL = 0.5


def attention_maps(question: Question) -> FloatArray:
    """Gives the attention weights of each network, layer and head: row = the token that looks, column = what it sees.

    Shape [M Y A N N]: M networks, Y layers, A heads, N tokens.
    """
    batch = question.batch
    groups = torch.zeros(len(batch.context), dtype=torch.int64, device=batch.context.device)
    with torch.inference_mode():
        maps = [
            torch.stack(network.attention(batch.context, batch.observed, batch.covariates, groups))
            for network in question.networks
        ]
    return np.asarray(torch.stack(maps)[:, :, question.place].double().cpu().numpy())


def attention_roll_out(maps: FloatArray, real: BoolArray, num_future: int) -> FloatArray:
    """Gives how much each token [N] takes part in the forecast, by maps [M Y A N N]; sums to 1.

    The forecast is read off the tokens of the future where there are any, and else off all `real` [N] ones.
    """
    num_tokens = len(real)
    layers = _RESIDUAL * maps.mean(axis=2) + (1 - _RESIDUAL) * np.eye(num_tokens)  # [M Y N N]
    layers = layers / layers.sum(axis=-1, keepdims=True)
    mixed = np.broadcast_to(np.eye(num_tokens), layers[:, 0].shape)
    for layer in range(layers.shape[1]):
        mixed = layers[:, layer] @ mixed
    readers = np.arange(num_tokens) >= num_tokens - num_future if num_future else real
    return np.asarray(mixed[:, readers].mean(axis=(0, 1)))
