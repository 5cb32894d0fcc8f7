"""Roll-out: branches of a panel by hand, and the spread of a random walk that keeps growing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import norm

from forecaster.arrays import FloatArray
from forecaster.config import DEFAULT_LEVELS
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.roll_out import RollOut, branched, continued
from tests.factories import panel_of

HORIZON = 4


def random_walk(panel: Panel) -> FloatArray:
    """Forecasts a random walk with steps of variance 1, as it is."""
    last = np.array([panel.target(position)[-1] for position in range(len(panel))])
    spread = np.sqrt(np.arange(1, HORIZON + 1))
    return np.asarray(last[:, None, None] + spread[:, None] * norm.ppf(DEFAULT_LEVELS))


def covariates() -> PanelCovariates:
    return PanelCovariates.from_arrays(
        past={"rain": [np.arange(5.0), np.arange(3.0)]},
        known={"price": [np.arange(9.0), np.arange(4.0)]},
        static={"size": [1.0, 2.0]},
        categories={"kind": ["a", None]},
    )


def test_branches_repeat_the_end_of_each_series_with_all_that_is_known_of_it() -> None:
    panel = replace(panel_of([1, 2, 3, 4, 5], [6, 7, 8]), covariates=covariates())
    branches = branched(panel, context_length=4, num_branches=2)
    assert [branches.target(i).tolist() for i in range(4)] == [[2, 3, 4, 5]] * 2 + [[6, 7, 8]] * 2
    assert branches.ends.tolist() == np.repeat(panel.ends, 2).tolist()
    held = branches.covariates
    assert held.past[:, 0].tolist() == [1, 2, 3, 4] * 2 + [0, 1, 2] * 2
    assert held.known[:, 0].tolist() == [*range(1, 9)] * 2 + [*range(4)] * 2
    assert held.static[:, 0].tolist() == [1, 1, 2, 2]
    assert held.categories[:, 0].tolist() == ["a", "a", None, None]


def test_branches_of_one_number_are_grouped_as_the_series_are() -> None:
    grouped = replace(panel_of([1, 2], [3, 4], [5, 6]), groups=np.array([7, 7, 9]))
    groups = branched(grouped, 4, 2).group_numbers
    assert groups[0] == groups[2] != groups[1] == groups[3]
    assert not {groups[4], groups[5]} & set(groups[:4])
    assert not branched(panel_of([1, 2], [3, 4]), 4, 2).is_grouped


def test_what_is_added_follows_each_series_and_past_covariates_end() -> None:
    panel = replace(panel_of([1, 2, 3, 4, 5], [6, 7, 8]), covariates=covariates())
    longer = continued(panel, np.array([[10.0, 11.0], [20.0, 21.0]]))
    assert [longer.target(i).tolist() for i in range(2)] == [[1, 2, 3, 4, 5, 10, 11], [6, 7, 8, 20, 21]]
    assert (longer.starts == panel.starts).all()
    expected = [0, 1, 2, 3, 4, np.nan, np.nan, 0, 1, 2, np.nan, np.nan]
    np.testing.assert_array_equal(longer.covariates.past[:, 0], expected)
    np.testing.assert_array_equal(longer.covariates.known[:, 0], [*range(9), *range(4), np.nan])
    assert longer.covariates.known_offsets.tolist() == [0, 9, 14]


def test_the_spread_of_a_random_walk_grows_as_it_should() -> None:
    panel = panel_of([0.0, 5.0, 3.0])
    roll_out = RollOut(random_walk, DEFAULT_LEVELS, context_length=16)
    further = roll_out.further_blocks(panel, random_walk(panel), 5, DEFAULT_LEVELS)
    values = np.concatenate([random_walk(panel), *further], axis=1)[0]
    assert values.shape == (6 * HORIZON, 9)
    np.testing.assert_allclose(values[:, 4], 3.0, atol=0.02)
    widths = values[:, 8] - values[:, 0]
    assert (widths >= 0.98 * np.maximum.accumulate(widths)).all()
    truth = 2 * norm.ppf(0.9) * np.sqrt(np.arange(1, 6 * HORIZON + 1))
    np.testing.assert_allclose(widths, truth, rtol=0.15)  # nine branches stand for all that may follow


def test_levels_asked_for_do_not_change_each_other() -> None:
    panel, roll_out = panel_of([0.0, 5.0, 3.0]), RollOut(random_walk, DEFAULT_LEVELS, context_length=16)
    together = np.stack([*roll_out.further_blocks(panel, random_walk(panel), 2, (0.05, 0.2, 0.5))])
    alone = np.stack([*roll_out.further_blocks(panel, random_walk(panel), 2, (0.05,))])
    np.testing.assert_array_equal(together[..., :1], alone)


def test_what_is_forecast_in_logarithms_is_rolled_out_in_logarithms() -> None:
    def growing(panel: Panel) -> FloatArray:
        return np.exp(random_walk(replace(panel, values=np.log(panel.values))))

    panel = panel_of([0.0, 5.0, 3.0], [1.0, -2.0])
    grown = replace(panel, values=np.exp(panel.values))
    walk = RollOut(random_walk, DEFAULT_LEVELS, context_length=16)
    growth = RollOut(growing, DEFAULT_LEVELS, context_length=16, support="positive")
    expected = np.exp([*walk.further_blocks(panel, random_walk(panel), 5, DEFAULT_LEVELS)])
    further = [*growth.further_blocks(grown, growing(grown), 5, DEFAULT_LEVELS)]
    np.testing.assert_allclose(further, expected, rtol=1e-9)


def test_counts_are_rolled_out_as_counts() -> None:
    seen: list[float] = []

    def rare(panel: Panel) -> FloatArray:
        seen.extend(panel.values)
        return np.maximum(np.rint(random_walk(panel)), 0.0)

    panel = panel_of([0.0, 2.0, 1.0])
    roll_out = RollOut(rare, DEFAULT_LEVELS, context_length=16, support="counts")
    further = np.stack([*roll_out.further_blocks(panel, rare(panel), 3, (0.05, *DEFAULT_LEVELS))])
    np.testing.assert_array_equal(further, np.rint(further))
    assert further.min() == 0
    assert not np.signbit(further).any()
    assert min(seen) == 0
