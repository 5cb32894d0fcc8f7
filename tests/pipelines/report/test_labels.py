from __future__ import annotations

from dataclasses import replace

import pytest

from forecaster.config import ModelConfig
from pipelines.config import PipelineConfig, SourceConfig
from pipelines.report.labels import family, labels_of
from tests.pipelines.report.factories import LABELS, ramps


def test_names_sort_by_data_set_then_horizon_as_a_number() -> None:
    horizons = [replace(LABELS, horizon=horizon).name for horizon in (6, 24, 168, 1000)]
    assert horizons == sorted(horizons)
    assert LABELS.name == "ramps h0006 encoder backtest abababab"
    assert replace(LABELS, data="a", horizon=4000).name < LABELS.name


def test_a_forecaster_beside_the_own_one_is_named_by_its_role() -> None:
    champion = LABELS.of_role("champion", "encoder+ridge")
    assert champion.name == "ramps h0006 champion backtest abababab"
    assert (champion.tags["role"], champion.tags["family"]) == ("champion", "encoder+ridge")
    assert LABELS.of_role("seasonal_naive").tags["family"] == "seasonal_naive"


@pytest.mark.parametrize(
    ("settings", "num_networks", "named"),
    [
        ({}, 1, "encoder+ridge"),
        ({"skip": "none"}, 1, "encoder"),
        ({"skip": "theta", "head": "student_t"}, 1, "encoder+theta+student_t"),
        ({}, 3, "encoder+ridge x3"),
    ],
)
def test_a_family_is_what_a_model_is_made_of(settings: dict[str, str], num_networks: int, named: str) -> None:
    assert family(ModelConfig(**settings), num_networks) == named  # type: ignore[arg-type]


def test_labels_say_what_the_config_and_the_panel_are() -> None:
    config = PipelineConfig(name="sales", source=SourceConfig(path="data/store.eu.parquet"), model={"horizon": 12})
    panel = ramps()
    found = labels_of(config, panel, "train")
    assert found.tags == {
        "model": "sales",
        "data": "store",
        "frequency": "h",
        "horizon": "0012",
        "family": "encoder+ridge",
        "stage": "train",
        "role": "model",
        "data_fingerprint": panel.fingerprint(),
    }
    assert labels_of(config, panel, "promote", ModelConfig(horizon=3)).horizon == 3
    assert labels_of(config.model_copy(update={"source": SourceConfig()}), panel, "train").data == "sales"
