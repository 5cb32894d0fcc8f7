"""`forecaster doctor`: what this machine and this installation can do, check by check."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import tempfile
from dataclasses import asdict, dataclass

import torch

from forecaster.errors import ForecasterError
from forecaster.ledger.upgrade import revisions
from forecaster.training.precision import lightning_precision
from pipelines import registry, tracking
from pipelines.config import Environment


@dataclass(frozen=True)
class Check:
    """One fact, and whether it is as it should be."""

    name: str
    ok: bool
    found: str

    def as_dict(self) -> dict[str, object]:
        """Gives the check, JSON-safe."""
        return asdict(self)


def examine(environment: Environment) -> list[Check]:
    """Runs every check; none raises."""
    return [
        Check("python", True, platform.python_version()),
        *(_installed(name) for name in ("torch", "pytorch-lightning", "mlflow", "fastapi")),
        Check("compute", True, _compute()),
        _home(environment),
        _registry(environment),
        _ledger(environment),
    ]


def _installed(distribution: str) -> Check:
    try:
        return Check(distribution, True, importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return Check(distribution, False, "not installed")


def _compute() -> str:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return f"{device}, {torch.get_num_threads()} threads, training precision {lightning_precision('auto')}"


def _home(environment: Environment) -> Check:
    """Tries whether files can be made where the working folder is, or will be; leaves none."""
    home = environment.home.absolute()
    try:
        existing = next(folder for folder in (home, *home.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=existing):
            return Check("home", True, str(home))
    except OSError as error:
        return Check("home", False, f"{str(home)[:80]} cannot be a folder to write to: {error.strerror}")


def _registry(environment: Environment) -> Check:
    try:
        client = tracking.connect(environment)
        with tracking.registry_errors():
            models = client.search_registered_models()
    except ForecasterError as error:
        return Check("registry", False, str(error))
    champions = [
        f"{model.name} {model.aliases[registry.CHAMPION]}" for model in models if registry.CHAMPION in model.aliases
    ]
    return Check("registry", True, f"{len(models)} models; champions: {', '.join(champions) or 'none'}")


def _ledger(environment: Environment) -> Check:
    """Looks whether the ledger can be used, and by this code: tables of a newer one are not understood."""
    try:
        found = revisions(environment.ledger_url)
    except ForecasterError as error:
        return Check("ledger", False, str(error))
    if found.tables is None:
        return Check("ledger", True, "no tables yet: whoever uses it first makes them")
    if found.tables > found.newest:
        return Check("ledger", False, f"tables of revision {found.tables}, but this code knows {found.newest} at most")
    behind = "" if found.tables == found.newest else f"; whoever uses it next brings them to {found.newest}"
    return Check("ledger", True, f"tables of revision {found.tables}{behind}")
