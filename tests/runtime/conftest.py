"""One predictor of two networks and its graph, exported once: that takes seconds."""

from __future__ import annotations

import pytest

from forecaster.predictor import Predictor
from forecaster.runtime.export import export_networks
from tests.runtime.factories import Exported
from tests.test_bundle import READS_ALL, small_predictor


@pytest.fixture(scope="session")
def exported() -> Exported:
    predictor: Predictor = small_predictor(num_networks=2, covariates=READS_ALL, channels="group")
    return Exported(predictor, export_networks(predictor))
