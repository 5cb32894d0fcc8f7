"""The command of a harness: `--short` for a form that takes a minute or so, `--save` for the record in docs/results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.record import machine_setup, record

# What takes part in every request; others name what they measure beside it.
EDGE = ("uvicorn", "httptools", "uvloop")


def flags_of(description: str | None) -> argparse.ArgumentParser:
    """Gives the parser of the flags that every harness has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--save", action="store_true")
    return parser


def run_command(
    name: str, description: str | None, measure: Callable[[bool], Mapping[str, Any]], libraries: Sequence[str] = EDGE
) -> None:
    """Measures, in short or in full, and prints the record."""
    flags = flags_of(description).parse_args()
    record(name, dict(measure(flags.short)), machine_setup(list(libraries)), save=flags.save)
