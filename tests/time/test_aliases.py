from __future__ import annotations

import pytest

from forecaster.errors import FrequencyError
from forecaster.time.aliases import meaning


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("h", "h"), ("H", "h"), ("60min", "h"), ("T", "min"), ("15T", "15min"), ("90min", "90min"), ("3600S", "h"),
        ("24h", "D"), ("36h", "36h"), ("7D", "7D"), ("d", "D"), ("w", "W-SUN"), ("W", "W-SUN"), ("2W-MON", "2W-MON"),
        ("B", "B"), ("M", "ME"), ("2M", "2ME"), ("MS", "MS"), ("BM", "BME"), ("Q", "QE-DEC"), ("QE-MAR", "QE-DEC"),
        ("Q-NOV", "QE-NOV"), ("QS", "QS-JAN"), ("QS-OCT", "QS-JAN"), ("QS-MAY", "QS-FEB"), ("A", "YE-DEC"),
        ("Y", "YE-DEC"), ("AS-JUL", "YS-JUL"), ("YS", "YS-JAN"), ("BQE", "BQE-DEC"), (" 5ms ", "5ms"), ("1h", "h"),
        ("1000us", "ms"), ("step", "step"),
    ],
)  # fmt: skip
def test_every_spelling_has_one_canonical_alias(text: str, canonical: str) -> None:
    assert meaning(text).alias == canonical
    assert meaning(canonical) == meaning(text)


@pytest.mark.parametrize(
    ("alias", "season"),
    [
        ("h", 24), ("2h", 12), ("5h", 1), ("36h", 1), ("min", 1440), ("15min", 96), ("45min", 32), ("s", 3600),
        ("10s", 360), ("ms", 1000), ("D", 7), ("2D", 1), ("7D", 52), ("B", 5), ("W-SUN", 52), ("2W-SUN", 26),
        ("MS", 12), ("3MS", 4), ("5ME", 1), ("QS-JAN", 4), ("2QE-DEC", 2), ("YS-JAN", 1), ("5YE-DEC", 1), ("step", 1),
    ],
)  # fmt: skip
def test_season_is_one_cycle_in_whole_steps(alias: str, season: int) -> None:
    assert meaning(alias).season_length == season


@pytest.mark.parametrize("alias", ["h", "36h", "min", "s", "us"])
def test_fixed_lengths_that_are_not_days_are_ticks(alias: str) -> None:
    assert meaning(alias).is_tick


@pytest.mark.parametrize("alias", ["D", "7D", "B", "W-SUN", "MS", "QE-DEC", "YS-JAN", "step"])
def test_days_and_longer_are_not_ticks(alias: str) -> None:
    assert not meaning(alias).is_tick


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hourly",
        "weekly",
        "-1h",
        "+1h",
        "1.5h",
        "h2",
        "1h30min",
        "m",
        "W-XXX",
        "D-MON",
        "MS-JAN",
        "2step",
        "SM",
        "QS-",
        "h\n2",
    ],
)
def test_unknown_spellings_are_refused(text: str) -> None:
    with pytest.raises(FrequencyError, match="is unknown") as caught:
        meaning(text)
    assert caught.value.code == "unknown-frequency"


@pytest.mark.parametrize("text", ["0h", "00D", "0MS"])
def test_a_step_of_no_length_is_refused(text: str) -> None:
    with pytest.raises(FrequencyError, match="must be at least 1"):
        meaning(text)


@pytest.mark.parametrize("text", ["11YS", "99999999999h", "600W", "5000D", "999999999999999999MS", "4000B"])
def test_steps_longer_than_ten_years_are_refused(text: str) -> None:
    with pytest.raises(FrequencyError, match="ten years"):
        meaning(text)
