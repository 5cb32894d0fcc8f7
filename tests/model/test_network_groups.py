"""Networks whose series of one group see each other: whom a forecast may depend on, and whom not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from forecaster.model.network import Network
from forecaster.types import WindowBatch
from tests.model.factories import COVARIATES, awake_network, batch_for, forecast, rows_of

GROUPS = torch.tensor([5, 2, 5, 9, 2, 5])
EACH_KIND = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"covariates": COVARIATES, "decoder": "queries"},
        {"norm_placement": "post", "coarse_patch_length": 8, "patch_stride": 2, "skip": "ridge"},
        {"causal": True, "positions": "sinusoidal", "scaling": "robust"},
    ],
    ids=["plain", "covariates", "post-norm", "causal"],
)


def grouped(**changes: Any) -> tuple[Network, WindowBatch]:
    network = awake_network(channels="group", **changes)
    return network, replace(batch_for(network, 6), groups=GROUPS)


def with_another_row(batch: WindowBatch, row: int) -> WindowBatch:
    """Gives the batch with other values, gaps and covariates in one row."""
    context, observed = batch.context.clone(), batch.observed.clone()
    context[row] = context[row].flip(0) * 3
    observed[row, 5:9] = ~observed[row, 5:9]
    return replace(batch, context=context, observed=observed)


@EACH_KIND
def test_a_row_of_another_group_never_changes_a_forecast_and_one_of_the_own_group_does(changes: dict[str, Any]) -> None:
    network, batch = grouped(**changes)
    before = forecast(network, batch)
    for row in range(6):
        moved = (forecast(network, with_another_row(batch, row)) - before).abs().amax(dim=(1, 2))
        assert not moved[GROUPS[row] != GROUPS].any()
        assert (moved[GROUPS[row] == GROUPS] > 1e-4).all()


@EACH_KIND
def test_a_group_alone_is_the_same_group_in_company_and_in_any_order(changes: dict[str, Any]) -> None:
    network, batch = grouped(**changes)
    together = forecast(network, batch)
    order = torch.tensor([4, 2, 0, 5, 3, 1])
    torch.testing.assert_close(forecast(network, rows_of(batch, order)), together[order], rtol=1e-5, atol=1e-5)
    for group in GROUPS.unique():
        members = torch.nonzero(group == GROUPS).flatten()
        alone = forecast(network, rows_of(batch, members))
        torch.testing.assert_close(alone, together[members], rtol=1e-5, atol=1e-5)


def test_the_number_of_a_group_does_not_matter() -> None:
    network, batch = grouped()
    renamed = replace(batch, groups=10_000_000_000 - 3 * GROUPS)
    assert torch.equal(forecast(network, renamed), forecast(network, batch))


def test_without_groups_each_row_is_its_own() -> None:
    network, batch = grouped()
    singles = forecast(network, replace(batch, groups=torch.arange(6)))
    assert torch.equal(forecast(network, replace(batch, groups=None)), singles)
    assert not torch.allclose(singles, forecast(network, batch), atol=1e-2)


def test_a_member_without_any_value_changes_nothing() -> None:
    network, batch = grouped()
    batch.observed[2] = False
    others = [0, 1, 3, 4, 5]
    expected = forecast(network, rows_of(batch, others))
    torch.testing.assert_close(forecast(network, batch)[others], expected, rtol=1e-5, atol=1e-5)


def test_forecasts_of_a_group_follow_shift_and_stretch_of_each_member_by_itself() -> None:
    network, batch = grouped()
    factor = torch.tensor([1.0, 2.0, 1e-3, 1e6, 7.0, 30.0], dtype=torch.float64)[:, None]
    offset = torch.tensor([0.0, 1e3, -5.0, 1e6, 0.0, 9.0], dtype=torch.float64)[:, None]
    given = forecast(network, replace(batch, context=factor * batch.context + offset))
    back = (given - offset[..., None]) / factor[..., None]
    torch.testing.assert_close(back, forecast(network, batch), rtol=1e-5, atol=1e-3)


def test_an_independent_network_does_not_look_at_groups() -> None:
    network = awake_network()
    batch = batch_for(network, 6)
    assert torch.equal(forecast(network, replace(batch, groups=GROUPS)), forecast(network, batch))
