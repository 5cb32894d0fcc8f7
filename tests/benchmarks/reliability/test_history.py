"""Answers held against the history of the champion: what is mixed, what has a wrong version, what goes back."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reliability.history import Claim, Reign, Verdict, judge, nearest, num_backwards, reigns_of

DIGESTS = {"1": "sha256:a", "2": "sha256:b"}
REIGNS = reigns_of([("1", 0.0, 0.1), ("2", 10.0, 10.1)])


def claim(
    version: str = "1", started: float = 5.0, computed_by: str | None = None, generation: int = 1, digest: str = ""
) -> Claim:
    ended = started + 0.5
    return Claim(started, ended, version, digest or DIGESTS[version], generation, computed_by or version)


def test_a_reign_lasts_from_the_beginning_of_its_move_to_the_end_of_the_next() -> None:
    assert [Reign("1", 0.0, 10.1), Reign("2", 10.0, float("inf"))] == REIGNS


def test_answers_of_the_champion_contradict_nothing() -> None:
    claims = [claim(), claim("2", started=11.0, generation=2)]
    assert judge(claims, REIGNS, DIGESTS, bound=0.0) == Verdict(0, 0, 0)


def test_numbers_of_another_version_than_the_named_one_are_mixed() -> None:
    assert judge([claim(computed_by="2")], REIGNS, DIGESTS, bound=0.0).mixed == 1


def test_numbers_of_no_version_are_mixed() -> None:
    found = Claim(5.0, 5.5, "1", DIGESTS["1"], 1, None)
    assert judge([found], REIGNS, DIGESTS, bound=0.0).mixed == 1


def test_the_digest_of_another_version_is_mixed() -> None:
    assert judge([claim(digest="sha256:b")], REIGNS, DIGESTS, bound=0.0).mixed == 1


def test_a_version_is_wrong_before_its_reign() -> None:
    assert judge([claim("2", started=9.0)], REIGNS, DIGESTS, bound=100.0).wrong_version == 1
    assert judge([claim("2", started=9.6)], REIGNS, DIGESTS, bound=0.0).wrong_version == 0  # it began meanwhile


@pytest.mark.parametrize(("started", "num_wrong"), [(10.5, 0), (12.0, 0), (12.2, 1)])
def test_a_version_is_wrong_later_than_the_bound_after_its_reign(started: float, num_wrong: int) -> None:
    assert judge([claim(started=started)], REIGNS, DIGESTS, bound=2.0).wrong_version == num_wrong


def test_a_version_that_may_not_serve_is_wrong_and_mixed() -> None:
    found = Claim(5.0, 5.5, "3", "sha256:c", 1, "3")
    assert judge([found], REIGNS, DIGESTS, bound=2.0) == Verdict(mixed=1, wrong_version=1, backwards=0)


def test_a_lower_generation_goes_back_unless_it_was_asked_for_before_the_higher_was_there() -> None:
    higher = claim(started=5.0, generation=7)  # there at 5.5
    assert num_backwards([higher, claim(started=5.4, generation=6)]) == 0
    assert num_backwards([claim(started=5.6, generation=6), higher]) == 1
    assert num_backwards([claim(started=5.6, generation=7), higher]) == 0
    assert num_backwards([]) == 0


def test_the_nearest_answer_within_the_tolerance_says_who_computed_it() -> None:
    known = {"1": np.array([100.0, 200.0]), "2": np.array([101.0, 202.0]), "3": np.array([1.0])}
    assert nearest(np.array([100.0, 200.1]), known, 1e-3) == "1"
    assert nearest(np.array([101.0, 201.9]), known, 1e-3) == "2"
    assert nearest(np.array([100.0, 202.0]), known, 1e-3) is None
    assert nearest(np.array([100.0]), known, 1e-3) is None
