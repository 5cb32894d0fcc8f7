"""The linear skip: the ridge regressions that it begins as, against least squares as others solve them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from forecaster.model.linear_skip import (
    LAMBDAS,
    PHASE_CORRELATION,
    LinearSkip,
    Moments,
    anchors,
    fitted_ridge,
    prior,
    ridge,
)
from forecaster.model.network import Network
from forecaster.types import Scale
from tests.model.factories import EACH_HEAD, awake_network, random_batch, small_config

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    values: Array  # [n L]
    target: Array  # [n H]

    @property
    def moments(self) -> Moments:
        """Gives their moments, added in parts of 40."""
        moments = Moments(self.values.shape[1], self.target.shape[1])
        for begin in range(0, len(self.values), 40):
            part = slice(begin, begin + 40)
            moments.add(torch.from_numpy(self.values[part]), torch.from_numpy(self.target[part]))
        return moments


def windows_of(seed: int = 0, num_windows: int = 100, length: int = 8, horizon: int = 3) -> Windows:
    """Gives windows whose target is a linear map of the context plus noise."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((num_windows, length)) + draw.standard_normal((num_windows, 1))
    mixing = np.random.default_rng(7).standard_normal((length, horizon))
    return Windows(values, values @ mixing + 0.5 * draw.standard_normal((num_windows, horizon)))


def around(windows: Windows, anchor: torch.Tensor) -> tuple[Array, Array, Array]:
    """Gives context and target as deviations from the anchor's forecast, and that forecast."""
    fallback = windows.values @ anchor.numpy()
    return windows.values - fallback, windows.target - fallback, fallback


EACH_ANCHOR = pytest.mark.parametrize("anchor", anchors(8, 4), ids=["mean", "last season", "last value"])


@EACH_ANCHOR
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_ridge_solves_the_normal_equations_of_deviations_from_its_anchor(anchor: torch.Tensor, penalty: float) -> None:
    windows, covariance = windows_of(), prior(8, 4)
    inputs, target, fallback = around(windows, anchor)
    normal = inputs.T @ inputs / 100 + penalty * np.linalg.inv(covariance.numpy())
    solved = np.linalg.solve(normal, inputs.T @ target / 100)
    (weight,) = ridge(windows.moments, anchor, covariance, [penalty])
    np.testing.assert_allclose(windows.values @ weight.numpy(), inputs @ solved + fallback, rtol=1e-8, atol=1e-8)


@EACH_ANCHOR
def test_without_a_penalty_it_is_numpys_least_squares(anchor: torch.Tensor) -> None:
    # Deviations from an anchor carry one redundant direction: forecasts are unique, weights are not.
    windows = windows_of()
    inputs, target, fallback = around(windows, anchor)
    solved = np.linalg.lstsq(inputs, target, rcond=None)[0]
    (weight,) = ridge(windows.moments, anchor, prior(8, 4), [1e-12])
    np.testing.assert_allclose(windows.values @ weight.numpy(), inputs @ solved + fallback, rtol=1e-5, atol=1e-6)


@EACH_ANCHOR
def test_a_great_penalty_leaves_the_anchor(anchor: torch.Tensor) -> None:
    (weight,) = ridge(windows_of().moments, anchor, prior(8, 4), [1e12])
    torch.testing.assert_close(weight, anchor.expand(8, 3), rtol=0.0, atol=1e-9)


@EACH_ANCHOR
def test_weights_add_up_to_1_so_that_forecasts_follow_a_shift(anchor: torch.Tensor) -> None:
    for weight in ridge(windows_of().moments, anchor, prior(8, 4), LAMBDAS):
        torch.testing.assert_close(weight.sum(dim=0), torch.ones(3).double(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("season_length", "steps"), [(4, [8, 4, 1]), (1, [8, 1]), (8, [8, 1]), (50, [8, 1])])
def test_anchors_are_means_of_the_context_of_its_last_season_and_of_its_last_step(
    season_length: int, steps: list[int]
) -> None:
    found = [anchor.flatten().tolist() for anchor in anchors(8, season_length)]
    assert found == [[0.0] * (8 - width) + [1 / width] * width for width in steps]


@pytest.mark.parametrize("season_length", [1, 3, 4, 8, 24])
def test_the_prior_falls_with_the_lag_and_joins_equal_phases_of_the_season(season_length: int) -> None:
    covariance = prior(8, season_length)
    for first in range(8):
        for second in range(8):
            lags = 8 - first, 8 - second
            same_phase = 1 < season_length < 8 and (first - second) % season_length == 0
            together = 1.0 if first == second else PHASE_CORRELATION * same_phase
            assert covariance[first, second].item() == pytest.approx(together / (lags[0] * lags[1]) ** 0.5)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_errors_are_the_means_over_windows_of_each_step() -> None:
    windows = windows_of(num_windows=30)
    weight = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    totals = [0.0] * 3
    for values, target in zip(windows.values, windows.target, strict=True):
        for step in range(3):
            totals[step] += (target[step] - sum(values[at] * weight[at, step].item() for at in range(8))) ** 2
    assert windows.moments.errors(weight).tolist() == pytest.approx([total / 30 for total in totals], rel=1e-9)


def test_without_windows_the_error_and_the_regression_are_finite() -> None:
    moments = Moments(8, 3)
    assert not moments.errors(torch.ones(8, 3, dtype=torch.float64)).any()
    for anchor in anchors(8, 4):
        assert all(weight.isfinite().all() for weight in ridge(moments, anchor, prior(8, 4), LAMBDAS))


def test_each_step_has_the_anchor_and_lambda_that_validate_best_for_it() -> None:
    training, validation = windows_of(0, 20).moments, windows_of(1).moments
    candidates = [ridge(training, anchor, prior(8, 4), [penalty])[0] for anchor in anchors(8, 4) for penalty in LAMBDAS]
    errors = torch.stack([validation.errors(weight) for weight in candidates])
    given = fitted_ridge(training, validation, 4)
    for step in range(3):
        expected = candidates[int(errors[:, step].argmin())][:, step]
        torch.testing.assert_close(given[:, step], expected, rtol=1e-9, atol=1e-12)


def test_the_skip_begins_at_the_weights_it_is_given() -> None:
    skip, weight = LinearSkip(8, 3), torch.randn(8, 3, dtype=torch.float64)
    skip.start_at(weight)
    values = torch.randn(5, 8)
    torch.testing.assert_close(
        skip(values, values.isfinite()), (values.double() @ weight).float(), rtol=1e-6, atol=1e-6
    )


def test_the_skip_keeps_all_digits_under_autocast() -> None:
    skip, values = LinearSkip(8, 3), torch.randn(5, 8)
    skip.start_at(torch.randn(8, 3))
    expected = skip(values, values.isfinite())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(skip(values, values.isfinite()), expected)


def parameters_of(network: Network) -> tuple[torch.Tensor, Scale]:
    batch = random_batch()
    with torch.no_grad():
        output = network(batch.context, batch.observed)
    return output.parameters, output.scale


@EACH_HEAD
def test_the_skip_is_added_to_the_location_and_to_nothing_else(head: str) -> None:
    network, batch = awake_network(head=head, skip="ridge"), random_batch()
    with_skip, _ = parameters_of(network)
    network.skip, skip = None, network.skip
    assert skip is not None
    without, _ = parameters_of(network)
    added = with_skip - without
    place = network.head.loc_index
    window = network.scaled(batch.context, batch.observed)
    torch.testing.assert_close(added[..., place], skip(window.values, window.observed).detach(), rtol=1e-4, atol=1e-5)
    others = [other for other in range(network.head.num_parameters) if other != place]
    assert not added[..., others].any()


@EACH_HEAD
def test_the_skip_moves_every_quantile_by_the_same(head: str) -> None:
    network = awake_network(head=head, skip="ridge")
    (with_skip, scale), levels = parameters_of(network), (0.1, 0.5, 0.9)
    network.skip = None
    without, _ = parameters_of(network)
    moved = network.head.quantiles(with_skip, levels, scale) - network.head.quantiles(without, levels, scale)
    torch.testing.assert_close(moved, moved[..., :1].expand_as(moved), rtol=1e-4, atol=1e-5)


def test_a_fresh_skip_says_nothing() -> None:
    torch.manual_seed(0)
    network = Network(small_config(skip="ridge"))
    assert isinstance(network.skip, LinearSkip)
    assert not network.skip.weight.any()
