"""What commands log to standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipelines.commands.output import log_to_standard_error


@contextmanager
def nobody_else_listening() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_steps_are_logged_and_the_talk_of_the_libraries_that_export_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with nobody_else_listening():
        log_to_standard_error()
        logging.getLogger("pipelines.schedule").info("slot_done", extra={"fields": {"state": "promoted"}})
        logging.getLogger("onnx_ir.passes.common.unused_removal").info("Removed 4 unused nodes")
        logging.getLogger("onnxscript.rewriter").info("Applied 14 of general pattern rewrite rules.")
        logging.getLogger("onnxscript.rewriter").warning("a graph is wrong")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO slot_done {'state': 'promoted'}")
    assert second.rstrip().endswith("WARNING a graph is wrong")
