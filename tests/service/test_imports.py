"""What `forecaster serve` imports: what it needs and no more, MLflow once it is ready, no trainer and no notebooks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.reliability.serving import MODEL, forecast_body, serving, write_untrained
from forecaster.bundle import save_bundle
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from service.model_spec import ModelSpec
from service.models.cache import BundleCache
from service.models.registry import VersionRef
from tests.model.factories import VARIANTS, awake_network
from tests.pipelines.factories import FACTS

# Serves, and writes the names of all modules: as MLflow is about to be imported, and when the file "ask" is there.
WATCHED = """
import gc, json, sys, threading, time
from pathlib import Path
folder = Path(sys.argv.pop(1))

def write(moment):
    there = [name for name, module in list(sys.modules.items()) if getattr(module, "__spec__", None)]  # no stand-ins
    found = {"modules": there, "collects": gc.isenabled(), "kept": gc.get_freeze_count()}
    (folder / "draft").write_text(json.dumps(found))
    (folder / "draft").rename(folder / moment)

def look(event, arguments):
    if event == "import" and arguments[0].startswith("mlflow") and not (folder / "early").exists():
        write("early")

def wait():
    while not (folder / "ask").exists():
        time.sleep(0.02)
    write("late")

sys.addaudithook(look)
threading.Thread(target=wait, daemon=True).start()
from forecaster.cli import main
main()
"""


def names(text: str) -> set[str]:
    return set(text.split())


# Taken by torch, uvicorn, pandas and MLflow where they are installed. The serving install has none of them.
WHERE_IT_IS = names("tqdm watchfiles pyarrow cloudpickle psutil")
# All else that may be imported from outside the standard library before the first answer: every start pays for it.
EARLY = WHERE_IT_IS | names(
    """forecaster service torch torchgen functorch numpy pandas dateutil six safetensors onnxruntime click dotenv orjson
    fastapi fastapi_offline starlette anyio sniffio uvicorn uvloop httptools zstandard prometheus_client opentelemetry
    pydantic pydantic_core pydantic_settings annotated_types annotated_doc typing_inspection typing_extensions"""
)
# And what may be imported once it is ready.
LATE = EARLY | names(
    """mlflow google requests urllib3 idna certifi databricks cachetools yaml sqlparse packaging
    importlib_metadata zipp scipy"""
)
# Parts of what is allowed, or what would be there had nobody kept it out.
NEVER = names(
    """torch._meta_registrations torch._dynamo torch._inductor sympy scipy.sparse scipy.stats mlflow.genai.judges
    charset_normalizer onnx onnxscript pytorch_lightning torchmetrics matplotlib IPython sklearn statsmodels sqlalchemy
    alembic apscheduler boto3 rich forecaster.training forecaster.runtime.export pipelines"""
)


@dataclass(frozen=True)
class Interpreter:
    """What a service has imported, and how its garbage is collected."""

    modules: frozenset[str]
    collects: bool
    kept: int  # objects that the collector no longer looks at


@dataclass(frozen=True)
class Moments:
    """A service when it was ready, and when it had looked at the registry, answered and explained."""

    early: Interpreter
    late: Interpreter


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """Those of a service that executes by ONNX Runtime, starts from the disk and finds no registry."""
    folder = tmp_path_factory.mktemp("imports")
    home = folder / "home"
    cache_version(home, folder / "bundle")
    command = (sys.executable, "-c", WATCHED, str(folder), "serve")
    settings = {"registry_uri": "http://127.0.0.1:1", "runtime": "onnx"}
    with serving(home, command=command, **settings) as service:
        assert httpx.post(f"{service.url}/v1/forecast", json=forecast_body()).status_code == 200
        explained = {name: value for name, value in forecast_body().items() if name not in ("horizon", "quantiles")}
        assert httpx.post(f"{service.url}/v1/explain", json=explained, timeout=60).status_code == 200
        assert within(60, lambda: "registry_unavailable" in service.log.read_text())
        (folder / "ask").touch()
        assert within(60, (folder / "late").exists)
    early, late = (json.loads((folder / name).read_text()) for name in ("early", "late"))
    return Moments(*(Interpreter(**found | {"modules": frozenset(found["modules"])}) for found in (early, late)))


@pytest.mark.slow
def test_a_service_is_ready_before_it_imports_what_only_the_registry_needs(moments: Moments) -> None:
    assert foreign(moments.early.modules) - EARLY == set()
    assert {"torch", "onnxruntime", "fastapi"} <= moments.early.modules


@pytest.mark.slow
def test_a_service_imports_neither_trainer_nor_notebooks_nor_tracing(moments: Moments) -> None:
    assert "mlflow" in moments.late.modules
    assert foreign(moments.late.modules) - LATE == set()
    assert moments.late.modules & NEVER == set()


@pytest.mark.slow
def test_garbage_is_collected_from_the_first_request_on_but_not_looked_for_in_what_was_imported(
    moments: Moments,
) -> None:
    assert moments.early.collects
    assert moments.late.collects
    assert min(moments.early.kept, moments.late.kept) > 100_000


def test_the_unused_is_there_where_nobody_keeps_it_out_and_forecasts_are_the_same(tmp_path: Path) -> None:
    write_untrained(tmp_path / "bundle")
    plain, kept_out = (run(code + FORECASTS, str(tmp_path / "bundle")) for code in ("", KEPT_OUT))
    assert (plain.pop(), kept_out.pop()) == ("True", "False")
    assert plain == kept_out


def test_networks_of_every_kind_answer_where_the_unused_is_kept_out(tmp_path: Path) -> None:
    for variant in VARIANTS:
        save_bundle(tmp_path / variant, Predictor(awake_network(**VARIANTS[variant]), Frequency("h")), FACTS)
    told = run(KEPT_OUT + GOLDEN_OF_EACH, str(tmp_path))
    assert told == [f"{name} True" for name in sorted(VARIANTS)]


@pytest.mark.parametrize("code", ["service.imports.import_mlflow()", "service.cli._import_store('sqlite:///x.db')"])
def test_mlflow_does_not_report_whoever_imports_it_first(code: str, tmp_path: Path) -> None:
    (told,) = run(
        f"import service.cli, service.imports\n{code}\n{REPORTS}", HOME=str(tmp_path), PATH=os.environ["PATH"]
    )
    assert told == "None"


REPORTS = "from mlflow.telemetry import get_telemetry_client\nprint(get_telemetry_client())"
KEPT_OUT = "from forecaster.imports import import_torch\nimport_torch()\n"
GOLDEN_OF_EACH = """
import sys
from pathlib import Path
from forecaster.bundle import load_bundle
from forecaster.golden import record_golden
for folder in sorted(Path(sys.argv[1]).iterdir()):
    print(folder.name, bool(record_golden(load_bundle(folder).predictor)["quantiles"].isfinite().all()))
"""
FORECASTS = """
import sys
from pathlib import Path
import torch
from forecaster.bundle import load_bundle
from forecaster.golden import record_golden
predictor = load_bundle(Path(sys.argv[1])).predictor
print(record_golden(predictor)["quantiles"].numpy().tobytes().hex())
print("torch._meta_registrations" in sys.modules)
"""


def run(code: str, *arguments: str, **environment: str) -> list[str]:
    """Gives the lines that a program prints; where an environment is given it has no other variables."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment or None)
    return done.stdout.splitlines()


def cache_version(home: Path, bundle: Path) -> None:
    """Puts a version into the cache of a home, as if it had served last."""
    reference = VersionRef(MODEL, "1", write_untrained(bundle, has_graph=True))
    cache = BundleCache(home)
    shutil.copytree(bundle, cache.folder(reference))
    cache.commit(ModelSpec(MODEL, alias="champion"), reference, None, 1)


def foreign(modules: Iterable[str]) -> set[str]:
    """Gives the top-level packages among module names that are no part of Python, nor made by an extension module."""
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    return {top for top in tops if not top.startswith(("_", "cython_runtime"))}


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
