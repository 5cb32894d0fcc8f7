from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import CovariateConfig
from forecaster.data.covariates import PanelCovariates, covariate_config
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, DataError, ValueTypeError
from forecaster.time.frequency import Frequency, TimeAxis
from tests.factories import START, covariate_panel, panel_of

NAN = float("nan")
HOURLY = TimeAxis(Frequency("h"))

seeds = st.integers(0, 2**32 - 1)


def small_panel() -> Panel:
    """Two series of 3 and 2 steps, known 1 and 0 steps ahead."""
    return Panel.from_arrays(
        ["a", "b"],
        np.full(2, START),
        [[1.0, 2.0, 3.0], [4.0, 5.0]],
        HOURLY,
        covariates=PanelCovariates.from_arrays(
            past={"load": [[10, 20, 30], [40, NAN]]},
            known={"promo": [[1, 0, 1, 1], [0, 0]], "price": [[5, 6, 7, 8], [9, NAN]]},
            static={"size": [1.5, NAN]},
            categories={"store": ["X", None]},
        ),
        groups=[7, 7],
    )


def test_a_panel_has_no_covariates_and_single_groups_unless_given() -> None:
    panel = panel_of([1, 2], [3])
    assert panel.covariates.is_empty
    assert (panel.groups.tolist(), panel.is_grouped) == ([0, 1], False)


def test_covariates_lie_as_the_series_do() -> None:
    held = small_panel().covariates
    np.testing.assert_array_equal(held.past, [[10], [20], [30], [40], [NAN]])
    np.testing.assert_array_equal(held.known, [[1, 5], [0, 6], [1, 7], [1, 8], [0, 9], [0, NAN]])
    assert (held.known_offsets.tolist(), held.ahead(small_panel().lengths).tolist()) == ([0, 4, 6], [1, 0])
    assert held.categories.tolist() == [["X"], [None]]


def test_covariates_and_groups_are_read_only() -> None:
    panel = small_panel()
    held = panel.covariates
    for array in (held.past, held.known, held.known_offsets, held.static, held.categories, panel.groups):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]


def test_select_takes_the_covariates_of_the_series_along() -> None:
    panel = small_panel().select([1])
    held = panel.covariates
    np.testing.assert_array_equal(held.known, [[0, 9], [0, NAN]])
    np.testing.assert_array_equal(held.past, [[40], [NAN]])
    assert (held.known_offsets.tolist(), held.categories.tolist(), panel.is_grouped) == ([0, 2], [[None]], False)


def test_head_keeps_what_was_known_ahead_of_its_ends_and_nothing_else() -> None:
    panel = small_panel().head(np.array([1, 2]))
    assert panel.covariates.past[:, 0].tolist()[:1] == [10]
    assert len(panel.covariates.past) == 3
    assert panel.covariates.ahead(panel.lengths).tolist() == [3, 0]
    np.testing.assert_array_equal(panel.covariates.known, small_panel().covariates.known)


def test_leading_steps_are_cut_off_with_their_covariates() -> None:
    panel = Panel.from_arrays(
        ["a", "b"],
        np.full(2, START),
        [[NAN, NAN, 3.0], [4.0]],
        HOURLY,
        covariates=PanelCovariates.from_arrays(past={"p": [[1, 2, 3], [4]]}, known={"k": [[1, 2, 3, 4], [5, 6]]}),
    )
    assert panel.covariates.past.tolist() == [[3], [4]]
    assert panel.covariates.known.tolist() == [[3], [4], [5], [6]]
    assert panel.covariates.known_offsets.tolist() == [0, 2, 4]


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_a_panel_of_all_series_in_order_is_the_same_panel(seed: int) -> None:
    panel = covariate_panel(np.random.default_rng(seed))
    order = np.random.default_rng(seed).permutation(len(panel))
    assert panel.select(np.arange(len(panel))).fingerprint() == panel.fingerprint()
    assert panel.select(order).select(np.argsort(order)).fingerprint() == panel.fingerprint()
    assert panel.head(panel.lengths).fingerprint() == panel.fingerprint()


CHANGES: dict[str, Callable[[PanelCovariates], PanelCovariates]] = {
    "past": lambda held: replace(held, past=held.past + 1),
    "known": lambda held: replace(held, known=held.known + 1),
    "a step ahead": lambda held: replace(held, known=np.roll(held.known, 1), known_offsets=np.array([0, 3, 6])),
    "static": lambda held: replace(held, static=held.static + 1),
    "a category": lambda held: replace(held, categories=np.array([["Y"], [None]], dtype=object)),
    "a name": lambda held: replace(held, past_names=("other",)),
    "a kind": lambda held: replace(held, static_names=(), static=np.empty((0, 0))),
    "all": lambda held: PanelCovariates(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_fingerprint_sees_covariates(change: str) -> None:
    panel = small_panel()
    assert replace(panel, covariates=CHANGES[change](panel.covariates)).fingerprint() != panel.fingerprint()


def test_fingerprint_sees_which_series_share_a_group_and_not_its_number() -> None:
    panel = panel_of([1], [2], [3])
    prints = [replace(panel, groups=np.array(groups)).fingerprint() for groups in ([5, 5, 2], [0, 0, 1], [0, 1, 1])]
    assert prints[0] == prints[1] != prints[2]
    assert replace(panel, groups=np.array([9, 4, 6])).fingerprint() == panel.fingerprint()


def test_fingerprint_of_a_plain_panel_stays_what_it_always_was() -> None:
    assert panel_of([1, 2, NAN], [4]).fingerprint().startswith("sha256:7daadc19f1b2778c3fa98cd8b295717972e51941")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"past": np.zeros((4, 1))}, r"past covariates have shape \(4, 1\), not \(5, 1\)"),
        ({"past": np.zeros((5, 1), dtype=np.float32)}, "past covariates"),
        ({"known": np.zeros((5, 2))}, r"known covariates have shape \(5, 2\), not \(6, 2\)"),
        ({"known_offsets": np.array([0, 6])}, "offsets of known covariates are not 3"),
        ({"known_offsets": np.array([0, 2, 6])}, "end before the target of series number 0"),
        ({"static": np.zeros((1, 1))}, "static covariates"),
        ({"categories": np.empty((2, 2), dtype=object)}, "categories have shape"),
        ({"static_names": ("load",)}, "names are not unique"),
    ],
)
def test_covariates_that_do_not_fit_are_no_panel(change: dict[str, object], problem: str) -> None:
    panel = small_panel()
    with pytest.raises(DataError, match=f"no panel: .*{problem}") as caught:
        replace(panel, covariates=replace(panel.covariates, **change))
    assert caught.value.code == "invalid-panel"


def test_groups_that_do_not_fit_are_no_panel() -> None:
    with pytest.raises(DataError, match="no panel: groups are not 2 integers"):
        replace(panel_of([1], [2]), groups=np.array([1]))


def test_known_columns_reach_equally_far() -> None:
    with pytest.raises(DataError, match="'k', 'm' are not known for the same steps"):
        PanelCovariates.from_arrays(known={"k": [[1, 2]], "m": [[1, 2, 3]]})


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        ({"past": {"p": [[1], [2, np.inf]]}}, "series 's1' has at value 2 of 'p' an infinite value"),
        ({"known": {"k": [[1, 1e31], [2, 3]]}}, "series 's0' has at value 2 of 'k' a value beyond"),
        ({"static": {"n": [1, -np.inf]}}, "series 's1' has at value 1 of 'n' an infinite value"),
    ],
)
def test_covariates_are_finite(held: dict[str, dict[str, list[object]]], problem: str) -> None:
    with pytest.raises(ValueTypeError, match=problem):
        Panel.from_arrays(
            ["s0", "s1"],
            np.full(2, START),
            [[1.0], [1.0, 2.0]],
            HOURLY,
            covariates=PanelCovariates.from_arrays(**held),  # type: ignore[arg-type]
        )


def test_config_of_a_panel_names_what_it_has() -> None:
    panel = covariate_panel(np.random.default_rng(0))
    config = covariate_config(panel, ("day_of_week",), "DE")
    assert (config.past, config.known, config.static) == (("p0", "p1"), ("k0", "k1"), ("n0", "n1"))
    assert config.calendar == (
        "day_of_week_sin",
        "day_of_week_cos",
        "holiday",
        "days_to_holiday",
        "days_since_holiday",
    )
    assert config.holidays == "DE"
    for place, name in enumerate(("c0", "c1")):
        texts = {text for text in panel.covariates.categories[:, place] if text}
        assert config.categories[name] == tuple(sorted(texts))


def test_config_of_a_panel_without_covariates_is_empty() -> None:
    assert covariate_config(panel_of([1, 2])) == CovariateConfig()


def test_integer_steps_have_no_calendar() -> None:
    with pytest.raises(ConfigError, match="counts integer steps"):
        covariate_config(panel_of([1, 2], frequency="step"), ("day_of_week",))
