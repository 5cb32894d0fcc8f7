"""A command line that is refused, and what it answers; the tables are in the modules beside this one.

docs/bad-inputs.md is written from them (tests/bad_inputs.py). Commands run in a folder that holds what
tests/pipelines/test_bad_inputs.py puts there: tables, a database, bundles of which most are spoilt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.pipelines.bad_files import USAGE

PASSWORD = "b7e2-must-not-be-shown"  # noqa: S105


@dataclass(frozen=True)
class BadCommand:
    """A command line, and what is answered."""

    what: str  # as docs/bad-inputs.md says it
    exit_code: int
    code: str  # '' where click refuses the usage
    message: str  # part of what is printed
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    config: str | bytes = ""  # the file run.yaml


def usage(what: str, message: str, *arguments: str) -> BadCommand:
    return BadCommand(what, USAGE, "", message, arguments)
