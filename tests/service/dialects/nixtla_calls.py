"""Calls of the public SDK, made by a program of its own: the SDK has an environment of its own.

    python nixtla_calls.py URL KEY FOLDER < calls.json > answers.json

A call is {"method", "arguments", "frames": {argument: name of a CSV file in FOLDER}}, an answer what it came to;
jobs are waited for.
"""

from __future__ import annotations

import json
import sys
import warnings
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
from nixtla import NixtlaClient
from nixtla.jobs import Job, JobError
from nixtla.nixtla_client import ApiError, FinetunedModel

_TIMES = ("ds", "cutoff")


def answer_to(client: Any, call: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Makes one call: a table, a value, or the error that its caller would see."""
    frames = {name: pd.read_csv(folder / f"{file}.csv") for name, file in call.get("frames", {}).items()}
    for frame in frames.values():
        frame["ds"] = pd.to_datetime(frame["ds"]) if frame["ds"].dtype == object else frame["ds"]
    try:
        found = attrgetter(call["method"])(client)(**frames, **call.get("arguments", {}))
        found = found.wait(poll_interval=0.1) if isinstance(found, Job) else found
    except ApiError as error:
        return {"status": error.status_code, "body": error.body}
    except JobError as error:
        return {"error": error.error}
    if not isinstance(found, pd.DataFrame):
        return {"value": plain(found)}
    columns = {
        name: [str(one) for one in values] if name in _TIMES else values.tolist() for name, values in found.items()
    }
    return {"table": columns}


def plain(found: Any) -> Any:
    """Gives a value as JSON knows it."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    return found.model_dump(mode="json") if isinstance(found, FinetunedModel) else found


def main(url: str, key: str, folder: str) -> None:
    """Makes all calls."""
    warnings.simplefilter("ignore")
    client = NixtlaClient(api_key=key, base_url=url, timeout=300, max_retries=2, retry_interval=1)
    calls = json.load(sys.stdin)
    json.dump({name: answer_to(client, call, Path(folder)) for name, call in calls.items()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
