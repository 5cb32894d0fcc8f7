"""What the documents say of the tree is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "adr").glob("*.md"))]
_CODE = re.compile(r"`((?:forecaster|service|pipelines|benchmarks|tests|deploy|docs|configs)/[\w/.-]*)`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_files_and_links_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [name for name in _CODE.findall(text) if not (ROOT / name).exists()]
    missing += [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    assert missing == []


def test_every_box_of_the_request_path_is_a_file_of_the_service() -> None:
    text = (ROOT / "docs" / "request-path.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "service").rglob("*.py")}
    named = set(re.findall(r"([a-z_]+\.py)", text))
    assert len(named) > 20
    assert named <= files
