"""A predictor behind MLflow's own scoring server and behind the service, both on real sockets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import uvicorn
from mlflow.pyfunc import scoring_server

import pipelines.pyfunc_model
from forecaster.bundle import load_bundle
from forecaster.predictor import Predictor
from pipelines.registry import _signature
from service.settings import Settings
from tests.service.factories import app_of, on_a_socket, running


@dataclass(frozen=True)
class Pair:
    """Clients of the service and of MLflow's server, with the same model behind them, and MLflow's own view of it."""

    ours: httpx.Client
    mlflow: httpx.Client
    model: mlflow.pyfunc.PyFuncModel

    def both(self, path: str = "/invocations", **request: Any) -> tuple[httpx.Response, httpx.Response]:
        """Gives what both say to the same request, ours first."""
        return self.ours.post(path, **request), self.mlflow.post(path, **request)

    def same(self, **request: Any) -> list[dict[str, Any]]:
        """Gives the rows of which both answers consist."""
        ours, theirs = self.both(**request)
        assert (ours.status_code, theirs.status_code) == (200, 200), (ours.text, theirs.text)
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        assert list(ours.json()) == list(theirs.json()) == ["predictions"]
        assert ours.json() == theirs.json()
        rows: list[dict[str, Any]] = ours.json()["predictions"]
        assert rows
        return rows


@contextmanager
def pair_of(predictor: Predictor, home: Path) -> Iterator[Pair]:
    """Serves a predictor by both until the end of the block."""
    app = app_of(predictor, home)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*input example was not provided")
        mlflow.pyfunc.save_model(
            home / "pyfunc",
            python_model=str(pipelines.pyfunc_model.__file__),
            artifacts={"bundle": str(home / "bundle")},
            signature=_signature(load_bundle(home / "bundle")),
            pip_requirements=[],
        )
    with on_a_socket(app, Settings(home=home, registry_uri="http://127.0.0.1:1", port=0)) as ours:
        model = mlflow.pyfunc.load_model(str(home / "pyfunc"))
        config = uvicorn.Config(scoring_server.init(model), port=0, log_config=None, lifespan="off")
        with running(uvicorn.Server(config)) as theirs:
            yield Pair(ours, theirs, model)
