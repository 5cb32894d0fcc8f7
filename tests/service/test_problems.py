"""What a problem says: where it is, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home: Path = tmp_path_factory.mktemp("home")
    app = app_of(predictor_of(), home, port=0)
    with on_a_socket(app, app.state.service.settings) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "place", "field"),
    [
        ("/v1/forecasts/abc", "path", "path.forecast_id"),
        ("/v1/forecasts/abc/outcome", "path", "path.forecast_id"),
        (f"/v1/finetuned/{'x' * 129}", "path", "path.name"),
        ("/v1/jobs?limit=0", "query", "query.limit"),
        ("/v1/skill?since=yesterday", "query", "query.since"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_told_with_its_place(
    client: httpx.Client, path: str, place: str, field: str
) -> None:
    problem = client.get(path).json()
    assert (problem["status"], problem["detail"]) == (422, f"the {place} is not valid")
    assert [one["field"] for one in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "unknown", "known"),
    [
        ("/v1/model?model=waves", "model", "name"),
        ("/v1/jobs?limit=5&after=x", "after", "limit, before"),
        ("/v1/skill?from=2024-01-01", "from", "model, since, until, recent_days"),
    ],
)
def test_a_parameter_that_a_route_does_not_have_is_refused(
    client: httpx.Client, path: str, unknown: str, known: str
) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-fields")
    assert reply.json()["errors"] == [{"field": f"query.{unknown}", "message": f"is unknown: there is {known}"}]


@pytest.mark.parametrize(
    ("timestamps", "code", "advice"),
    [(["2024-01-01T01", "2024-01-01T00"], "unsorted", "sort them"), (["2024-01-01T00"] * 2, None, "keep one of them")],
)
def test_no_setting_is_advised_that_requests_do_not_have(
    client: httpx.Client, timestamps: list[str], code: str | None, advice: str
) -> None:
    one = {"id": "a", "timestamps": [f"{stamp}:00:00Z" for stamp in timestamps], "target": [1.0, 2.0]}
    problem = client.post("/v1/forecast", json={"frequency": "h", "series": [one]}).json()
    assert problem["code"] == (code or "duplicate-timestamp")
    assert advice in problem["detail"]
    assert not any(setting in problem["detail"] for setting in ("unsorted=", "`duplicates`", "id_column"))
