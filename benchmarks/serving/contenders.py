"""The servers that are compared: how each is started, asked and read.

All serve the same weights with the same setting of threads; ours by the runtime that it chooses, the peers by eager
PyTorch. The first of each peer's VARIANTS was the best of them on a busy machine (docs/experiments.md, 2026-11-26), and
is what ours is compared with; `python -m benchmarks.serve_speed --variants` measures the others too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import orjson
import pandas as pd
import psutil  # type: ignore[import-untyped]

from benchmarks.serving.connection import Address
from benchmarks.serving.model import MODEL, NAME, START, Home
from forecaster.arrays import FloatArray
from tests.stack.servers import BIN, ROOT, answering, clean_environment, free_port, members, running

THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

_SETTLING_SECONDS = 15.0
_IDLE_SECONDS, _IDLE_SHARE = 0.3, 0.3  # of a core; LitServe looks for requests all the time

_LEVEL_NAMES = [f"{level:g}" for level in MODEL.levels]


@dataclass(frozen=True)
class Contender:
    """A kind of server."""

    name: str
    command: Callable[[Home, int], list[str]]  # of a home and a port
    ready_path: str
    path: str
    body: Callable[[FloatArray], bytes]  # a context [L] -> the body that asks for its forecast
    quantiles: Callable[[bytes], FloatArray]  # the body of a reply -> [H Q]

    def shown_command(self) -> str:
        """Gives how it is started, without this machine's folders and port."""
        program, *arguments = self.command(Home(Path("HOME"), Path("BUNDLE")), 0)
        return " ".join([Path(program).name, *arguments])


@dataclass(frozen=True)
class Server:
    """A contender that runs."""

    contender: Contender
    address: Address
    group: int

    def ask(self, context: FloatArray) -> FloatArray:
        """Gives the quantiles [H Q] for one context; asserts that it is answered."""
        body = self.contender.body(context)
        headers = {"content-type": "application/json"}
        reply = httpx.post(f"{self.address.url}{self.contender.path}", content=body, headers=headers, timeout=60)
        assert reply.status_code == 200, f"{self.contender.name} answered {reply.status_code}: {reply.text[:500]}"
        return self.contender.quantiles(reply.content)

    def cpu_seconds(self) -> float:
        """Gives the processor time of its process group so far, of user and system."""
        times = [psutil.Process(pid).cpu_times() for pid in members(self.group)]
        return float(sum(one.user + one.system for one in times))

    def settle(self) -> None:
        """Waits until it has done with requests whose clients have left, for as long as is reasonable."""
        deadline = time.monotonic() + _SETTLING_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(_IDLE_SECONDS)
            if self.cpu_seconds() - before < _IDLE_SHARE * _IDLE_SECONDS:
                return


@contextmanager
def served(contender: Contender, home: Home, folder: Path, **settings: str) -> Iterator[Server]:
    """Runs a contender from ready to the end of the block; ours keeps no forecasts unless `settings` say so."""
    address = Address("127.0.0.1", free_port())
    environment = clean_environment(
        PYTHONPATH=str(ROOT),
        PATH=f"{BIN}:/usr/bin:/bin",
        MLFLOW_TRACKING_URI=home.registry_uri,
        MLFLOW_DISABLE_TELEMETRY="true",
        **{"FORECASTER_LEDGER_SHARE": "0", **settings},
        **THREADS,
    )
    command = contender.command(home, address.port)
    ready = answering(address.port, contender.ready_path)
    with running(contender.name, command, environment, folder, ready) as process:
        yield Server(contender, address, process.pid)


def runtime_of(server: Server) -> str:
    """Says what executes the model in our service: eager torch where it names nothing."""
    described = httpx.get(f"{server.address.url}/v1/model", timeout=30).raise_for_status().json()
    return str(described.get("runtime", {}).get("name", "eager"))


def _ours(module: str, name: str) -> Contender:
    def command(home: Home, port: int) -> list[str]:
        serve = [sys.executable, "-m", module, "serve", "--home", str(home.folder), "--port", str(port)]
        return [*serve, *(["--no-authentication"] if _has_authentication() else [])]

    return Contender(name, command, "/readyz", "/v1/forecast", _our_body, _our_quantiles)


def _has_authentication() -> bool:
    """Says whether the command has a flag to go without."""
    from service.cli import serve

    return any("--no-authentication" in parameter.opts + parameter.secondary_opts for parameter in serve.params)


def _our_body(context: FloatArray) -> bytes:
    return orjson.dumps({"model": NAME, "series": [{"id": "a", "start": START, "target": context.tolist()}]})


def _our_quantiles(reply: bytes) -> FloatArray:
    quantiles = orjson.loads(reply)["forecasts"][0]["quantiles"]
    return np.array([quantiles[name] for name in _LEVEL_NAMES]).T


def _mlflow(name: str, body: Callable[[FloatArray], bytes], num_workers: int) -> Contender:
    def command(_: Home, port: int) -> list[str]:
        serve = [str(BIN / "mlflow"), "models", "serve", "--model-uri", f"models:/{NAME}@champion"]
        return [*serve, "--env-manager", "local", "--port", str(port), "--workers", str(num_workers)]

    return Contender(name, command, "/ping", "/invocations", body, _mlflow_quantiles)


def _rows(context: FloatArray) -> pd.DataFrame:
    times = pd.date_range(START, periods=len(context), freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    return pd.DataFrame({"unique_id": "a", "ds": times, "y": context})


def _split_rows(context: FloatArray) -> bytes:
    table = _rows(context).to_dict(orient="split")
    return orjson.dumps({"dataframe_split": {"columns": table["columns"], "data": table["data"]}})


def _columns(context: FloatArray) -> bytes:
    return orjson.dumps({"inputs": _rows(context).to_dict(orient="list")})


def _records(context: FloatArray) -> bytes:
    return orjson.dumps({"dataframe_records": _rows(context).to_dict(orient="records")})


def _mlflow_quantiles(reply: bytes) -> FloatArray:
    found = json.loads(reply)["predictions"]
    return pd.DataFrame(found)[_LEVEL_NAMES].to_numpy()


def _litserve(name: str, *options: str) -> Contender:
    def command(home: Home, port: int) -> list[str]:
        program = [sys.executable, "-m", "benchmarks.serving.litserve_peer"]
        return [*program, "--bundle", str(home.bundle), "--port", str(port), *options]

    def body(context: FloatArray) -> bytes:
        return orjson.dumps({"context": context.tolist()})

    return Contender(name, command, "/health", "/predict", body, _litserve_quantiles)


def _litserve_quantiles(reply: bytes) -> FloatArray:
    return np.array(orjson.loads(reply)["quantiles"])


def _floor() -> Contender:
    def command(_: Home, port: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.serving.floor", "--port", str(port)]

    return Contender("floor", command, "/", "/", _our_body, _our_quantiles)


OURS = _ours("forecaster", "ours")
NULL_MODEL = _ours("benchmarks.serving.null_model", "null_model")
FLOOR = _floor()

VARIANTS: Mapping[str, tuple[Contender, ...]] = {
    "mlflow": (
        _mlflow("mlflow", _split_rows, 2),
        _mlflow("mlflow_columns", _columns, 2),
        _mlflow("mlflow_1_worker", _split_rows, 1),
        _mlflow("mlflow_columns_1_worker", _columns, 1),
        _mlflow("mlflow_records_1_worker", _records, 1),
    ),
    "litserve": (
        _litserve("litserve", "--batch-seconds", "0.005"),
        _litserve("litserve_fast_queue", "--batch-seconds", "0.005", "--fast-queue"),
        _litserve("litserve_1ms", "--batch-seconds", "0.001"),
        _litserve("litserve_20ms", "--batch-seconds", "0.02"),
        _litserve("litserve_no_wait", "--batch-seconds", "0"),
        _litserve("litserve_batch_64", "--batch-seconds", "0.005", "--batch-size", "64"),
        _litserve("litserve_dict", "--batch-seconds", "0.005", "--reply", "dict"),
        _litserve("litserve_2_workers", "--batch-seconds", "0.005", "--workers", "2"),
    ),
}
