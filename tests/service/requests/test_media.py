"""Media types of replies, and a service that is installed without pyarrow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from service.requests.media import ARROW, JSON, LINES, PARQUET, reply_type


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("text/html", JSON),
        ("application/vnd.apache.arrow.file", JSON),
        (LINES, LINES),
        (LINES.upper(), LINES),
        (f"{JSON}, {LINES};q=0", JSON),
        (f"{LINES};q=0, {ARROW}", ARROW),
        (f"{ARROW}, {LINES}", LINES),
        (ARROW, ARROW),
        (ARROW.upper().replace("VND.APACHE", "vnd.apache"), ARROW),
        (PARQUET, PARQUET),
        (f"{PARQUET}, {ARROW}, */*", PARQUET),
        (f"{JSON}, {ARROW}", JSON),
        (f"{ARROW};q=0.5, {JSON};q=0.4", ARROW),
        (f"{ARROW};q=0.5, {JSON}", JSON),
        (f"{ARROW};q=0.5, {PARQUET};q=0.9", PARQUET),
        (f"{ARROW};q=0", JSON),
        (f"{ARROW};q=soon", ARROW),
        (f"{ARROW};q=nan", JSON),
    ],
)
def test_the_form_of_a_reply_is_what_is_preferred(accept: str | None, wanted: str) -> None:
    assert reply_type(Headers({} if accept is None else {"accept": accept})) == wanted


_WITHOUT = """
import sys
sys.modules["pyarrow"] = None
import pathlib
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, asking
from tests.service.request_bodies import valid
from service.requests.media import ARROW, JSON, PARQUET

async def ask(client):
    plain = await client.post("/v1/forecast", json=valid())
    wanted = [await client.post("/v1/forecast", json=valid(), headers={"Accept": form}) for form in (ARROW, PARQUET)]
    sent = [
        await client.post("/v1/forecast", content=b"x", headers={"Content-Type": form}) for form in (ARROW, PARQUET)
    ]
    return [plain, *wanted, *sent]

for reply in asking(app_of(predictor_of(), pathlib.Path(sys.argv[1])), ask):
    print(reply.status_code, reply.json().get("code"), "forecaster[arrow]" in reply.text)
"""


def test_without_pyarrow_json_is_answered_and_tables_name_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _WITHOUT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "200 None False",
        "406 not-acceptable True",
        "406 not-acceptable True",
        "415 unsupported-media-type True",
        "415 unsupported-media-type True",
    ], done.stderr
