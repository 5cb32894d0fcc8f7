"""A service of its own for a measurement: a tiny model with random weights in a new home, served by a process group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import torch

from benchmarks.answering import answers
from forecaster.bundle import load_bundle, save_bundle
from forecaster.config import ModelConfig, SplitConfig
from forecaster.manifest import TrainingFacts
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency

ROOT = Path(__file__).parents[2]
MODEL = "waves"
CONTEXT_LENGTH, HORIZON = 48, 12
TINY = ModelConfig(
    horizon=HORIZON, context_length=CONTEXT_LENGTH, patch_length=8, d_model=16, num_heads=2, num_layers=1, d_ff=16
)
_START_SECONDS, _END_SECONDS = 120.0, 15.0
_LOG_CHARACTERS = 6000  # of its end, where a measurement comes to nothing
_SETTINGS_OF_OTHERS = ("AWS_", "FORECASTER_", "MLFLOW_", "PROMETHEUS_", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Serving:
    """A running service: where it answers, what runs, and where its log is."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    home: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for raw sockets."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    @property
    def pid(self) -> int:
        """The process that was started; with several workers their parent."""
        return self.process.pid

    def worker_pids(self) -> list[int]:
        """Gives the processes that answer requests: the forked children where there are any, else the process."""
        own = psutil.Process(self.pid)
        return [child.pid for child in own.children() if _runs_the_same(child, own)] or [self.pid]

    def resident_bytes(self) -> int:
        """Gives the resident memory of all processes that answer."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.worker_pids())


@contextmanager
def home_with_model(name: str = MODEL, config: ModelConfig = TINY, seed: int = 0) -> Iterator[Path]:
    """Gives a new home whose SQLite registry holds one model, untrained, as champion; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="forecaster-home-") as folder:
        register_untrained(Path(folder), name, config, seed)
        yield Path(folder)


def register_untrained(
    home: Path, name: str = MODEL, config: ModelConfig = TINY, seed: int = 0, *, has_graph: bool = False
) -> str:
    """Registers a model with random weights in the registry of `home` and makes it champion; gives its digest."""
    import mlflow

    from pipelines import tracking
    from pipelines.config import Environment
    from pipelines.promotion.champions import Cause, champions
    from pipelines.registry import register

    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    client = tracking.connect(environment)
    with tempfile.TemporaryDirectory(dir=home) as draft:
        folder = Path(draft) / "bundle"
        digest = write_untrained(folder, config, seed, has_graph=has_graph)
        if mlflow.get_experiment_by_name(name) is None:  # its artifacts lie in the home, not where this process runs
            mlflow.create_experiment(name, artifact_location=(home / "artifacts").as_uri())
        with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name(name).experiment_id):
            version = register(client, name, folder, load_bundle(folder), {})
    with champions(environment, client) as door:
        door.move(version, Cause("measurement"))
    return digest


def write_untrained(folder: Path, config: ModelConfig = TINY, seed: int = 0, *, has_graph: bool = False) -> str:
    """Writes a bundle with random weights, with a graph for ONNX Runtime if wanted; gives its digest."""
    predictor = _untrained(config, seed)
    graph = None
    if has_graph:
        from forecaster.runtime.export import export_networks

        graph = export_networks(predictor)
    return save_bundle(folder, predictor, _facts(config), graph)


@contextmanager
def serving(
    home: Path, *flags: str, command: Sequence[str] = (), port: int = 0, wait_ready: bool = True, **settings: object
) -> Iterator[Serving]:
    """Runs `forecaster serve` on `home` as a process group with the given settings, and ends all of it.

    `settings` are named as in `Settings` (max_body_bytes=...); keys are not asked for unless they say so. `command`
    replaces the program, as a negative control does; it has to listen on FORECASTER_PORT. Where the block raises, the
    end of the log is printed.
    """
    port = port or free_port()
    log = home / f"service-{port}.log"
    program = [*(command or (sys.executable, "-m", "forecaster", "serve")), *flags]
    environment = clean_environment(
        PYTHONPATH=str(ROOT),
        FORECASTER_HOME=str(home),
        FORECASTER_PORT=str(port),
        **_variables({"authentication": False, "zero_shot": False, **settings}),
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            program, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    found = Serving(f"http://127.0.0.1:{port}", process, log, home)
    try:
        if wait_ready:
            wait_until_ready(found)
        yield found
    except BaseException:
        print(f"--- the end of the log of {found.url}\n{found.log.read_text()[-_LOG_CHARACTERS:]}", file=sys.stderr)
        raise
    finally:
        end(process)


def wait_until_ready(service: Serving, seconds: float = _START_SECONDS) -> float:
    """Waits until /readyz answers 200; gives the seconds it took. AssertionError where it does not."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds and service.process.poll() is None:
        if is_ready(service.url):
            return time.monotonic() - begin
        time.sleep(0.02)
    raise AssertionError(f"the service is not ready after {seconds} s")


def wait_until_served(service: Serving, models: set[str], seconds: float = _START_SECONDS) -> None:
    """Waits until all of these models are served: a service is ready with its first one."""
    deadline = time.monotonic() + seconds
    with httpx.Client(base_url=service.url, timeout=10) as client:
        while not models <= set(client.get("/readyz").json().get("models", {})):
            assert time.monotonic() < deadline, f"not all of {sorted(models)} are served after {seconds} s"
            time.sleep(0.02)


def is_ready(url: str, timeout: float = 2.0) -> bool:
    """Says whether a new connection gets 200 from /readyz."""
    return answers(f"{url}/readyz", timeout)


def end(process: subprocess.Popen[bytes], seconds: float = _END_SECONDS) -> None:
    """Ends a process group: asks, waits, and kills whatever of it is left."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Gives a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def forecast_body(num_steps: int = 60, horizon: int = 4, identity: str = "a") -> dict[str, object]:
    """Gives a request that the model answers."""
    target = [10.0 + (step % 24) / 4 for step in range(num_steps)]
    series = [{"id": identity, "start": "2024-01-01T00:00:00", "target": target}]
    return {"model": MODEL, "horizon": horizon, "frequency": "h", "series": series}


def clean_environment(**variables: str) -> dict[str, str]:
    """Gives this process's environment without settings of the service or of MLflow but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_OF_OTHERS)}
    return {**inherited, **variables}


def _runs_the_same(child: psutil.Process, parent: psutil.Process) -> bool:
    """Says whether a child is a worker: it lives, and is no program that a service starts beside itself."""
    try:
        return child.status() != psutil.STATUS_ZOMBIE and child.cmdline() == parent.cmdline()
    except psutil.NoSuchProcess:
        return False


def _variables(settings: Mapping[str, object]) -> dict[str, str]:
    return {f"FORECASTER_{name.upper()}": str(value) for name, value in settings.items()}


def _untrained(config: ModelConfig, seed: int) -> Predictor:
    torch.manual_seed(seed)
    return Predictor(Network(config).eval(), Frequency.parse("h"))


def _facts(config: ModelConfig) -> TrainingFacts:
    return TrainingFacts(
        data_fingerprint="sha256:0",
        num_series=1,
        frequency="h",
        timezone=None,
        horizon=config.horizon,
        cutoff="2024-01-01T00:00:00",
        latest="2024-01-01T00:00:00",
        used_up=(),
        split=SplitConfig(),
        num_steps=0,
        validation_loss=1.0,
    )
