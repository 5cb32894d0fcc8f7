"""What the ridge reads of known covariates: the right numbers, the weights of least squares, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from forecaster.config import CovariateConfig
from forecaster.model.network import Network
from forecaster.model.scaling import scale_covariate
from forecaster.model.skips.known_part import POOLINGS, known_numbers, num_known_numbers
from forecaster.model.skips.linear import LinearSkip
from forecaster.model.skips.ridge import LAMBDAS, Moments, RidgeWindows, anchors, chosen, pooled, prior, ridge
from forecaster.types import CovariateBatch, Masked
from tests.model.factories import COVARIATES, awake_network, batch_for, random_covariates, small_config

Array = NDArray[np.float64]
L, H, F, SEASON = 8, 3, 2, 4
EACH_ANCHOR = pytest.mark.parametrize("anchor", anchors(L, SEASON), ids=["mean", "last season", "last value"])
EACH_PENALTY = pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])


@dataclass(frozen=True)
class Windows:
    values: Array  # [n L]
    known: Array  # [n H F]
    target: Array  # [n H]

    @property
    def moments(self) -> Moments:
        """Gives their moments, added in parts of 40."""
        moments = Moments(L, H, F)
        for begin in range(0, len(self.values), 40):
            values, target, known = (
                torch.from_numpy(part[begin : begin + 40]) for part in (self.values, self.target, self.known)
            )
            moments.add(RidgeWindows(values, target, known))
        return moments

    def forecasts(self, weight: torch.Tensor) -> Array:
        """Gives what weights [L+F H] forecast [n H], by a loop over steps."""
        context, ahead = weight[:L].numpy(), weight[L:].numpy()
        steps = [self.values @ context[:, h] + self.known[:, h] @ ahead[:, h] for h in range(H)]
        return np.stack(steps, axis=1)


def windows_of(seed: int = 0, num_windows: int = 100, *, noise: float = 0.5, effect: Array | None = None) -> Windows:
    """Gives windows whose target is a map of the context and of the known numbers of its step, plus noise.

    By default each step has its own effect [F H]. Known numbers go together with the context.
    """
    draw, mixing = np.random.default_rng(seed), np.random.default_rng(7)
    values = draw.standard_normal((num_windows, L)) + draw.standard_normal((num_windows, 1))
    known = draw.standard_normal((num_windows, H, F)) + 0.5 * values[:, -H:, None]
    context = mixing.dirichlet(np.ones(L), H).T
    effect = mixing.standard_normal((F, H)) if effect is None else effect
    target = values @ context + np.einsum("nhf,fh->nh", known, effect)
    return Windows(values, known, target + noise * draw.standard_normal(target.shape))


def fitted(num_windows: int = 100, *, noise: float = 0.5, effect: Array) -> torch.Tensor:
    """Gives the weights that are chosen and fitted on six blocks of windows."""
    blocks = [windows_of(seed, num_windows, noise=noise, effect=effect).moments for seed in range(6)]
    return chosen(blocks, SEASON).fitted(pooled(blocks))


def solved_together(windows: Windows, anchor: torch.Tensor, penalty: float) -> Array:
    """Gives the effect [F] common to all steps, out of one regression on the contexts of all steps side by side."""
    deviation = windows.values - windows.values @ anchor.numpy()
    n = len(deviation)
    wide = np.zeros((n, H, H * L + F))
    for step in range(H):
        wide[:, step, step * L : (step + 1) * L] = deviation
    wide[:, :, H * L :] = windows.known
    inverse = np.linalg.inv(prior(L, SEASON).numpy())
    penalties = np.zeros((H * L + F, H * L + F))
    penalties[: H * L, : H * L] = np.kron(np.eye(H), inverse)
    penalties[H * L :, H * L :] = H * np.eye(F)
    rows, target = wide.reshape(n * H, -1), (windows.target - windows.values @ anchor.numpy()).ravel()
    solved: Array = np.linalg.solve(rows.T @ rows / n + penalty * penalties, rows.T @ target / n)
    return solved[H * L :]


def solved_alone(windows: Windows, anchor: torch.Tensor, penalty: float, pooling: float, step: int) -> Array:
    """Gives the forecasts [n] of one step by least squares with its effect drawn to the common one."""
    fallback = windows.values @ anchor.numpy()
    inputs = np.concatenate([windows.values - fallback, windows.known[:, step]], axis=1)
    penalties = np.zeros((L + F, L + F))
    penalties[:L, :L] = penalty * np.linalg.inv(prior(L, SEASON).numpy())
    penalties[L:, L:] = pooling * np.eye(F)
    ahead = inputs.T @ (windows.target[:, step] - fallback[:, 0]) / len(inputs)
    ahead[L:] += pooling * solved_together(windows, anchor, penalty)
    forecasts: Array = inputs @ np.linalg.solve(inputs.T @ inputs / len(inputs) + penalties, ahead) + fallback[:, 0]
    return forecasts


@EACH_ANCHOR
@EACH_PENALTY
def test_weights_solve_the_normal_equations_of_context_and_known_numbers(anchor: torch.Tensor, penalty: float) -> None:
    windows = windows_of()
    found = ridge(windows.moments, anchor, prior(L, SEASON), [penalty])
    assert len(found) == len(POOLINGS)
    for weight, pooling in zip(found, POOLINGS, strict=True):
        for step in range(H):
            expected = solved_alone(windows, anchor, penalty, pooling, step)
            np.testing.assert_allclose(windows.forecasts(weight)[:, step], expected, rtol=1e-6, atol=1e-6)


@EACH_ANCHOR
@EACH_PENALTY
def test_weights_pooled_wholly_are_those_of_one_regression_over_all_steps(anchor: torch.Tensor, penalty: float) -> None:
    windows = windows_of()
    weight = ridge(windows.moments, anchor, prior(L, SEASON), [penalty])[-1]
    for step in range(H):
        expected = solved_together(windows, anchor, penalty)
        np.testing.assert_allclose(weight[L:, step].numpy(), expected, rtol=1e-6, atol=1e-6)


@EACH_ANCHOR
def test_a_great_penalty_leaves_the_anchor_and_what_each_step_alone_finds(anchor: torch.Tensor) -> None:
    for weight in ridge(windows_of().moments, anchor, prior(L, SEASON), [1e12]):
        torch.testing.assert_close(weight[:L], anchor.expand(L, H), rtol=0.0, atol=1e-9)
    assert weight[L:].abs().max() < 1e-6


def test_errors_are_the_means_over_windows_of_each_step() -> None:
    windows = windows_of(num_windows=30)
    weight = torch.randn(L + F, H, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = ((windows.target - windows.forecasts(weight)) ** 2).mean(axis=0)
    assert windows.moments.errors(weight).tolist() == pytest.approx(expected.tolist(), rel=1e-9)


def test_an_effect_that_all_steps_share_is_recovered() -> None:
    planted = np.array([[1.5], [-0.7]]).repeat(H, axis=1)
    windows = windows_of(noise=0.0, effect=planted)
    for weight in ridge(windows.moments, anchors(L, SEASON)[0], prior(L, SEASON), [1e-12]):
        np.testing.assert_allclose(weight[L:].numpy(), planted, atol=1e-8)
    np.testing.assert_allclose(fitted(noise=0.0, effect=planted)[L:].numpy(), planted, atol=2e-3)


def test_an_effect_of_each_step_is_nearly_recovered() -> None:
    planted = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(fitted(400, noise=0.0, effect=planted)[L:].numpy(), planted, atol=0.1)


def test_numbers_that_tell_nothing_cost_little() -> None:
    nothing = np.zeros((F, H))
    weight, test = fitted(400, effect=nothing), windows_of(9, 400, effect=nothing)
    errors = (test.forecasts(weight) - test.target) ** 2
    assert errors.mean() < 1.05 * 0.25
    assert weight[L:].abs().max() < 0.1


def test_without_windows_the_regression_is_finite() -> None:
    for anchor in anchors(L, SEASON):
        found = ridge(Moments(L, H, F), anchor, prior(L, SEASON), LAMBDAS)
        assert all(weight.isfinite().all() for weight in found)


@pytest.mark.parametrize("season_length", [None, 1, 2, 4, 24, 25])
def test_a_step_reads_its_own_numbers_and_those_a_season_earlier(season_length: int | None) -> None:
    known = random_covariates(3).known
    scaled = scale_covariate(known).values
    found = known_numbers(known, 24, season_length)
    reaches = season_length is not None and season_length <= 24
    assert found.shape == (3, 5, num_known_numbers(1, 24, season_length)) == (3, 5, 2 if reaches else 1)
    for step in range(5):
        assert torch.equal(found[:, step, 0], scaled[:, 24 + step, 0])
        if season_length is not None and reaches:
            assert torch.equal(found[:, step, 1], scaled[:, 24 + step - season_length, 0])


def test_a_missing_number_counts_as_0() -> None:
    known = random_covariates(3).known
    observed = known.observed.clone()
    observed[:, 26] = False
    found = known_numbers(Masked(torch.where(observed, known.values, torch.nan), observed), 24, 4)
    assert not found[:, 2, 0].any()
    assert found.isfinite().all()


def skip_with_weights(season_length: int | None = 4) -> LinearSkip:
    skip = LinearSkip(24, 5, 1, season_length)
    skip.start_at(torch.randn(skip.weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    return skip


def test_without_any_known_number_the_context_alone_speaks() -> None:
    skip, values = skip_with_weights(), torch.randn(3, 24)
    given = random_covariates(3)
    nothing = Masked(torch.zeros_like(given.known.values), torch.zeros_like(given.known.observed))
    expected = (values.double() @ skip.weight[:24]).float()
    found = skip(values, values.isfinite(), replace(given, known=nothing))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_the_forecast_adds_context_and_known_numbers_of_its_step() -> None:
    skip, values, given = skip_with_weights(), torch.randn(3, 24), random_covariates(3)
    numbers = known_numbers(given.known, 24, 4).double()
    found = skip(values, values.isfinite(), given)
    for step in range(5):
        context, ahead = skip.weight[:24, step], skip.weight[24:, step]
        expected = values.double() @ context + numbers[:, step] @ ahead
        torch.testing.assert_close(found[:, step], expected.float(), rtol=1e-5, atol=1e-5)


def test_no_other_covariate_moves_it() -> None:
    skip, values, given = skip_with_weights(), torch.randn(3, 24), random_covariates(3)
    other: CovariateBatch = replace(random_covariates(3, seed=1), known=given.known)
    assert torch.equal(skip(values, values.isfinite(), given), skip(values, values.isfinite(), other))


@pytest.mark.parametrize("covariates", [CovariateConfig(), COVARIATES.model_copy(update={"known": ()})])
def test_without_known_covariates_it_is_a_map_of_the_context(covariates: CovariateConfig) -> None:
    network = Network(small_config(skip="ridge", season_length=4, covariates=covariates))
    assert isinstance(network.skip, LinearSkip)
    assert network.skip.weight.shape == (24, 5)


def test_weights_from_before_it_read_covariates_are_completed_by_0() -> None:
    network = awake_network(skip="ridge", season_length=4, covariates=COVARIATES)
    weights = network.state_dict()
    whole = weights["skip.weight"].clone()
    weights["skip.weight"] = whole[:24]
    network.load_state_dict(weights, strict=True)
    assert isinstance(network.skip, LinearSkip)
    assert torch.equal(network.skip.weight, torch.cat([whole[:24], torch.zeros(2, 5).double()]))


def test_a_network_with_known_covariates_is_exported_whole() -> None:
    network = awake_network(skip="ridge", season_length=4, covariates=COVARIATES)
    batch = batch_for(network)

    class Bound(torch.nn.Module):
        """The skip over covariates that are given."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, context: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
            return self.network(context, observed, batch.covariates).parameters

    exported = torch.export.export(Bound(), (batch.context, batch.observed)).module()
    with torch.no_grad():
        found, expected = exported(batch.context, batch.observed), Bound()(batch.context, batch.observed)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
