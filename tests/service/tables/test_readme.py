"""The lines of the README on tables over HTTP run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.service.tables.factories import hours

README = (Path(__file__).parents[3] / "README.md").read_text()
SECTION = README.split("\n## Tables over HTTP\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("form", ["application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"])
def test_the_lines_of_python_run(
    service: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    hours(60, "ab").to_csv("history.csv", index=False)
    found = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert found
    code = found[1].replace("http://localhost:8000", str(service.base_url).rstrip("/")).replace('"sales"', '"waves"')
    if "arrow" in form:
        code = code.replace("application/vnd.apache.parquet", form, 1)
        code = code.replace("table.to_parquet(index=False)", "arrow_of(table)")
        code = code.replace("pd.read_parquet(io.BytesIO(reply.content))", "read_stream(reply.content)")
        code = (
            "import pyarrow as pa\nfrom tests.service.tables.factories import arrow_of\n"
            "def read_stream(content): return pa.ipc.open_stream(content).read_pandas()\n" + code
        )
    exec(compile(code, "README.md", "exec"), {"key": "none"})  # noqa: S102 - our own lines
    printed = capsys.readouterr().out
    assert "unique_id" in printed
    assert "upper_80" in printed
    assert "[6 rows x 7 columns]" in printed
