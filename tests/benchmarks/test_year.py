"""What is told of a simulated year: policies by the errors of all versions, and promotions that were bad."""

from __future__ import annotations

import numpy as np

from benchmarks.year.outcome import Course, by_policy, figures, judged

# Three versions on 28 days: the second is better than the first, the third worse than the second.
ERRORS = np.repeat([[1.0], [0.8], [0.9]], 28, axis=1)
COURSE = Course(np.repeat([1, 2, 3], [7, 7, 14]), np.repeat([1, 2, 3], [3, 4, 21]))


def test_each_policy_has_the_errors_of_its_versions() -> None:
    daily = by_policy(ERRORS, np.full(28, 2.0), COURSE)
    assert daily["ours"].mean() == np.mean([1.0] * 7 + [0.8] * 7 + [0.9] * 14)
    assert daily["newest"].mean() == np.mean([1.0] * 3 + [0.8] * 4 + [0.9] * 21)
    assert (set(daily["never"]), set(daily["naive"])) == ({1.0}, {2.0})


def test_a_promotion_is_bad_where_its_predecessor_would_have_been_better() -> None:
    good, bad = judged(ERRORS, COURSE)
    assert (good.day, good.version, good.predecessor, good.num_slots, good.is_bad) == (7, 2, 1, 1, False)
    assert (bad.day, bad.version, bad.predecessor, bad.num_slots, bad.is_bad) == (14, 3, 2, 2, True)
    found = figures(by_policy(ERRORS, np.full(28, 2.0), COURSE), [good, bad], 7)
    assert (found["num_promotions"], found["num_bad_promotions"]) == (2, 1)
    assert (found["longest_bad_promotion_slots"], found["bad_promotions_that_stayed"]) == (2, 0)
    assert found["mase_at_the_end_ours"] == 0.9
