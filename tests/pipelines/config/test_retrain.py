"""The group `retrain`: what its cron expressions mean, in UTC, and which settings are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from pipelines.config import RetrainConfig
from pipelines.config.retrain.cron import Cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "now", "latest"),
    [
        ("0 3 * * *", "2024-03-01T03:00", "2024-03-01T03:00"),
        ("0 3 * * *", "2024-03-01T02:59:59.999999", "2024-02-29T03:00"),
        ("*/5 * * * *", "2024-03-01T00:04", "2024-03-01T00:00"),
        ("0 3 * * mon", "2024-03-03T12:00", "2024-02-26T03:00"),
        ("0 0 1 * *", "2024-03-31T23:00", "2024-03-01T00:00"),
        ("0 0 1 1 *", "2024-12-31T23:00", "2024-01-01T00:00"),
        ("0 0 29 feb *", "2027-12-31T23:00", "2024-02-29T00:00"),
        ("0 0 29 feb mon", "2026-11-27T00:00", "2026-02-23T00:00"),
        ("0 0 1,15 * fri", "2026-11-27T00:00", "2026-11-27T00:00"),
        ("0 0 1,15 * fri", "2026-11-19T00:00", "2026-11-15T00:00"),
        ("0 0 */2 * fri", "2026-11-30T00:00", "2026-11-27T00:00"),
        ("0 0 */28 feb mon", "2026-11-27T00:00", "2021-02-01T00:00"),
    ],
)
def test_the_latest_moment_of_a_cron(cron: str, now: str, latest: str) -> None:
    assert Cron(cron).latest(at(now)) == at(latest)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cron": "every day"}, "wants five fields"),
        ({"cron": "0 3 * * 1-5"}, "days of the week by name"),
        ({"cron": "61 3 * * *"}, "wants five fields"),
        ({"cron": "0 0 30 feb *"}, "never comes"),
        ({"look_cron": "0 * * * *"}, "look_cron is for triggers"),
        ({"triggers": [{"signal": "mood", "above": 1, "clear_below": 0}]}, "Input should be"),
        ({"triggers": [{"signal": "drift_input", "above": 1, "clear_below": 2}]}, "clear_below is 2, above the 1"),
        ({"triggers": [{"signal": "drift_input", "above": 1, "clear_below": 0}] * 2}, "drift_input more than once"),
        ({"min_new_values": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RetrainConfig.model_validate(settings)
