"""Fields of a request are what they say, to the last character."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.schemas import ForecastRequest
from tests.service.request_bodies import series


@pytest.mark.parametrize(
    "time", ["2024-01-01\n", "2024-01-01\u2003", "2024-01-01\x00", "\uff12\uff10\uff12\uff14-01-01"]
)
def test_a_time_holds_printable_ascii_alone(time: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        ForecastRequest.model_validate(series(start=time))
