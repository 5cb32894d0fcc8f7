"""Quantile functions known at some levels: values between and beyond the levels, probabilities, mixtures.

Between two levels a quantile function is linear in the level. Beyond the outermost it follows the normal
distribution through the two outermost quantiles of that side (flat where these are equal), so that a normal keeps
its tails; with a single level it is a constant.
"""

from __future__ import annotations

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.level_weights import cell_edges
from forecaster.normal import normal_probabilities, normal_quantiles

# Probabilities stay this far from 0 and 1, where tails have no end.
SMALLEST_PROBABILITY = 1e-4

_NUM_ATOMS = 100
_ATOMS_PER_CELL = 8
_ATOMS_AT_A_TIME = 1 << 21


def quantiles_at(values: FloatArray, levels: tuple[float, ...], wanted: FloatArray) -> FloatArray:
    """Gives the quantiles [... n] at the levels wanted [... n], for values [... Q] known at ascending `levels`."""
    if len(levels) == 1:
        return np.broadcast_to(values, np.broadcast_shapes(values.shape, wanted.shape))
    known = np.asarray(levels)
    segment = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, len(levels) - 2)
    share = _share(known, segment, wanted)
    shape = np.broadcast_shapes(values.shape[:-1], wanted.shape[:-1])
    values = np.broadcast_to(values, (*shape, len(levels)))
    segment = np.broadcast_to(segment, (*shape, wanted.shape[-1]))
    low = np.take_along_axis(values, segment, axis=-1)
    high = np.take_along_axis(values, segment + 1, axis=-1)
    return np.asarray(low + share * (high - low))


def probabilities(values: FloatArray, levels: tuple[float, ...], actual: FloatArray) -> FloatArray:
    """Gives the probability [...] of staying below the actual values [...], for quantiles [... Q]; NaN stays NaN.

    Where several quantiles equal the actual value, it is the middle of their levels. Never nearer to 0 or 1
    than SMALLEST_PROBABILITY.
    """
    known, place = np.asarray(levels), actual[..., np.newaxis]
    below, up_to = (values < place).sum(axis=-1), (values <= place).sum(axis=-1)
    on_level = (known[np.minimum(below, len(levels) - 1)] + known[np.maximum(up_to - 1, 0)]) / 2
    found = np.where(up_to > below, on_level, _between(values, known, actual, below))
    kept = np.clip(found, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.where(np.isnan(actual), np.nan, kept)


def cell_means(values: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Gives for each level the mean of the quantiles [... Q] over the levels nearest to it [... Q].

    Together, weighted by `level_weights`, they have the mean of the distribution and nearly its variance, which
    the quantiles at the levels themselves would understate.
    """
    edges = cell_edges(levels)
    share = (np.arange(_ATOMS_PER_CELL) + 0.5) / _ATOMS_PER_CELL
    wanted = edges[:-1, np.newaxis] + share * np.diff(edges)[:, np.newaxis]
    atoms = quantiles_at(values, levels, wanted.ravel())
    return np.asarray(atoms.reshape(*values.shape[:-1], len(levels), _ATOMS_PER_CELL).mean(axis=-1))


def mixture(
    values: FloatArray, weights: FloatArray, levels: tuple[float, ...], wanted: tuple[float, ...]
) -> FloatArray:
    """Gives the quantiles [S H Q'] at `wanted` of the mixture, by weight [M], of M distributions [S M H Q].

    Each distribution becomes 100 atoms of equal probability, so levels nearer than 1 / 200 to 0 or 1 are those of the
    outermost atoms.
    """
    size = max(1, _ATOMS_AT_A_TIME // (values.shape[1] * values.shape[2] * _NUM_ATOMS))
    parts = [_mixture(values[i : i + size], weights, levels, wanted) for i in range(0, len(values), size)]
    return np.concatenate(parts)


def _mixture(
    values: FloatArray, weights: FloatArray, levels: tuple[float, ...], wanted: tuple[float, ...]
) -> FloatArray:
    atoms = quantiles_at(values, levels, (np.arange(_NUM_ATOMS) + 0.5) / _NUM_ATOMS)
    num_series, num_members, horizon, _ = atoms.shape
    flat = np.moveaxis(atoms, 1, 2).reshape(num_series, horizon, num_members * _NUM_ATOMS)
    order = np.argsort(flat, axis=-1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=-1)
    mass = np.repeat(weights / weights.sum() / _NUM_ATOMS, _NUM_ATOMS)[order]
    reached = np.cumsum(mass, axis=-1) - mass / 2
    return np.stack([_crossing(ordered, reached, level) for level in wanted], axis=-1)


def _crossing(ordered: FloatArray, reached: FloatArray, level: float) -> FloatArray:
    """Gives where probability `reached` [... n] over ascending atoms [... n] crosses a level, linear between atoms."""
    after = np.clip((reached < level).sum(axis=-1), 1, ordered.shape[-1] - 1)[..., np.newaxis]
    low, high = _pair(ordered, after)
    begin, end = _pair(reached, after)
    share = np.clip((level - begin) / (end - begin), 0.0, 1.0)
    return np.asarray(np.minimum(low + share * (high - low), high))


def _pair(table: FloatArray, after: IntArray) -> tuple[FloatArray, FloatArray]:
    """Gives from each row [... n] the entry before place `after` [... 1] and the one there, each [...]."""
    return np.take_along_axis(table, after - 1, axis=-1)[..., 0], np.take_along_axis(table, after, axis=-1)[..., 0]


def _share(known: FloatArray, segment: IntArray, wanted: FloatArray) -> FloatArray:
    """Gives how far levels lie between the two ends of their segment: below 0 or above 1 beyond the outermost."""
    low, high = known[segment], known[segment + 1]
    normal = normal_quantiles(np.clip(wanted, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    begin, end = normal_quantiles(low), normal_quantiles(high)
    tails = (normal - begin) / (end - begin)
    inside = (wanted >= known[0]) & (wanted <= known[-1])
    return np.where(inside, (wanted - low) / (high - low), tails)


def _between(values: FloatArray, known: FloatArray, actual: FloatArray, below: IntArray) -> FloatArray:
    """Gives the probability of actual values that no quantile equals, `below` [...] of which lie under them."""
    if len(known) == 1:
        return np.where(below > 0, 1.0, 0.0)
    segment = np.clip(below - 1, 0, len(known) - 2)
    low, high = _pair(values, segment[..., np.newaxis] + 1)
    gap = high - low
    share = np.where(gap > 0, (actual - low) / np.where(gap > 0, gap, 1.0), np.where(actual > high, np.inf, -np.inf))
    begin, end = known[segment], known[segment + 1]
    inside = (below > 0) & (below < len(known))
    first = normal_quantiles(begin)
    tails = normal_probabilities(first + share * (normal_quantiles(end) - first))
    return np.where(inside, begin + np.where(inside, share, 0.0) * (end - begin), tails)
