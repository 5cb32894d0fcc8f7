"""What the documents say of the tree is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from pipelines.config import BaselineName

ROOT = Path(__file__).parents[1]
WINGS = ("forecaster", "service", "pipelines", "benchmarks", "tests", "deploy")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "adr").glob("*.md"))]
CHANGES = ROOT / "CHANGELOG.md"  # its older entries may name files that have gone since
FILES = [path.relative_to(ROOT).as_posix() for wing in WINGS for path in (ROOT / wing).rglob("*.py")]
_CODE = re.compile(r"`((?:forecaster|service|pipelines|benchmarks|tests|deploy|docs|configs)/[\w/.-]*)`")
_SOURCE = re.compile(r"`([\w/]+\.py)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


@each_document
def test_files_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [name for name in _CODE.findall(text) if not (ROOT / name).exists()]
    missing += [name for name in _SOURCE.findall(text) if not any(f"/{file}".endswith(f"/{name}") for file in FILES)]
    assert missing == []


@pytest.mark.parametrize("document", [*DOCUMENTS, CHANGES], ids=lambda path: path.stem)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    missing = []
    for path, anchor in _LINK.findall(document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in headings(target)):
            missing.append(f"{path}#{anchor}")
    assert missing == []


def test_a_bare_name_of_the_data_path_is_a_neighbour_of_the_file_before_it() -> None:
    strangers = []
    for line in (ROOT / "docs" / "data-path.md").read_text(encoding="utf-8").splitlines():
        folder = ROOT
        for name in _SOURCE.findall(line):
            folder = (ROOT / name).parent if "/" in name else folder
            strangers += [] if (folder / Path(name).name).is_file() else [name]
    assert strangers == []


def test_every_box_of_the_request_path_is_a_file_of_the_service() -> None:
    text = (ROOT / "docs" / "request-path.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "service").rglob("*.py")}
    named = set(re.findall(r"([a-z_]+\.py)", text))
    assert len(named) > 20
    assert named <= files


def test_the_guide_names_every_baseline_of_a_backtest() -> None:
    (row,) = re.findall(r"^\| `--baseline` .*$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert set(get_args(BaselineName)) <= set(re.findall(r"`(\w+)`", row))


def headings(document: Path) -> set[str]:
    """Gives the anchors of a document's headings, as GitHub makes them; those of code are none."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
