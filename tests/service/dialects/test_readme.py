"""The lines of the README on other protocols run as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.service.dialects.inference_bodies import MODEL, outputs_of
from tests.service.tables.factories import hours

README = (Path(__file__).parents[3] / "README.md").read_text()
SECTION = README.split("\n## Other protocols\n")[1].split("\n## ")[0]


def test_the_lines_of_python_run(
    service: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hours(60, "ab").to_csv("history.csv", index=False)
    found = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert found
    address = f'"{service.base_url.host}", {service.base_url.port}'
    code = found[1].replace('"localhost", 8000', address).replace('"sales"', '"waves"')
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own lines
    printed = capsys.readouterr().out
    assert "unique_id" in printed
    assert "2024-01-03T12:00:00" in printed


def test_the_request_of_curl_is_answered(service: httpx.Client) -> None:
    found = re.search(r"-d '(.*?)'\n```", SECTION, re.DOTALL)
    assert found
    reply = service.post(f"{MODEL}/infer", json=json.loads(found[1]))
    assert reply.status_code == 200, reply.text
    assert {name: output["shape"] for name, output in outputs_of(reply.json()).items()} == {
        "quantiles": [1, 3, 3],
        "levels": [3],
        "timestamps": [1, 3],
        "unique_id": [1],
        "warnings": [2, 3],  # a value is missing, and the history is short
    }
