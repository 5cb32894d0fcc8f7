"""Tokens: which steps and which numbers end up in which one, in the past and in the future."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from forecaster.config import CovariateConfig
from forecaster.errors import RequestError
from forecaster.model.scaling import ScaledContext, scale_context, scale_covariate
from forecaster.model.tokens import LARGEST_SCALED_STATIC, StaticEmbedding, TokenEmbedding
from forecaster.types import CovariateBatch, Masked
from tests.model.factories import (
    COVARIATES,
    equal_steps,
    no_covariates,
    random_context,
    random_covariates,
    random_elapsed,
    random_observed,
    small_config,
)

PER_STEP = CovariateConfig(past=("wind", "rain"), known=("price",), calendar=("hour", "weekday"))


def embedding_for(**changes: Any) -> TokenEmbedding:
    torch.manual_seed(0)
    config = small_config(**changes)
    assert config.context_length is not None
    assert config.patch_length is not None
    return TokenEmbedding(config, config.context_length, config.patch_length)


def window_of(num_rows: int = 2, length: int = 24) -> ScaledContext:
    return scale_context(random_context(num_rows, length), random_observed(num_rows, length))


@pytest.mark.parametrize(
    ("changes", "spans"),
    [
        ({}, [(-12, -9), (-8, -5), (-4, -1)]),
        ({"patch_stride": 2}, [(-12, -9), (-10, -7), (-8, -5), (-6, -3), (-4, -1)]),
        ({"coarse_patch_length": 6}, [(-12, -7), (-6, -1), (-12, -9), (-8, -5), (-4, -1)]),
        ({"decoder": "queries"}, [(-12, -9), (-8, -5), (-4, -1), (0, 3), (4, 7)]),
    ],
    ids=["plain", "overlapping", "coarse", "queries"],
)
def test_spans_and_ages_by_hand(changes: dict[str, Any], spans: list[tuple[int, int]]) -> None:
    embedding = embedding_for(context_length=12, **changes)
    assert embedding.spans == spans
    assert embedding.num_tokens == len(spans)
    # An age counts patches of 4 steps from the end of the token to the cutoff; negative where it ends after it.
    assert embedding.ages.tolist() == [-(last + 1) / 4 for _, last in spans]


def test_overlapping_coarse_and_future_tokens_stand_one_kind_after_the_other() -> None:
    embedding = embedding_for(coarse_patch_length=12, patch_stride=2, decoder="queries")
    coarse, fine, future = embedding.spans[:2], embedding.spans[2:13], embedding.spans[13:]
    assert coarse == [(-24, -13), (-12, -1)]
    assert fine == [(end - 4, end - 1) for end in range(-20, 1, 2)]
    assert future == [(0, 3), (4, 7)]


@pytest.mark.parametrize("changes", [{}, {"patch_stride": 1}, {"coarse_patch_length": 8}], ids=str)
def test_a_token_is_the_linear_map_of_the_values_and_masks_of_its_span(changes: dict[str, Any]) -> None:
    embedding, window = embedding_for(**changes), window_of()
    tokens = embedding(window, None)
    for place, (first, last) in enumerate(embedding.spans):
        span = slice(24 + first, 25 + last)
        numbers = torch.stack([window.values[:, span], window.observed[:, span].float()], dim=-1).flatten(1)
        is_coarse = last - first + 1 == 8
        linear = embedding.embeddings[0 if is_coarse else -1]
        torch.testing.assert_close(tokens.values[:, place], linear(numbers), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{}, {"patch_stride": 2}, {"coarse_patch_length": 8}, {"decoder": "queries"}], ids=str
)
def test_a_token_is_real_where_its_patch_has_an_observed_step_or_lies_in_the_future(changes: dict[str, Any]) -> None:
    embedding, observed = embedding_for(**changes), torch.zeros(1, 24, dtype=torch.bool)
    observed[0, [9, 22]] = True
    tokens = embedding(scale_context(random_context(1, 24), observed), None)
    expected = [first >= 0 or bool(observed[0, 24 + first : 25 + last].any()) for first, last in embedding.spans]
    assert tokens.real[0].tolist() == expected


def test_missing_and_a_real_0_are_different_tokens() -> None:
    embedding, nothing = embedding_for(), torch.zeros(1, 24, dtype=torch.float64)
    seen, unseen = (
        embedding(scale_context(nothing, torch.full((1, 24), known)), None).values for known in (True, False)
    )
    assert not torch.allclose(seen, unseen)


def test_a_step_says_its_value_then_past_then_known_numbers_then_its_calendar() -> None:
    embedding, window, covariates = embedding_for(covariates=PER_STEP), window_of(), random_covariates(2)
    past, known = scale_covariate(covariates.past), scale_covariate(covariates.known)

    def step(at: int) -> torch.Tensor:
        """Gives the ten numbers of a step [B 10]: six that end with the context, four that end with the horizon."""
        seen = told = None
        if at < 24:
            seen = [window.values[:, [at]], window.observed[:, [at]], past.values[:, at], past.observed[:, at]]
        if at < 29:
            told = [known.values[:, at], known.observed[:, at], covariates.calendar[:, at]]
        parts = [seen or [torch.zeros(2, 6)], told or [torch.zeros(2, 4)]]
        return torch.cat([number.float() for part in parts for number in part], dim=-1)

    tokens = embedding(window, covariates)
    assert embedding.future_mark is not None
    for place, (first, last) in enumerate(embedding.spans):
        numbers = torch.cat([step(24 + at) for at in range(first, last + 1)], dim=-1)
        mark = embedding.future_mark if first >= 0 else 0.0
        expected = embedding.embeddings[0](numbers) + mark
        torch.testing.assert_close(tokens.values[:, place], expected, rtol=1e-5, atol=1e-5)


def test_the_future_is_there_where_it_is_asked_for_or_something_of_it_is_known() -> None:
    assert embedding_for().num_future == 0
    assert embedding_for(covariates=CovariateConfig(past=("wind",), static=("size",))).num_future == 0
    for covariates in (CovariateConfig(known=("price",)), CovariateConfig(calendar=("hour",))):
        assert embedding_for(covariates=covariates).num_future == 2  # 5 steps are 2 patches of 4
    assert embedding_for(decoder="queries").num_future == 2


def test_a_network_without_a_future_has_no_mark_for_it() -> None:
    assert "future_mark" not in dict(embedding_for().named_parameters())
    assert "future_mark" in dict(embedding_for(decoder="queries").named_parameters())


def test_what_holds_for_the_series_is_added_to_each_of_its_tokens() -> None:
    embedding, window, covariates = embedding_for(covariates=COVARIATES), window_of(), random_covariates(2)
    assert embedding.static is not None
    tokens = embedding(window, covariates).values
    embedding.static, static = None, embedding.static
    added = tokens - embedding(window, covariates).values
    torch.testing.assert_close(added, static(covariates).unsqueeze(1).expand_as(tokens), rtol=1e-4, atol=1e-5)


def test_a_model_with_covariates_refuses_to_go_without() -> None:
    with pytest.raises(RequestError, match="needs covariates and got none") as refusal:
        embedding_for(covariates=COVARIATES)(window_of(), None)
    assert refusal.value.code == "missing-covariates"


@pytest.mark.parametrize(
    "changes", [{}, {"patch_stride": 2, "coarse_patch_length": 8}, {"decoder": "queries"}, {"horizon": 3}], ids=str
)
def test_the_age_by_time_is_the_elapsed_time_at_the_end_of_the_span(changes: dict[str, Any]) -> None:
    embedding, elapsed = embedding_for(positions="time", **changes), random_elapsed(2)
    ages = embedding(window_of(), replace(no_covariates(2), elapsed=elapsed)).ages
    assert ages.shape == (2, embedding.num_tokens)
    for place, (_, last) in enumerate(embedding.spans):
        beyond = max(0, last - 4)  # steps after the horizon of 5 last 1
        expected = (elapsed[:, min(24 + last, 28)] - beyond) / 4
        torch.testing.assert_close(ages[:, place], expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    "changes",
    [{}, {"patch_stride": 1, "coarse_patch_length": 12}, {"decoder": "queries"}, {"patch_length": 3}],
    ids=str,
)
def test_ages_by_time_are_those_by_steps_where_all_steps_last_equally_long(changes: dict[str, Any]) -> None:
    embedding = embedding_for(positions="time", **changes)
    ages = embedding(window_of(), replace(no_covariates(2), elapsed=equal_steps(2))).ages
    assert torch.equal(ages, embedding.ages.expand(2, -1))


@pytest.mark.parametrize("covariates", [None, no_covariates(2)], ids=["nothing", "no time"])
def test_a_model_that_reads_the_elapsed_time_refuses_to_go_without(covariates: CovariateBatch | None) -> None:
    with pytest.raises(RequestError, match=r"this model needs .* and got none") as refusal:
        embedding_for(positions="time")(window_of(), covariates)
    assert refusal.value.code == "missing-covariates"


def test_the_static_vector_is_a_map_of_numbers_plus_a_vector_of_each_category() -> None:
    torch.manual_seed(0)
    static, covariates = StaticEmbedding(small_config(covariates=COVARIATES)), random_covariates(4)
    assert static.linear is not None
    static.loc.copy_(torch.tensor([7.0, 6.0]))
    static.spread.copy_(torch.tensor([5.0, 2.0]))
    for row in range(4):
        seen = covariates.static.observed[row]
        numbers = [
            (covariates.static.values[row, place].item() - loc) / spread if seen[place] else 0.0
            for place, (loc, spread) in enumerate([(7.0, 5.0), (6.0, 2.0)])
        ]
        expected = static.linear.weight @ torch.tensor([*numbers, *seen.float().tolist()])
        for place in range(2):
            table = static.tables[place]
            assert isinstance(table, torch.nn.Embedding)
            expected = expected + table.weight[covariates.categories[row, place]]
        torch.testing.assert_close(static(covariates)[row], expected, rtol=1e-5, atol=1e-5)


def test_category_0_stands_for_what_training_has_not_met_and_has_a_vector_of_its_own() -> None:
    static, covariates = StaticEmbedding(small_config(covariates=COVARIATES)), random_covariates(1)
    vectors = [static(replace(covariates, categories=torch.tensor([[number, 0]]))).squeeze(0) for number in range(4)]
    assert all(not torch.allclose(vectors[first], vectors[0]) for first in range(1, 4))
    assert [table.num_embeddings for table in static.tables if isinstance(table, torch.nn.Embedding)] == [4, 2]


def test_static_numbers_are_scaled_by_those_of_the_training_series() -> None:
    static = StaticEmbedding(small_config(covariates=COVARIATES))
    static.scale_by(torch.tensor([[1.0, 4.0], [3.0, 4.0], [math.nan, 4.0]], dtype=torch.float64))
    assert static.loc.tolist() == [2.0, 4.0]
    assert static.spread.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_static_numbers_beyond_the_largest_say_the_same_as_it(sign: float) -> None:
    static, covariates = StaticEmbedding(small_config(covariates=COVARIATES)), random_covariates(1)
    static.loc.fill_(100.0)
    static.spread.fill_(0.5)

    def vector(number: float) -> torch.Tensor:
        numbers = torch.full((1, 2), number, dtype=torch.float64)
        given: torch.Tensor = static(replace(covariates, static=Masked(numbers, torch.ones(1, 2, dtype=torch.bool))))
        return given

    largest = vector(100.0 + sign * 0.5 * LARGEST_SCALED_STATIC)
    assert all(torch.equal(vector(sign * further), largest) for further in (1e7, 1e30, 1e308))
    assert not torch.allclose(vector(100.0 + sign * 0.4 * LARGEST_SCALED_STATIC), largest)


def test_training_series_are_never_clipped_however_far_one_stands_from_all_others() -> None:
    static = StaticEmbedding(small_config(covariates=COVARIATES))
    numbers = torch.zeros(100_000, 2, dtype=torch.float64)
    numbers[0] = 1e30
    static.scale_by(numbers)
    furthest = ((numbers - static.loc) / static.spread).abs().max()
    assert 300 < furthest < 317  # the square root of 100,000
    assert furthest < LARGEST_SCALED_STATIC


def test_numbers_that_are_missing_are_0_and_say_so() -> None:
    static, covariates = StaticEmbedding(small_config(covariates=COVARIATES)), random_covariates(1)
    at_mean, missing = (
        static(replace(covariates, static=Masked(torch.zeros(1, 2).double(), torch.full((1, 2), known))))
        for known in (True, False)
    )
    assert not torch.allclose(at_mean, missing)
