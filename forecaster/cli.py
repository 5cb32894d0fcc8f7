"""The command line `forecaster`: a root that knows neither wing and lists what is installed.

Each wing contributes commands through the entry-point group `forecaster.commands`. Exit codes: 0 done,
1 a bug, 2 wrong usage or settings, 3 unusable data, 4 refused by policy (nothing was promoted),
5 the model, registry or another service could not be used.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import signal
import sys

import click

from forecaster.errors import (
    BundleError,
    ConfigError,
    DataError,
    ForecasterError,
    LeakageError,
    RequestError,
    TrainingError,
)
from forecaster.freed_memory import keep_freed_memory

_GROUP = "forecaster.commands"
_LONGEST_MESSAGE = 2000
_EXIT_CODES: tuple[tuple[type[ForecasterError], int], ...] = (
    (ConfigError, 2),
    (RequestError, 2),
    (DataError, 3),
    (LeakageError, 3),
    (TrainingError, 3),
    (BundleError, 5),
)


class WingCommands(click.Group):
    """A group whose commands are entry points, loaded when they are called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names the commands of the wings that are installed, and `doctor`."""
        return sorted([*super().list_commands(ctx), *_entry_points()])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Loads one command; None when no wing offers it."""
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        entry = _entry_points().get(name)
        command = entry.load() if entry is not None else None
        return command if isinstance(command, click.Command) else None


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Gives the commands whose wing is present; an image without a wing simply lacks its commands."""
    entries = importlib.metadata.entry_points(group=_GROUP)
    return {entry.name: entry for entry in entries if importlib.util.find_spec(entry.module.split(".")[0])}


@click.group(cls=WingCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="forecaster")
def root() -> None:
    """Train, compare, promote and serve time-series forecasts."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits; errors raised on purpose end in one line and an exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Threads that spin while they wait make a training step up to 25 times slower on shared cores
    # (docs/experiments.md). OpenMP reads this when torch is imported, which is later than here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _leave)
    try:
        sys.exit(root.main(args=arguments, prog_name="forecaster", standalone_mode=True))
    except ForecasterError as error:
        _report(error, as_json="--json" in arguments)
        sys.exit(exit_code(error))


def _leave(number: int, _: object) -> None:
    """Ends the program as an interrupt does: what is open is closed, and a run that is under way says so."""
    sys.exit(128 + number)


def exit_code(error: ForecasterError) -> int:
    """Gives the exit code of an error raised on purpose."""
    declared = getattr(error, "exit_code", None)
    if isinstance(declared, int):
        return declared
    return next((code for family, code in _EXIT_CODES if isinstance(error, family)), 5)


def _report(error: ForecasterError, *, as_json: bool) -> None:
    message = " ".join(str(error).split())[:_LONGEST_MESSAGE]
    if as_json:
        click.echo(json.dumps({"error": error.code, "message": message}))
    else:
        click.echo(f"error ({error.code}): {message}", err=True)
