"""Short forms of random, bad and many requests: the service keeps what it promises, and controls are caught."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.reliability import fuzz, isolation, metrics_truth, poison
from benchmarks.reliability.verdicts import MAX_SECONDS
from tests.service.bad_table import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_random_requests_break_nothing_and_a_broken_service_is_noticed() -> None:
    found: Any = fuzz.measure(fuzz.SHORT)
    assert found["faults"] == {}, found["first_of_each_fault"]
    assert (found["grammar_cases"], found["raw_cases"]) == (fuzz.SHORT.num_grammar, fuzz.SHORT.num_raw)
    assert found["grammar_slowest_seconds"] <= MAX_SECONDS
    assert found["grammar_statuses"]["200"] >= 0.2 * fuzz.SHORT.num_grammar
    assert (found["table_cases"], found["table_slowest_seconds"] <= MAX_SECONDS) == (fuzz.SHORT.num_tables, True)
    assert found["table_statuses"]["200"] >= 0.2 * fuzz.SHORT.num_tables
    assert found["schemathesis"]["exit"] == 0, found["schemathesis"]["output"]
    assert found["schemathesis"]["cases"] >= 500
    assert min(found["control_noticed"].values()) > 0, found["control_noticed"]


def test_everybody_gets_their_own_answer_whatever_others_do() -> None:
    found: Any = isolation.measure(2_000)
    assert found["statuses"] == {"200": 2_000}
    assert (found["crossed"], found["unexpected_exceptions"]) == (0, 0)
    assert found["largest_relative_difference"] <= isolation.MAX_DIFFERENCE
    assert found["gone_clients"] == 600
    assert found["batches"]["share_in_company"] > 0.2
    assert found["clean_afterwards"] == 100
    assert found["control_crossed"] > 0


def test_bad_requests_are_refused_in_company_as_alone() -> None:
    rows = ROWS[::12]
    found: Any = poison.measure(rows)
    for position in ("alone", "in_company", "given_away"):
        assert found[f"{position}_wrong"] == []
    assert found["alone_sent"] == found["in_company_sent"] == len(rows)
    assert found["control_given_away"] > 0


def test_metrics_count_what_clients_see() -> None:
    found: Any = metrics_truth.measure(metrics_truth.SHORT)
    assert found["differences"] == {}
    assert found["series_constant"]
    assert found["requests"] >= metrics_truth.SHORT.num_blocks * metrics_truth.SHORT.block_size
    assert {"200", "400", "401", "403", "404", "405", "413", "415", "422", "499", "edge"} <= found["statuses"].keys()
    assert found["control"]["differing_counts"]
