from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forecaster.bundle import VERSION_PATH, Bundle, load_bundle
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import PipelineConfig
from pipelines.report.card import MOST_CHARACTERS, Subject, model_card
from tests.factories import panel_of
from tests.pipelines.report.factories import LABELS, Shifted, compared_of, ramps
from tests.pipelines.stores import Store

GOOD = {"model": Shifted((3.0,), reach=4.0), SEASONAL_NAIVE: Shifted((24.0,))}


@pytest.fixture(scope="module")
def bundle(store: Store) -> Bundle:
    return load_bundle(
        Path(store.client.get_model_version_download_uri("waves", "1").removeprefix("file://")) / VERSION_PATH
    )


@pytest.fixture(scope="module")
def subject(bundle: Bundle) -> Subject:
    return Subject(LABELS, bundle, PipelineConfig(name="ramps"))


def test_a_card_tells_data_accuracy_limits_and_how_to_make_the_model_again(subject: Subject) -> None:
    card = model_card(subject, compared_of(GOOD))
    assert "Its MASE is **87.5% below** the seasonal naive's" in card
    assert f"`{subject.bundle.facts.data_fingerprint}`" in card
    assert "| metric | &emsp;model | &emsp;seasonal_naive |" in card
    assert "| `mase` | &emsp;0.125 | &emsp;1 |" in card
    assert "| `relative_mase` | &emsp;0.125 | &emsp;1 |" in card
    assert "Its figures are of 6 windows: few." in card
    assert "Its 80 % intervals are too wide: they held 100.0% of actual values." in card
    assert "forecaster train --config config.yaml" in card
    provenance = subject.bundle.manifest.provenance
    assert provenance is not None
    assert provenance.run_id in card
    assert str(provenance.code_commit) in card


def test_the_version_of_a_training_has_its_card(store: Store, bundle: Bundle) -> None:
    description = store.client.get_model_version("waves", "1").description
    provenance = bundle.manifest.provenance
    assert provenance is not None
    assert description.startswith("**encoder+ridge** for up to 12 steps of `h`")
    ours, naive = provenance.metrics["mase"], provenance.metrics["seasonal_naive/mase"]
    assert f"| `mase` | &emsp;{ours:.4g} | &emsp;{naive:.4g} |" in description


def test_what_is_no_better_than_the_naive_says_so(subject: Subject) -> None:
    bad = {"model": Shifted((30.0,)), SEASONAL_NAIVE: Shifted((24.0,))}
    card = model_card(subject, compared_of(bad))
    assert "**25.0% above** the seasonal naive's" in card
    assert "**It does not beat the seasonal naive.**" in card


def test_without_test_folds_a_card_says_what_its_figures_are_worth(subject: Subject) -> None:
    card = model_card(subject, replace(compared_of({"model": GOOD["model"]}), evaluated_on="validation"))
    assert "compared with nothing" in card
    assert "**No test folds**" in card


def test_names_of_the_data_do_not_break_the_card_and_it_fits_into_the_database(subject: Subject) -> None:
    names = [f"a|b`c\n# {number} " + "x" * 200 for number in range(3)]
    plain = ramps()
    panel = type(plain)(tuple(names), plain.offsets, plain.values, plain.starts, plain.axis)
    card = model_card(replace(subject, labels=replace(LABELS, data="d|" * 500)), compared_of(GOOD, panel))
    assert "a b c # 0" in card.replace("  ", " ")
    assert all(line.count("|") in (0, 4) for line in card.splitlines())
    assert len(card) <= MOST_CHARACTERS
    many = {f"role_{number}": Shifted((1.0,)) for number in range(60)}
    long = model_card(subject, compared_of({**GOOD, **many}))
    assert len(long) <= MOST_CHARACTERS
    assert long.endswith("…")


def test_a_series_that_cannot_be_scored_does_not_stop_a_card(subject: Subject) -> None:
    flat = panel_of([1.0] * 80, [1.0] * 80)
    assert "could not be compared" in model_card(subject, compared_of(GOOD, flat))
