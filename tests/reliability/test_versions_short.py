"""The short forms of the measurements about versions keep what the service promises, and their controls do not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.reliability import integrity, outage, reloads, swap_memory
from benchmarks.reliability.versions import SPOILED

pytestmark = pytest.mark.timeout(900)


@pytest.mark.long
def test_reloads_under_load_drop_mix_and_misname_no_answer() -> None:
    with reloads.home_with_versions() as (home, found):
        ours: Any = reloads.reload_under_load(home, found, reloads.SHORT)
        unverified: Any = reloads.reload_under_load(home, found, reloads.SHORT, "unverified")
        unpinned: Any = reloads.reload_under_load(home, found, reloads.SHORT, "unpinned")
    assert ours["requests"] and set(SPOILED) <= set(ours["kinds"])
    assert (ours["dropped"], ours["mixed"], ours["wrong_version"], ours["backwards"]) == (0, 0, 0, 0)
    assert unverified["wrong_version"] and unpinned["mixed"]


@pytest.mark.long
def test_serving_and_a_start_need_no_registry() -> None:
    found: Any = outage.measure(outage.SHORT)
    assert found["registry_while_down_and_frozen"] == ["down", "down"]
    assert found["requests"] and found["serving_errors"] == 0
    assert found["longest_call_seconds"] <= outage.MAX_CALL_SECONDS
    # The cores are shared with other tests: what the start computes itself tells more than how long it lasts.
    assert found["cold_start_processor_seconds"] <= outage.MAX_COLD_START_SECONDS
    assert not found["control_without_cache_is_ready"]
    assert found["control_client_still_waits_after_seconds"]


@pytest.mark.slow
def test_all_damage_to_a_bundle_is_refused() -> None:
    found: Any = integrity.measure(integrity.SHORT)
    assert found["bit_flips_refused"] == integrity.SHORT.num_flips
    assert found["truncations_refused"] == found["truncations"]
    assert found["control_weights_refused"] < integrity.SHORT.num_control_flips // 2


@pytest.mark.slow
def test_memory_does_not_grow_with_swaps() -> None:
    found: Any = swap_memory.measure(swap_memory.SHORT)
    assert found["eager"]["ratio"] <= swap_memory.MAX_RATIO
    assert found["control"]["ratio"] > swap_memory.MAX_RATIO
