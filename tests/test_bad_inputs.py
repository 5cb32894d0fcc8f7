"""docs/bad-inputs.md and the tests of bad inputs hold the same tables."""

from __future__ import annotations

from tests.bad_inputs import DOCUMENT, named, rewritten, tables


def test_the_document_holds_every_table_once() -> None:
    assert sorted(named(DOCUMENT.read_text())) == sorted(tables())


def test_the_tables_of_the_document_are_those_of_the_tests() -> None:
    document = DOCUMENT.read_text()
    assert document == rewritten(document), "python -m tests.bad_inputs rewrites the tables of docs/bad-inputs.md"
