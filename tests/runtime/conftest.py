"""One predictor of two networks and its graph, exported once, by whichever process of tests comes first."""

from __future__ import annotations

import pytest
from filelock import FileLock

from forecaster.predictor import Predictor
from forecaster.runtime.export import export_networks
from tests.runtime.factories import Exported
from tests.test_bundle import READS_ALL, small_predictor


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Exported:
    predictor: Predictor = small_predictor(num_networks=2, covariates=READS_ALL, channels="group")
    folder = tmp_path_factory.getbasetemp()
    path = (folder if worker_id == "master" else folder.parent) / "exported.onnx"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():  # it takes half a minute where two cores are shared
            path.write_bytes(export_networks(predictor))
    return Exported(predictor, path.read_bytes())
