"""The tables of docs/bad-inputs.md, made from those that the tests run. `python -m tests.bad_inputs` rewrites them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.pipelines import bad_covariates, bad_files, bad_models, bad_settings, bad_starts, bad_surroundings
from tests.pipelines.bad_commands import BadCommand
from tests.pipelines.bad_files import DATA, BadFile
from tests.service import (
    bad_answers,
    bad_choices,
    bad_deliveries,
    bad_explain,
    bad_headers,
    bad_jobs,
    bad_options,
    bad_protocol,
    bad_report,
    bad_requests,
    bad_tables,
    bad_timegpt,
    bad_times,
)
from tests.service.bad_protocol import BadBytes
from tests.service.bad_requests import BadRequest
from tests.service.bad_table import ACCEPTED

DOCUMENT = Path(__file__).parents[1] / "docs" / "bad-inputs.md"
_BLOCK = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Gives every table by the name that its place in the document has."""
    files = {
        "Bytes of a file": bad_files.BYTES,
        "Columns of a file": bad_files.COLUMNS,
        "Covariates of a file": bad_covariates.COVARIATES,
        "Static and future files": bad_covariates.BESIDE,
        "Values of a file": bad_files.VALUES,
        "Times of a file": bad_files.TIMES,
    }
    commands = {
        "Settings": bad_settings.SETTINGS,
        "Sources": bad_settings.SOURCES,
        "Models": (*bad_models.MODELS, *bad_models.ZERO_SHOT),
        "Starts": bad_starts.STARTS,
        "Outputs": bad_models.OUTPUTS,
        "Surroundings": bad_surroundings.SURROUNDINGS,
    }
    requests = {
        "The document": bad_requests.DOCUMENTS,
        "Values of a request": bad_requests.VALUES,
        "Series of a request": bad_requests.SERIES,
        "Times of a request": bad_times.TIMES,
        "Choices of a request": bad_choices.CHOICES,
        "Covariates of a request": bad_options.COVARIATES,
        "Options of a request": bad_options.OPTIONS,
        "Explanations": bad_explain.EXPLANATIONS,
        "Backtests and anomalies": bad_answers.ANSWERS,
        "Jobs": bad_jobs.JOBS,
        "Fine-tuning": bad_jobs.FINETUNES,
        "TimeGPT": bad_timegpt.TIMEGPT,
        "Data reports": bad_report.REPORTS,
        "Encodings": bad_headers.ENCODINGS,
        "Deadlines": bad_headers.DEADLINES,
        "Keys": bad_headers.KEYS,
        "Deliveries": bad_deliveries.DELIVERIES,
        "Media types": bad_protocol.MEDIA,
        "Routes": bad_protocol.ROUTES,
        "Arrow IPC streams": bad_tables.STREAMS,
        "Parquet files": bad_tables.FILES,
        "Columns of a table": bad_tables.COLUMNS,
        "Options in the query": bad_tables.QUERIES,
    }
    read = (*bad_files.READ, *bad_covariates.READ)
    return {
        **{name: _of_files(cases) for name, cases in files.items()},
        "Files that are read": _table(("Input", "What is said"), ((c.what, _code(c.message)) for c in read)),
        **{name: _of_commands(cases) for name, cases in commands.items()},
        **{name: _of_requests(cases) for name, cases in requests.items()},
        "Connections": _of_bytes(bad_protocol.BYTES),
        "Requests that are answered": _table(("Input",), ((case.what,) for case in ACCEPTED)),
    }


def rewritten(document: str) -> str:
    """Gives the document with each block between its marks replaced by the table it names."""
    known = tables()
    return _BLOCK.sub(lambda block: f"{block[1]}{known[block[2]]}{block[3]}", document)


def named(document: str) -> list[str]:
    """Gives the names of the tables in a document."""
    return [block[2] for block in _BLOCK.finditer(document)]


def _of_files(cases: Iterable[BadFile]) -> str:
    rows = ((case.what, str(DATA), _code(case.code), _code(case.message)) for case in cases)
    return _table(("Input", "Exit", "Code", "The message says"), rows)


def _of_commands(cases: Iterable[BadCommand]) -> str:
    rows = ((case.what, str(case.exit_code), _code(case.code), _code(case.message)) for case in cases)
    return _table(("Input", "Exit", "Code", "The message says"), rows)


def _of_requests(cases: Iterable[BadRequest]) -> str:
    rows = ((case.what, str(case.status), _code(case.code), _code(case.field)) for case in cases)
    return _table(("Input", "Status", "Code", "Field"), rows)


def _of_bytes(cases: Iterable[BadBytes]) -> str:
    rows = ((case.what, "closed" if case.status is None else str(case.status), _code(case.code)) for case in cases)
    return _table(("Sent", "Status", "Code"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in lines)


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`" if text else ""


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text()))
