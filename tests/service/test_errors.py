"""An error that nobody raised on purpose is a problem like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.routes import forecast
from tests.pipelines.factories import priced_predictor
from tests.service.factories import app_of, post
from tests.service.request_bodies import valid


def test_an_unexpected_error_says_nothing_but_the_id_of_its_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(forecast, "understood", fail)
    reply = post(app_of(priced_predictor(), tmp_path), valid(), **{"X-Request-Id": "mine"})
    assert (reply.status_code, reply.json()["code"], reply.json()["request_id"]) == (500, "internal", "mine")
    assert reply.headers["x-request-id"] == "mine"
    assert (reply.headers["x-content-type-options"], reply.headers["cache-control"]) == ("nosniff", "no-store")
    assert "secret" not in reply.text
