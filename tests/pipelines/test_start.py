"""Starts: the config says which, the bundle settles what is not named, and seen test folds are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.bundle import load_bundle
from forecaster.errors import ConfigError, LeakageError
from forecaster.training.start import Start, scratch
from pipelines.config import Environment, PipelineConfig, load_config
from pipelines.start import begin, refuse_seen_folds
from tests.factories import sine_panel
from tests.pipelines.factories import FACTS, PRICED, save_priced

HERE = Environment(home=Path("none"), tracking_uri="sqlite:///none.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_priced(tmp_path / "priced")


def config(**settings: Any) -> PipelineConfig:
    return load_config(None, {"name": "m", **{name.replace("__", "."): value for name, value in settings.items()}})


def warm(folder: Path, **settings: Any) -> PipelineConfig:
    return config(start__kind="warm_start", start__reference=str(folder), **settings)


def test_without_a_reference_training_begins_from_scratch() -> None:
    begun = begin(HERE, config())
    assert (begun.start.facts.kind, begun.config) == ("scratch", config())


def test_what_is_not_named_is_the_bundles(folder: Path) -> None:
    begun = begin(HERE, warm(folder, model__dropout=0.3))
    theirs = load_bundle(folder).config.model
    assert begun.config.model == theirs.model_copy(update={"dropout": 0.3})
    assert begun.config.table.known_columns == PRICED.known
    assert begun.config.table.category_columns == tuple(PRICED.categories)
    assert begun.config.table.expected_frequency == "h"


def test_what_is_named_stays_named(folder: Path) -> None:
    begun = begin(HERE, warm(folder, model__horizon=7, table__known_columns=["cost"]))
    assert (begun.config.model.horizon, begun.config.table.known_columns) == (7, ("cost",))


def test_fine_tuning_takes_its_settings(folder: Path) -> None:
    tuned = {"start.learning_rate_factor": 0.5, "start.trained_blocks": 1, "start.tuned_share": 0.8}
    chosen = load_config(None, {"name": "m", "start.kind": "fine_tune", "start.reference": str(folder), **tuned})
    facts = begin(HERE, chosen).start.facts
    assert (facts.kind, facts.learning_rate_factor, facts.trained_blocks) == ("fine_tune", 0.5, 1)
    assert facts.tuned_share == 0.8


def started(folder: Path, **facts: Any) -> Start:
    """A warm start from a bundle of other facts."""
    bundle = load_bundle(folder)
    changed = replace(bundle, manifest=bundle.manifest.model_copy(update={"training": FACTS.model_copy(update=facts)}))
    return replace(begin(HERE, warm(folder)).start, bundle=changed)


def test_a_bundle_that_has_seen_test_folds_is_no_start(folder: Path) -> None:
    panel = sine_panel(2, 200)
    chosen = config(model__horizon=5)
    first_test = str(panel.starts[0] + np.timedelta64(200 - 3 * 5, "h"))
    refuse_seen_folds(panel, chosen, scratch())
    refuse_seen_folds(panel, chosen, started(folder, cutoff="2024-01-01"))
    refuse_seen_folds(panel, config(model__horizon=5, split__num_test_folds=0), started(folder, cutoff=first_test))
    with pytest.raises(LeakageError, match=r"begins before that in every series\. .*start\.other_series"):
        refuse_seen_folds(panel, chosen, started(folder, cutoff=first_test))
    with pytest.raises(LeakageError, match=r"has seen 1 test window\(s\)"):
        refuse_seen_folds(panel, chosen, started(folder, used_up=("s0",), latest=first_test))
    said = config(model__horizon=5, start__kind="warm_start", start__reference="x", start__other_series=True)
    refuse_seen_folds(panel, said, started(folder, cutoff=first_test))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start.kind": "warm_start"}, r"reference \(--from\) is missing"),
        ({"start.reference": "m"}, "is for warm_start and fine_tune"),
        ({"start.kind": "warm_start", "start.reference": "m", "start.trained_blocks": 1}, "is for fine_tune"),
        ({"start.kind": "warm_start", "start.reference": "m", "start.tuned_share": 1}, "is for fine_tune"),
    ],
)
def test_a_start_that_contradicts_itself_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, {"name": "m", **settings})
