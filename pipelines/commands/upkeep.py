"""The commands that keep an installation going: its worker, its keys, a demonstration, a check of all of it."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.options import as_json
from pipelines.commands.output import echo, log_to_standard_error
from pipelines.config import Environment


@click.command()
@click.option("--once", is_flag=True, help="End when there is no job left.")
def work(once: bool) -> None:
    """Do the jobs that the service has left for whoever trains, one at a time, until stopped."""
    from pipelines.finetune.worker import work as work_on

    log_to_standard_error()
    work_on(Environment.read(), once=once)


@click.command("signing-key")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--show", is_flag=True, help="Make no key: print the public key of a FILE that is there.")
@as_json
def signing_key(path: Path, show: bool, as_json: bool) -> None:
    """Make a FILE with a private key, for trainings to sign with, and print the public key that proves it."""
    from pipelines.signing import make_signing_key, read_signing_key

    public = (read_signing_key(path) if show else make_signing_key(path)).public_key
    echo({"file": str(path), "public_key": public}, [public], as_json=as_json)


@click.command()
@click.option("--keep-serving", is_flag=True, help="Leave the service running until interrupted.")
def demo(keep_serving: bool) -> None:
    """Train, track, promote and serve on real data that ships inside a dependency, then end."""
    from pipelines.demo import run_demo

    run_demo(Environment.read(), keep_serving=keep_serving)


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check this installation and the registry; exit code 5 if something is missing."""
    from pipelines.doctor import examine

    checks = examine(Environment.read())
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name:20} {check.found}" for check in checks]
    echo({"checks": [check.as_dict() for check in checks]}, lines, as_json=as_json)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(5)
