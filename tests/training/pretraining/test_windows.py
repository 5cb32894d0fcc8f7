"""The windows of pretraining: a pure function of seed and block, whose targets have to do with their contexts."""

from __future__ import annotations

import pytest
import torch

from forecaster.config.cycles import Cycles
from forecaster.synthesis import CYCLE_WEIGHTS, Draws, Order, Synthetic
from forecaster.training.pretraining import windows as room
from forecaster.training.pretraining.windows import SyntheticPart, SyntheticWindows, windows
from tests.synthesis.factories import EACH_CYCLES
from tests.training.pretraining.factories import same_parts, small_config


def rows_of(parts: list[SyntheticPart]) -> set[tuple[float, ...]]:
    """Gives the last steps of each context that varies."""
    rows = [row for part in parts for row in part.batch.context[:, -16:].tolist()]
    return {tuple(row) for row in rows if len(set(row)) > 2}


def steps_of(made: SyntheticWindows, num_blocks: int) -> list[list[SyntheticPart]]:
    """Gives the windows of the steps of the first blocks."""
    return [parts for number in range(num_blocks) for parts in made.steps_of(made.block(number))]


def test_windows_depend_on_seed_and_block_alone() -> None:
    one, other = SyntheticWindows(small_config()), SyntheticWindows(small_config())
    forwards = [one.block(number) for number in range(3)]
    backwards = [other.block(number) for number in reversed(range(3))][::-1]
    assert all(map(same_parts, forwards, backwards))


def test_settings_that_do_not_concern_windows_do_not_change_them() -> None:
    one = SyntheticWindows(small_config())
    other = SyntheticWindows(small_config({"d_model": 16}, max_steps=900, learning_rate=0.1, steps_per_validation=5))
    assert same_parts(one.block(1), other.block(1))


def test_another_seed_gives_other_windows() -> None:
    one, other = (SyntheticWindows(small_config(seed=seed)).block(0) for seed in (0, 1))
    assert not rows_of(one) & rows_of(other)


def test_no_window_is_seen_twice() -> None:
    made = SyntheticWindows(small_config())
    seen = [rows_of(parts) for parts in steps_of(made, 3)]
    assert len(set().union(*seen)) == sum(map(len, seen)) > 100


def test_the_steps_of_a_block_have_the_same_shapes_and_each_has_its_number_of_windows() -> None:
    made = SyntheticWindows(small_config())
    shapes = [[(*part.batch.context.shape, part.horizon) for part in parts] for parts in steps_of(made, 1)]
    assert len(shapes) == 3
    assert shapes[0] == shapes[1] == shapes[2]
    assert [rows for rows, _, _ in shapes[0]] == [8, 8]


def test_windows_to_validate_on_are_the_same_for_every_seed_and_seen_by_no_step() -> None:
    made, other = SyntheticWindows(small_config()), SyntheticWindows(small_config(seed=5))
    kept = made.validation()
    assert same_parts(kept, made.validation())
    assert same_parts(kept, other.validation())
    for parts in steps_of(made, 2):
        assert not rows_of(kept) & rows_of(parts)


@pytest.mark.parametrize(("longest", "short"), [(256, 32), (80, 16), (304, 32)])
def test_windows_to_validate_on_are_long_and_short_of_every_frequency(longest: int, short: int) -> None:
    kept = SyntheticWindows(small_config({"context_length": longest})).validation()
    expected = [(cycles, length) for cycles in CYCLE_WEIGHTS for length in (longest, short)]
    assert [(part.cycles, part.context_length) for part in kept] == expected
    assert {part.horizon for part in kept} == {16}


def test_many_series_are_made_in_portions_and_none_of_them_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_AT_ONCE", 10)
    made = SyntheticWindows(small_config())
    parts = made.block(0)
    assert [len(part.batch.context) for part in parts] == [24, 24]
    assert sum(len(rows_of([part])) for part in parts) == len(rows_of(parts)) > 40
    assert all(len({len(tensor) for tensor in part.tensors}) == 1 for part in parts)


def parts_of(model: dict[str, int], num_steps: int, **changes: int) -> list[SyntheticPart]:
    """Gives the parts of some steps, each of which has twelve orders of its own."""
    shape = {"num_orders": 12, "windows_per_order": 8, "steps_per_block": 1}
    made = SyntheticWindows(small_config(model, **shape | changes))
    return [part for parts in steps_of(made, num_steps) for part in parts]


@pytest.mark.parametrize(("patch", "num_patches"), [(16, 20), (128, 4)])
def test_contexts_are_whole_patches_of_two_seasons_or_more(patch: int, num_patches: int) -> None:
    longest = num_patches * patch
    parts = parts_of({"context_length": longest, "patch_length": patch}, 5, min_context=patch)
    lengths = {part.context_length for part in parts}
    assert not any(length % patch for length in lengths)
    assert patch <= min(lengths) < max(lengths) == longest
    assert len(lengths) > num_patches // 2
    assert all(part.context_length >= min(2 * part.cycles.season, longest) for part in parts)


def test_cycles_are_those_of_frequencies_and_horizons_as_long_as_asked_for() -> None:
    parts = parts_of({"context_length": 32, "horizon": 16}, 6)
    horizons = {part.horizon for part in parts}
    assert (min(horizons), max(horizons)) == (6, 16)
    found = {part.cycles for part in parts}
    assert found <= set(CYCLE_WEIGHTS)
    assert len(found) > 6


def test_series_of_months_and_shorter_seasons_have_short_histories() -> None:
    parts = parts_of({"context_length": 512}, 3)
    assert max(part.context_length for part in parts if part.cycles.season <= 12) <= 320
    assert max(part.context_length for part in parts) > 320


@EACH_CYCLES
def test_what_is_not_observed_is_0(cycles: Cycles) -> None:
    batch = windows(Draws.seeded(0), cycles, 200, 64, 16).batch
    assert batch.context.dtype == batch.target.dtype == torch.float64
    assert batch.context.isfinite().all()
    assert batch.target.isfinite().all()
    assert (batch.context[~batch.observed] == 0).all()
    assert batch.observed.any(dim=1).all()
    assert batch.target_observed.float().mean() > 0.8


def test_some_histories_begin_within_the_context_and_none_with_less_than_a_few_steps() -> None:
    batch = windows(Draws.seeded(0), Cycles(24, 168), 900, 160, 16).batch
    begins = batch.observed.float().argmax(dim=1)
    assert (begins > 8).float().mean().item() == pytest.approx(0.3, abs=0.06)
    assert begins.max() > 120
    assert begins.max() <= 160 - 3  # five steps, some of which may be lost


def test_targets_far_outside_are_not_observed() -> None:
    for cycles in CYCLE_WEIGHTS:
        batch = windows(Draws.seeded(0), cycles, 300, 32, 16).batch
        assert batch.target_observed.any()
        for row in range(300):
            seen, known = batch.context[row][batch.observed[row]], batch.target[row][batch.target_observed[row]]
            spread = (seen - seen.mean()).square().mean().sqrt()
            assert ((known - seen.mean()).abs() <= 25 * spread + 1e-6).all()


def test_targets_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    swings = torch.tensor([-1.0, 1.0]).repeat(16)
    values = torch.stack([torch.cat([swings, torch.tensor(ends)]) for ends in ([20.0, 24.0], [20.0, 26.0], [0.0, 3.0])])
    values = torch.cat([values, torch.full((2, 34), 7.0)])
    values[4, -1] = 7.5
    observed = torch.ones(5, 34, dtype=torch.bool)
    observed[2, -2] = False

    def made_up(draws: Draws, order: Order) -> Synthetic:
        assert order == Order(5, 34, Cycles())
        return Synthetic(values, observed)

    monkeypatch.setattr(room, "synthesize", made_up)
    monkeypatch.setattr(room, "_SHORT_HISTORIES", 0.0)
    batch = windows(Draws.seeded(0), Cycles(), 5, 32, 2).batch
    expected = [[True, True], [False, False], [False, True], [True, True], [False, False]]
    assert batch.target_observed.tolist() == expected
    assert torch.equal(batch.context, values[:, :32].double())
    assert torch.equal(batch.target, values[:, 32:].double())


def test_a_part_goes_to_another_device_as_a_whole() -> None:
    part = windows(Draws.seeded(0), Cycles(12), 9, 32, 6)
    moved = part.to("meta")
    assert {tensor.device.type for tensor in moved.tensors} == {"meta"}
    assert (moved.cycles, moved.context_length, moved.horizon) == (Cycles(12), 32, 6)
