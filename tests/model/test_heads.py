"""Heads: losses against numbers by hand and other libraries, quantiles in order, masked targets without a say."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional as F

from forecaster.config import DEFAULT_LEVELS, ModelConfig
from forecaster.errors import RequestError
from forecaster.model.heads import HEADS, SMALLEST_SCALE, Head, QuantileHead, StudentTHead
from forecaster.types import Scale
from tests.model.factories import small_config

EACH = pytest.mark.parametrize(
    "head", [make(small_config(levels=(0.1, 0.5, 0.9))) for make in HEADS.values()], ids=list(HEADS)
)


def scale(num_rows: int, loc: float = 10.0, spread: float = 4.0) -> Scale:
    """Gives the scale of contexts that all have one level and spread."""
    rows = torch.ones(num_rows, 1, dtype=torch.float64)
    return Scale(loc * rows, spread * rows)


def raw(value: float) -> float:
    """Gives x with softplus(x) = value."""
    return math.log(math.expm1(value))


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(HEADS) == set(get_args(ModelConfig.model_fields["head"].annotation))
    assert HEADS["quantile"](small_config(levels=(0.2, 0.5, 0.8))) == QuantileHead((0.2, 0.5, 0.8))
    assert HEADS["student_t"](small_config()) == StudentTHead()


def test_raw_numbers_are_the_middle_and_then_gaps_upwards_and_downwards() -> None:
    head = QuantileHead((0.1, 0.3, 0.5, 0.9))
    parameters = torch.tensor([[[10.0, raw(1.0), raw(2.0), raw(4.0)]]])
    expected = torch.tensor([[[4.0, 8.0, 10.0, 11.0]]])
    torch.testing.assert_close(head.trained_quantiles(parameters), expected, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("levels", [(0.5,), (0.9,), (0.1, 0.2), (0.8, 0.9, 0.95), DEFAULT_LEVELS])
def test_training_begins_at_the_standard_normal(levels: tuple[float, ...]) -> None:
    head = QuantileHead(levels)
    quantiles = head.quantiles(torch.tensor([[head.initial_parameters()]]), levels)
    torch.testing.assert_close(quantiles[0, 0], torch.tensor(stats.norm.ppf(levels)).float(), rtol=1e-5, atol=1e-6)


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=9, max_size=9),
    st.lists(st.floats(0.1, 0.9), min_size=2, max_size=12),
)
@settings(deadline=None)
def test_quantiles_never_cross(parameters: list[float], levels: list[float]) -> None:
    wanted = sorted({*levels, *DEFAULT_LEVELS})
    quantiles = QuantileHead(DEFAULT_LEVELS).quantiles(torch.tensor([[parameters]]), wanted)
    assert (quantiles.diff(dim=-1) >= 0).all()


@given(st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3), st.sets(st.integers(1, 9999), min_size=2))
@settings(deadline=None)
def test_student_t_quantiles_never_cross(parameters: list[float], levels: set[int]) -> None:
    quantiles = StudentTHead().quantiles(torch.tensor([[parameters]]), [level / 10_000 for level in sorted(levels)])
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_levels_between_trained_ones_are_interpolated() -> None:
    head = QuantileHead((0.1, 0.5, 0.9))
    parameters = torch.tensor([[[0.0, raw(4.0), raw(2.0)]]])  # quantiles -2, 0, 4
    quantiles = head.quantiles(parameters, (0.1, 0.2, 0.5, 0.8, 0.9))
    expected = torch.tensor([-2.0, -1.5, 0.0, 3.0, 4.0])
    torch.testing.assert_close(quantiles[0, 0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", [0.05, 0.95, math.nan])
def test_a_level_outside_the_trained_ones_is_refused(level: float) -> None:
    with pytest.raises(RequestError, match=r"are outside 0\.1 to 0\.9, the range of this model") as refusal:
        QuantileHead((0.1, 0.5, 0.9)).quantiles(torch.zeros(1, 1, 3), (0.5, level))
    assert refusal.value.code == "level-out-of-range"


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
def test_a_student_t_refuses_what_is_no_level(level: float) -> None:
    with pytest.raises(RequestError, match=r"are outside 0 to 1, both excluded"):
        StudentTHead().quantiles(torch.zeros(1, 1, 3), (level,))


def test_pinball_loss_by_hand() -> None:
    head = QuantileHead((0.1, 0.5, 0.9))
    parameters = torch.tensor([[[1.0, raw(2.0), raw(1.0)], [1.0, raw(2.0), raw(1.0)]]])  # quantiles 0, 1, 3
    target = torch.tensor([[2.0, -1.0]])
    # Target 2 lies 2 and 1 above, then 1 below: 0.1*2 + 0.5*1 + 0.1*1 = 0.8; target -1 lies 1, 2 and 4 below:
    # 0.9*1 + 0.5*2 + 0.1*4 = 2.3. Twice the mean over three levels and two targets is 2 * 3.1 / 6.
    loss = head.loss(parameters, target, torch.ones(1, 2, dtype=torch.bool))
    assert loss.item() == pytest.approx(2 * 3.1 / 6, rel=1e-6)


def test_the_loss_at_the_median_alone_is_the_absolute_error() -> None:
    loss = QuantileHead((0.5,)).loss(torch.tensor([[[3.0]]]), torch.tensor([[5.5]]), torch.tensor([[True]]))
    assert loss.item() == pytest.approx(2.5)


def test_pinball_loss_is_least_at_the_quantiles_of_the_data() -> None:
    target = torch.linspace(0, 1, 1001).reshape(1, -1)
    head, observed = QuantileHead((0.1, 0.5, 0.9)), torch.ones(1, 1001, dtype=torch.bool)

    def loss_at(median: float, gap: float) -> float:
        return head.loss(torch.tensor([median, raw(gap), raw(gap)]).expand(1, 1001, 3), target, observed).item()

    best = loss_at(0.5, 0.4)
    assert all(best < loss_at(0.5 + shift, 0.4 + more) for shift, more in [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)])


def test_student_t_loss_is_torchs_negative_log_likelihood() -> None:
    parameters, target = torch.randn(3, 4, 3), 5 * torch.randn(3, 4)
    scale = F.softplus(parameters[..., 2]) + SMALLEST_SCALE
    theirs = torch.distributions.StudentT(2 + F.softplus(parameters[..., 0]), parameters[..., 1], scale)
    loss = StudentTHead().loss(parameters, target, torch.ones(3, 4, dtype=torch.bool))
    expected = -theirs.log_prob(target).mean()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("raw_df", [-20.0, 0.0, 5.0, 1000.0])
def test_student_t_quantiles_are_scipys(raw_df: float) -> None:
    levels = (0.001, 0.1, 0.5, 0.9, 0.999)
    quantiles = StudentTHead().quantiles(torch.tensor([[[raw_df, 3.0, raw(2.0)]]]), levels)
    df = 2 + F.softplus(torch.tensor(raw_df, dtype=torch.float64)).item()
    expected = torch.tensor(stats.t.ppf(levels, df, loc=3.0, scale=2.0 + SMALLEST_SCALE))
    torch.testing.assert_close(quantiles[0, 0], expected, rtol=1e-6, atol=1e-6)


def test_student_t_begins_near_the_standard_normal() -> None:
    head = StudentTHead()
    quantiles = head.quantiles(torch.tensor([[head.initial_parameters()]]), (0.1, 0.5, 0.9))
    torch.testing.assert_close(quantiles[0, 0], torch.tensor(stats.t.ppf((0.1, 0.5, 0.9), 10)), rtol=1e-5, atol=1e-6)


@EACH
def test_masked_targets_move_neither_loss_nor_gradient(head: Head) -> None:
    observed = torch.tensor([[True, False, True], [False, True, False]])
    target, start = torch.randn(2, 3), torch.randn(2, 3, head.num_parameters)
    outcomes = []
    for garbage in (0.0, 1e30, math.nan, -math.inf):
        parameters = start.clone().requires_grad_()
        loss = head.loss(parameters, torch.where(observed, target, garbage), observed, scale(2))
        outcomes.append((loss, *torch.autograd.grad(loss, parameters)))
    assert all(torch.equal(loss, outcomes[0][0]) and torch.equal(grad, outcomes[0][1]) for loss, grad in outcomes)
    assert not outcomes[0][1][~observed].any()
    assert outcomes[0][1][observed].any(dim=-1).all()


@EACH
def test_the_loss_is_the_mean_over_observed_targets(head: Head) -> None:
    parameters, target = torch.randn(1, 4, head.num_parameters), torch.randn(1, 4)
    each = [head.loss(parameters[:, [h]], target[:, [h]], torch.tensor([[True]]), scale(1)).item() for h in (0, 2)]
    both = head.loss(parameters, target, torch.tensor([[True, False, True, False]]), scale(1))
    assert both.item() == pytest.approx(sum(each) / 2, rel=1e-5)


@EACH
def test_with_nothing_observed_loss_and_gradient_are_0(head: Head) -> None:
    parameters = torch.randn(1, 2, head.num_parameters, requires_grad=True)
    loss = head.loss(parameters, torch.full((1, 2), math.nan), torch.zeros(1, 2, dtype=torch.bool), scale(1))
    (gradient,) = torch.autograd.grad(loss, parameters)
    assert loss.item() == 0.0
    assert torch.equal(gradient, torch.zeros(1, 2, head.num_parameters))


@EACH
@pytest.mark.parametrize("target", [1e6, -1e6, 0.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_loss_and_gradient_are_finite_however_far_out(head: Head, target: float, size: float) -> None:
    for sign in (-1.0, 1.0):
        parameters = (sign * size * torch.ones(1, 1, head.num_parameters)).requires_grad_()
        loss = head.loss(parameters, torch.tensor([[target]]), torch.tensor([[True]]), scale(1))
        assert loss.isfinite()
        assert torch.autograd.grad(loss, parameters)[0].isfinite().all()


@EACH
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_no_head_lets_quantiles_cross(head: Head, data: st.DataObject) -> None:
    numbers = st.lists(st.floats(-1e3, 1e3, width=32), min_size=head.num_parameters, max_size=head.num_parameters)
    low, high = max(head.level_range[0], 1e-4), min(head.level_range[1], 1 - 1e-4)
    places = data.draw(st.sets(st.integers(0, 1000), min_size=2, max_size=9))
    levels = sorted({low + (high - low) * place / 1000 for place in places})
    quantiles = head.quantiles(torch.tensor([[data.draw(numbers)]]), levels, scale(1))
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=-1) >= 0).all()


@EACH
def test_a_higher_location_is_a_higher_median(head: Head) -> None:
    start = torch.tensor([[head.initial_parameters()]])
    raised = start.clone()
    raised[..., head.loc_index] += 2.0
    medians = [head.quantiles(parameters, (0.5,), scale(1)).item() for parameters in (start, raised)]
    assert abs(medians[0]) < 0.3
    assert medians[1] - medians[0] == pytest.approx(2.0, abs=0.25)  # a count is a whole number: 1 is 0.25 spreads
