"""The encoder in the box, fitted to a frequency: the same weights, other cycles, and what any forecast rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecaster.bundle import Bundle, load_bundle
from forecaster.config.cycles import NUM_LAGS, Cycles
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.errors import BundleError, ConfigError
from forecaster.leakage import seen_ends, unseen_folds
from forecaster.model.network import Network
from forecaster.pretrained import context_for, encoder_for, pretrained_encoder, save_encoder
from forecaster.time.frequency import Frequency
from tests.factories import panel_of, random_panel, sine_panel
from tests.training.pretraining.factories import same_weights, small_config

EACH_FREQUENCY = pytest.mark.parametrize("alias", ["step", "s", "15min", "h", "D", "B", "W-MON", "MS", "QS-JAN"])
MEDIAN = 4  # of the nine levels


def fitted(alias: str = "h", longest: int = 300, horizon: int | None = None) -> Bundle:
    return encoder_for(Frequency.parse(alias), longest, horizon=horizon)


def forecast(panel: Panel, horizon: int = 12) -> np.ndarray:
    """Gives quantiles [S H Q]."""
    bundle = encoder_for(panel.axis.frequency, int(panel.lengths.max()), horizon=horizon)
    return bundle.predictor.predict(panel).values


def waves(num_series: int = 3, length: int = 200) -> Panel:
    return sine_panel(num_series, length, noise=0.3, missing_share=0.1)


def test_what_lies_in_the_box_has_seen_made_up_series_only_and_fits_any_length() -> None:
    bundle = pretrained_encoder()
    assert bundle.facts.is_synthetic
    assert bundle.config.frequency == "step"
    assert bundle.config.model.is_length_free
    assert len(bundle.config.model.resolved_lags) == NUM_LAGS
    assert pretrained_encoder() is bundle


def test_contexts_are_whole_patches_up_to_the_longest_that_was_trained() -> None:
    model = pretrained_encoder().config.model
    patch, limit = model.patch_length, model.context_length
    assert patch is not None
    assert limit is not None
    lengths = (0, 1, patch, patch + 1, limit - 1, limit, limit + 1, 10**6)
    expected = [patch, patch, patch, 2 * patch, limit, limit, limit, limit]
    assert [context_for(length) for length in lengths] == expected


@pytest.mark.parametrize(
    ("alias", "lags"),
    [
        ("h", (1, 24, 48, 72, 96, 168)),
        ("MS", (1, 12, 24, 36, 48, 0)),
        ("D", (1, 7, 14, 21, 28, 0)),  # no year
        ("step", (1, 1, 2, 3, 4, 0)),
    ],
)
def test_a_frequency_brings_its_lags_and_the_data_the_context(alias: str, lags: tuple[int, ...]) -> None:
    bundle = fitted(alias, 100)
    model = bundle.config.model
    assert bundle.config.frequency == bundle.predictor.frequency.alias == alias
    assert (model.lags, model.context_length) == (lags, context_for(100))
    assert model == bundle.predictor.network.config
    assert bundle.predictor.horizon == pretrained_encoder().config.model.horizon


@EACH_FREQUENCY
def test_all_weights_are_the_very_same(alias: str) -> None:
    own, its = (b.predictor.network.parameters() for b in (pretrained_encoder(), fitted(alias)))
    assert all(one is other for one, other in zip(own, its, strict=True))


@pytest.mark.parametrize("horizon", [1, 7, 64])
def test_the_horizon_is_the_one_that_was_asked_for(horizon: int) -> None:
    predictor = fitted(horizon=horizon).predictor
    assert predictor.horizon == horizon
    assert predictor.predict(waves()).values.shape == (3, horizon, 9)


@pytest.mark.parametrize("horizon", [0, -3, 65])
def test_a_horizon_that_none_has_is_refused(horizon: int) -> None:
    with pytest.raises(ConfigError, match=r"outside 1\.\.64"):
        fitted(horizon=horizon)


def test_a_season_that_is_named_stands_for_that_of_the_frequency() -> None:
    named = encoder_for(Frequency.parse("h"), 300, season_length=10)
    assert named.config.model.lags == Cycles(10).lags
    none = encoder_for(Frequency.parse("h"), 300, season_length=1)
    assert none.config.model.lags == Cycles().lags


@EACH_FREQUENCY
def test_quantiles_are_finite_and_never_cross(alias: str) -> None:
    panel = random_panel(np.random.default_rng(0), longest=150, missing_share=0.2, frequency=alias)
    quantiles = forecast(panel)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize(("factor", "offset"), [(7.3, -300.0), (1e-6, 0.0), (1e9, 1e12)])
def test_a_forecast_follows_shift_and_stretch_of_its_series(factor: float, offset: float) -> None:
    panel = waves()
    moved = panel_of(*[factor * panel.target(row) + offset for row in range(3)])
    near = 2e-4 * factor  # the series' spread is about 1 to 2
    np.testing.assert_allclose(forecast(moved), factor * forecast(panel) + offset, rtol=1e-12, atol=near)


def test_a_series_alone_is_the_same_series_in_company() -> None:
    panel = waves(5)
    together = forecast(panel)
    for row in range(5):
        np.testing.assert_allclose(forecast(panel_of(panel.target(row)))[0], together[row], rtol=1e-5, atol=1e-4)


def test_a_short_series_beside_a_long_one_is_forecast_as_alone() -> None:
    short, long = waves(1, 40).target(0), waves(1, 900).target(0)
    np.testing.assert_allclose(forecast(panel_of(short, long))[0], forecast(panel_of(short))[0], rtol=1e-5, atol=1e-4)


def test_a_constant_series_forecasts_exactly_its_constant() -> None:
    assert (forecast(panel_of(np.full(50, 7.25), np.zeros(3))) == np.array([7.25, 0.0])[:, None, None]).all()


def test_what_came_before_its_context_does_not_matter() -> None:
    limit = context_for(10**6)
    series = waves(1, limit + 400).target(0)
    changed = np.concatenate([np.full(400, 1e6), series[400:]])
    np.testing.assert_array_equal(forecast(panel_of(changed)), forecast(panel_of(series)))


@pytest.mark.parametrize(("alias", "period"), [("h", 24), ("MS", 12), ("D", 7)])
def test_a_pure_wave_goes_on(alias: str, period: float) -> None:
    whole = sine_panel(3, 220, period=period, frequency=alias)
    seen = panel_of(*[whole.target(row)[:200] for row in range(3)], frequency=alias)
    actual = np.stack([whole.target(row)[200:] for row in range(3)])
    errors = np.abs(forecast(seen, 20)[:, :, MEDIAN] - actual).mean(axis=1)
    assert (errors < 0.35 * np.arange(1, 4)).all()  # of amplitudes 1, 2 and 3: the mean alone misses by 0.64


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "bundle"
    config = small_config(seed=3)
    save_encoder(Network(config.model).eval(), config, 7, 0.5, folder)
    return folder


def test_a_pretrained_network_is_saved_with_what_it_has_seen(small_folder: Path) -> None:
    facts = load_bundle(small_folder).facts
    assert facts.is_synthetic
    assert (facts.data_fingerprint, facts.num_series) == ("synthetic:3", 7 * 2 * 8)
    assert (facts.num_steps, facts.validation_loss, facts.horizon, facts.frequency) == (7, 0.5, 16, "step")


def test_a_folder_that_exists_is_not_written_over(small_folder: Path) -> None:
    config = small_config()
    with pytest.raises(BundleError, match="exists already"):
        save_encoder(Network(config.model), config, 1, 1.0, small_folder)


def test_another_encoder_than_that_in_the_box_keeps_its_own_limits(small_folder: Path) -> None:
    other = load_bundle(small_folder)
    found = encoder_for(Frequency.parse("h"), 900, encoder=other)
    assert (found.config.model.context_length, found.config.model.horizon) == (64, 16)
    assert same_weights(found.predictor.network, other.predictor.network)
    assert np.isfinite(found.predictor.predict(waves()).values).all()


def test_of_made_up_series_no_fold_of_real_ones_was_seen() -> None:
    panel = sine_panel(3, 120, timezone="Europe/Berlin")
    folds = rolling_origin(panel, 12, 5, None)
    assert unseen_folds(panel, folds, fitted().facts) == tuple(folds)
    assert seen_ends(panel, fitted().facts).tolist() == [0, 0, 0]
