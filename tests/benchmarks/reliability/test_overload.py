"""What the measurement of overload makes of the requests it sent."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.reliability.overload import calm_after, figures, is_proper
from benchmarks.serving.load import Fault, Sent

PROBLEM = {"retry-after": "2", "content-type": "application/problem+json"}


def one(
    due: float,
    latency: float,
    status: int | None = 200,
    *,
    fault: Fault | None = None,
    delay: float = 0.0,
    **headers: str,
) -> Sent:
    return Sent(0, due, due + delay, due + latency, status, fault, headers)


def found(*sent: Sent, seconds: float = 1.0, capacity: float = 2.0) -> dict[str, Any]:
    return figures(sent, seconds, capacity)


def test_goodput_counts_what_is_answered_within_the_deadline() -> None:
    shown = found(one(0.0, 0.5), one(0.1, 1.5), one(0.2, 0.1, 503), seconds=2.0, capacity=1.0)
    assert shown["goodput_over_capacity"] == 0.5
    assert (shown["accepted"], shown["sheds"]) == (2, 1)


def test_each_way_to_fail_is_told_from_a_refusal() -> None:
    shown = found(
        one(0.0, 0.1, 504),
        one(0.0, 0.1, 500),
        one(0.0, 0.1, None, fault="reset"),
        one(0.0, 0.1, None, fault="half"),
        one(0.0, 10.0, None, fault="timeout"),
        one(0.0, 0.1, 429),
    )
    assert (shown["other_5xx"], shown["resets"], shown["timeouts"], shown["sheds"]) == (2, 2, 1, 1)


@pytest.mark.parametrize("changed", [{"retry-after": ""}, {"retry-after": "0"}, {"content-type": "text/plain"}])
def test_a_refusal_says_when_to_come_again_and_is_a_problem(changed: dict[str, str]) -> None:
    assert is_proper(Sent(0, 0.0, 0.0, 0.1, 503, headers=PROBLEM))
    assert not is_proper(Sent(0, 0.0, 0.0, 0.1, 503, headers=PROBLEM | changed))


def test_a_late_generator_makes_a_run_invalid() -> None:
    assert found(one(0.0, 0.1, delay=0.01))["is_valid"]
    assert not found(one(0.0, 0.1, delay=0.09))["is_valid"]
    assert not found(one(0.0, 0.1), one(0.0, 0.1, None, fault="held_back"))["is_valid"]


def test_calm_begins_after_the_last_slow_probe_before_two_calm_seconds() -> None:
    probes = [one(100 + n / 10, 0.5 if n < 7 else 0.01) for n in range(60)]
    assert calm_after(probes, 0.1) == pytest.approx(0.7)
    hiccup_later = [*probes[:40], one(104.0, 0.5), *probes[41:]]
    assert calm_after(hiccup_later, 0.1) == pytest.approx(0.7)


def test_calm_from_the_start_and_never() -> None:
    assert calm_after([one(n / 10, 0.01) for n in range(30)], 0.1) == 0
    assert calm_after([one(n / 10, 0.01 if n % 10 else 0.5) for n in range(60)], 0.1) is None
    assert calm_after([one(n / 10, 0.01, 503) for n in range(60)], 0.1) is None
