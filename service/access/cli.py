"""The commands `forecaster keys ...`. They need neither the web framework nor torch, so they are quick."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from service.access.keys import MAX_NOTE, OVERLAP, KeyFiles, KeyRecord, KeyStore, KeyTerms, NewKey, Scope
from service.access.rate import Rate
from service.settings import read_settings

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class _Finite(click.FloatRange):
    """A range of numbers; neither `inf` nor `nan`, which lies outside no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number.", param, ctx)
        return number


@click.group()
@click.option("--home", type=click.Path(path_type=Path), help="Working folder of the service.  [default: runs]")
@click.option("--keys-file", type=click.Path(path_type=Path), help="File of keys.  [default: keys.json in the home]")
@click.pass_context
def keys(context: click.Context, /, **given: Path | None) -> None:
    """Make, list, rotate and revoke the API keys of the service; it follows within seconds."""
    context.obj = given


@keys.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="Repeatable.",
)
@click.option("--expires-days", type=_Finite(0, 36_500, min_open=True), help="Days until it expires.")
@click.option("--note", default="", help="Whose key it is, what for.")
@click.option("--rate-per-minute", type=_Finite(1), help="Points x horizon a minute, instead of the setting.")
@click.option("--rate-burst", type=_Finite(1), help="The same at once.  [default: what a minute brings]")
@_as_json
@click.pass_obj
def create(given: dict[str, Any], /, as_json: bool, **asked: Any) -> None:
    """Make a key and show it, this once."""
    days = asked["expires_days"]
    terms = KeyTerms(
        scopes=tuple(map(Scope, asked["scopes"])),
        lifetime=None if days is None else timedelta(days=days),
        note=_note(asked["note"]),
        rate=_rate(asked["rate_per_minute"], asked["rate_burst"]),
    )
    _show_new(_store(given).create(terms), [], as_json=as_json)


@keys.command("list")
@_as_json
@click.pass_obj
def list_keys(given: dict[str, Any], as_json: bool) -> None:
    """List all keys, spent ones too; never what proves them."""
    records = _store(given).records()
    lines = [_line(record) for record in records] or ["no keys"]
    _echo({"keys": [_shown(record) for record in records]}, lines, as_json=as_json)


@keys.command()
@click.argument("key_id")
@_as_json
@click.pass_obj
def revoke(given: dict[str, Any], key_id: str, as_json: bool) -> None:
    """End the key KEY_ID at once, for good."""
    record = _store(given).revoke(key_id)
    _echo(_shown(record), [f"revoked {record.id}"], as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option(
    "--overlap-hours",
    type=_Finite(0, 24 * 365),
    default=OVERLAP / timedelta(hours=1),
    show_default=True,
    help="How long the old key lives on.",
)
@_as_json
@click.pass_obj
def rotate(given: dict[str, Any], key_id: str, overlap_hours: float, as_json: bool) -> None:
    """Make a successor of the key KEY_ID and show it, this once; the old key lives on for a while."""
    new = _store(given).rotate(key_id, timedelta(hours=overlap_hours))
    _show_new(new, [f"{key_id} expires in {overlap_hours:g} hours at the latest"], as_json=as_json)


def _store(given: dict[str, Any]) -> KeyStore:
    return KeyStore(KeyFiles.of(read_settings(given)))


def _note(text: str) -> str:
    if len(text) > MAX_NOTE or not (text.isprintable() or not text):
        raise click.BadParameter(f"at most {MAX_NOTE} printable characters", param_hint="--note")
    return text


def _rate(per_minute: float | None, burst: float | None) -> Rate | None:
    if per_minute is None:
        if burst is not None:
            raise click.BadParameter("needs --rate-per-minute", param_hint="--rate-burst")
        return None
    return Rate(per_minute=per_minute, burst=per_minute if burst is None else burst)


def _show_new(new: NewKey, lines: list[str], *, as_json: bool) -> None:
    result = {"key": new.token, **_shown(new.record)}
    _echo(result, [new.token, "Keep it now: it is not shown again.", *lines], as_json=as_json)


def _shown(record: KeyRecord) -> dict[str, Any]:
    return {**record.model_dump(mode="json", exclude={"digest"}), "state": record.state(datetime.now(UTC))}


def _line(record: KeyRecord) -> str:
    expires = "never expires" if record.expires is None else f"expires {record.expires:%Y-%m-%d %H:%M}Z"
    state = record.state(datetime.now(UTC))
    return f"{record.id}  {state:8}{expires:26}{','.join(record.scopes)}  {record.note}".rstrip()


def _echo(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    click.echo(json.dumps(result) if as_json else "\n".join(lines))
