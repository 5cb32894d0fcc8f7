"""MLflow, Postgres and S3 go down under load, freeze and come back: what serving notices of it, and a start (T18).

    load   ------------------------------------------------------------------
    stack  up | killed ........ | up again | MLflow frozen .... | on | killed | up again
    starts                                                              ^ from the cache alone

A start is measured up to the first forecast, in seconds and in processor seconds, as cores may be shared; and how long
it takes from when the stack is back to when the registry is seen again. The controls are a start without a cache,
which answers nothing, and MLflow's own client with its defaults, which still waits when it is given up.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks.reliability.clients import forecast_bytes
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import (
    MODEL,
    Serving,
    clean_environment,
    end,
    forecast_body,
    free_port,
    is_ready,
    serving,
    write_untrained,
)
from benchmarks.reliability.steady import steady_load
from forecaster.bundle import DIGEST_TAG, VERSION_PATH
from tests.stack import servers

MAX_COLD_START_SECONDS = MAX_CALL_SECONDS = 5.0
_PATIENCE_SECONDS, _POLL_SECONDS = 60.0, 0.02
_CONTROL_SECONDS = 15.0
_ASK_AS_MLFLOW_DOES = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_registered_models()"


@dataclass(frozen=True)
class Plan:
    """How long the stack is down and MLflow frozen, under how many requests a second, and how many cold starts."""

    down_seconds: float
    frozen_seconds: float
    num_starts: int
    rate: float = 50.0
    refresh_seconds: float = 1.0


FULL = Plan(300.0, 60.0, 5)
SHORT = Plan(15.0, 10.0, 1)


class Stack:
    """MLflow over Postgres and S3, which go down and come up again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._running = contextlib.ExitStack()
        self._mlflow: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where MLflow answers, when it does."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts all of it."""
        self._mlflow = self._running.enter_context(servers.stack(self._folder, self._port)).mlflow

    def kill(self) -> None:
        """Kills MLflow, and ends Postgres and S3."""
        self.signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """Ends whatever runs."""
        self._running.close()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all processes of MLflow."""
        assert self._mlflow is not None
        os.killpg(self._mlflow.pid, number)


def register(uri: str, bundle: Path, digest: str) -> None:
    """Registers a bundle with a registry behind a server, and makes it champion."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.create_run(client.create_experiment(MODEL))
    client.log_artifacts(run.info.run_id, str(bundle), VERSION_PATH)
    client.create_registered_model(MODEL)
    source = str(run.info.artifact_uri)
    version = client.create_model_version(MODEL, source, run.info.run_id, tags={DIGEST_TAG: digest})
    client.set_registered_model_alias(MODEL, "champion", version.version)


@contextmanager
def stack_with_model() -> Iterator[tuple[Stack, Path]]:
    """Gives a running stack with one model, and a home for a service; all gone at the end."""
    with tempfile.TemporaryDirectory(prefix="forecaster-home-") as folder:
        home, stack = Path(folder), Stack(Path(folder) / "stack")
        (home / "stack").mkdir(mode=0o700)
        digest = write_untrained(home / "bundle")
        stack.start()
        try:
            register(stack.url, home / "bundle", digest)
            yield stack, home
        finally:
            stack.stop()


def outages(service: Serving, stack: Stack, plan: Plan) -> dict[str, object]:
    """Kills and starts the stack, freezes and thaws MLflow, under load."""
    with steady_load(service.address, [forecast_bytes()], plan.rate) as steady:
        time.sleep(2)
        stack.kill()
        time.sleep(plan.down_seconds)
        status_while_down = registry_status(service)
        stack.start()
        until_seen = seconds_until_up(service)
        stack.signal(signal.SIGSTOP)
        time.sleep(plan.frozen_seconds)
        status_while_frozen = registry_status(service)
        stack.signal(signal.SIGCONT)
        until_seen_thawed = seconds_until_up(service)
    calls = failed_look_seconds(service.log)
    return {
        "down_seconds": plan.down_seconds,
        "frozen_seconds": plan.frozen_seconds,
        "registry_while_down_and_frozen": [status_while_down, status_while_frozen],
        "requests": steady.num_requests,
        "serving_errors": steady.num_errors,
        "shed": steady.num_shed,
        "errors": steady.errors,
        "p99_ms": steady.percentile_ms(99),
        "failed_looks": len(calls),
        "longest_call_seconds": max(calls, default=0.0),
        "seconds_until_registry_up": [round(until_seen, 2), round(until_seen_thawed, 2)],
    }


def cold_start(service: Serving) -> tuple[float, float]:
    """Gives the seconds from the start of the process to the first forecast, and those that it computed in."""
    created = psutil.Process(service.pid).create_time()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.post(f"{service.url}/v1/forecast", json=forecast_body(), timeout=30).status_code == 200:
                used = psutil.Process(service.pid).cpu_times()
                return time.time() - created, used.user + used.system
        time.sleep(_POLL_SECONDS)
    raise AssertionError(f"no forecast after {_PATIENCE_SECONDS} s:\n{service.log.read_text()[-4000:]}")


def failed_look_seconds(log: Path) -> list[float]:
    """Gives how long each look at the registry took that failed, from the service's log."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line["seconds"] for line in lines if line["event"] == "registry_unavailable"]


def registry_status(service: Serving) -> str:
    """Gives what the service says of the registry."""
    return str(httpx.get(f"{service.url}/v1/models", timeout=30).json()["registry"]["status"])


def seconds_until_up(service: Serving) -> float:
    """Waits until the service sees the registry; gives the seconds."""
    begin = time.monotonic()
    while registry_status(service) != "up":
        assert time.monotonic() < begin + _PATIENCE_SECONDS, "the registry is not seen again"
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - begin


def measure(plan: Plan) -> dict[str, object]:
    """Runs outages under load, cold starts without any of the stack, and the controls."""
    with stack_with_model() as (stack, home):
        settings = {"registry_uri": stack.url, "refresh_seconds": plan.refresh_seconds, "authentication": False}
        with serving(home, **settings) as service:
            seconds_until_up(service)
            figures = outages(service, stack, plan)
        stack.kill()
        starts = []
        for number in range(plan.num_starts):
            with serving(home, wait_ready=False, **settings) as service:
                starts.append(cold_start(service))
                if number == plan.num_starts - 1:
                    stack.start()
                    figures["seconds_until_registry_up_after_cold_start"] = round(seconds_until_up(service), 2)
        stack.kill()
        control = _controls(home, settings, stack.url)
    return {**figures, **_of_starts(starts), **control}


def _of_starts(starts: list[tuple[float, float]]) -> dict[str, object]:
    seconds, computed = zip(*sorted(starts), strict=True)
    return {
        "cold_starts": len(starts),
        "cold_start_seconds": round(seconds[len(seconds) // 2], 2),
        "cold_start_seconds_longest": round(seconds[-1], 2),
        "cold_start_processor_seconds": round(sorted(computed)[len(computed) // 2], 2),
    }


def _controls(home: Path, settings: dict[str, object], url: str) -> dict[str, object]:
    """Starts a service without a cache while all is down, and asks as MLflow's client does by default."""
    shutil.rmtree(home / "cache")
    with serving(home, wait_ready=False, **settings) as service:
        time.sleep(_CONTROL_SECONDS)
        without_cache = is_ready(service.url)
    begin = time.monotonic()
    client = subprocess.Popen(
        [sys.executable, "-c", _ASK_AS_MLFLOW_DOES, url],
        env=clean_environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(_CONTROL_SECONDS)
        waits = client.poll() is None
    finally:
        end(client, 0.0)
    return {
        "control_without_cache_is_ready": without_cache,
        "control_client_still_waits_after_seconds": round(time.monotonic() - begin, 1) if waits else None,
    }


def main() -> None:
    """Prints the record; --short takes the stack down for 15 seconds instead of 300."""
    run_command("outage", __doc__, lambda short: measure(SHORT if short else FULL), ["mlflow", "uvicorn"])


if __name__ == "__main__":
    main()
