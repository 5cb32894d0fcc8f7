"""What a network takes from its windows before training: the ridge, with known covariates and without."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from forecaster.config import CovariateConfig, ForecasterConfig
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.model.skips.linear import LinearSkip
from forecaster.model.skips.ridge import chosen
from forecaster.training import prefit
from forecaster.training.datamodule import WindowDataModule
from forecaster.training.fit import fit, resolve
from forecaster.training.member import member_data
from forecaster.training.prefit import Prefit, fill_unmet_categories
from tests.training.factories import CONFIG, PANEL, priced_panel, with_model, with_training

SEASONAL = with_model(season_length=6)


def fitted(panel: Panel, config: ForecasterConfig = SEASONAL) -> tuple[LinearSkip, WindowDataModule]:
    config = resolve(panel, config)
    network, data = Network(config.model), member_data(panel, config, config.training)
    Prefit(config.model, data).begin(network)
    assert isinstance(network.skip, LinearSkip)
    return network.skip, data


def validation_error(panel: Panel) -> float:
    """Gives the mean squared error, in scaled space, of the ridge alone."""
    config = resolve(panel, SEASONAL)
    skip, data = fitted(panel)
    errors = []
    for batch in data.validation_batches():
        window = Network(config.model).scaled(batch.context, batch.observed)
        found = skip(window.values, window.observed, batch.covariates)
        errors.append((found - scale_target(batch.target, window.scale)).square().mean())
    return float(torch.stack(errors).mean())


def test_what_a_known_price_does_is_found_by_the_ridge_alone() -> None:
    panel = priced_panel()
    blind = replace(panel, covariates=PanelCovariates.from_arrays())
    assert validation_error(panel) < 0.05 * validation_error(blind)


def test_it_reads_each_known_covariate_now_and_a_season_earlier() -> None:
    skip, _ = fitted(priced_panel())
    assert skip.weight.shape == (24 + 2, 6)
    now, earlier = skip.weight[24:]
    assert (now > 0.8).all()
    assert (now > 1.5 * earlier.abs()).all()


@pytest.mark.parametrize("kept_back", [PANEL.lengths[0] - CONFIG.split.num_test_folds * CONFIG.model.horizon])
def test_nothing_of_the_test_folds_moves_the_ridge(kept_back: int) -> None:
    panel = priced_panel()
    names, offsets = panel.covariates.known_names, panel.covariates.known_offsets
    known = [panel.covariates.known[begin:end, 0].copy() for begin, end in pairwise(offsets)]
    values = panel.values.copy()
    for number, price in enumerate(known):
        price[kept_back:] = 1e6
        values[panel.offsets[number] + kept_back : panel.offsets[number + 1]] = -1e6
    covariates = PanelCovariates.from_arrays(known={names[0]: known})
    other = replace(panel, values=values, covariates=covariates)
    assert torch.equal(fitted(panel)[0].weight, fitted(other)[0].weight)


def test_past_covariates_do_not_move_the_ridge_by_a_bit() -> None:
    draw = np.random.default_rng(0)
    past = {"rain": [draw.standard_normal(120) for _ in range(3)]}
    rainy = replace(PANEL, covariates=PanelCovariates.from_arrays(past=past))
    skips = [fitted(panel)[0] for panel in (PANEL, rainy)]
    assert skips[0].weight.shape == (24, 6)
    assert torch.equal(skips[0].weight, skips[1].weight)


def test_known_covariates_that_are_all_missing_leave_the_ridge_of_the_context() -> None:
    missing = [np.full(126, np.nan) for _ in range(3)]
    panel = replace(PANEL, covariates=PanelCovariates.from_arrays(known={"price": missing}))
    blind, skip = fitted(PANEL)[0], fitted(panel)[0]
    assert not skip.weight[24:].any()
    torch.testing.assert_close(skip.weight[:24], blind.weight, rtol=1e-6, atol=1e-9)


def test_without_a_whole_window_nothing_is_learned() -> None:
    targets = PANEL.values.copy()
    targets[5::6] = np.nan
    assert not fitted(replace(PANEL, values=targets))[0].weight.any()


def changed_after(panel: Panel, begin: int, seed: int = 5) -> Panel:
    """Gives the panel with other values from a step of each series on."""
    values, draw = panel.values.copy(), np.random.default_rng(seed)
    for first, last in pairwise(panel.offsets):
        values[first + begin : last] = 10 + draw.standard_normal(last - first - begin)
    return replace(panel, values=values)


def refitted(panel: Panel) -> torch.Tensor:
    config = resolve(panel, SEASONAL)
    network = Network(config.model)
    Prefit(config.model, member_data(panel, config, config.training)).refit_skip(network)
    assert isinstance(network.skip, LinearSkip)
    return network.skip.weight


def test_a_refit_learns_from_the_validation_folds_and_not_from_the_test_folds() -> None:
    split = split_panel(PANEL, CONFIG.model.horizon, CONFIG.split)
    seen, trained = int(split.seen_ends[0]), int(split.training_ends[0])
    assert not torch.equal(refitted(PANEL), fitted(PANEL)[0].weight)
    assert torch.equal(refitted(changed_after(PANEL, seen)), refitted(PANEL))
    assert not torch.equal(refitted(changed_after(PANEL, trained)), refitted(PANEL))


def test_a_fit_serves_the_refitted_ridge(tmp_path: Path) -> None:
    result = fit(PANEL, SEASONAL, tmp_path)
    skip = result.predictor.network.skip
    assert isinstance(skip, LinearSkip)
    torch.testing.assert_close(skip.weight, refitted(PANEL), rtol=1e-12, atol=1e-12)


def test_the_networks_of_a_fit_share_one_regression(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []
    monkeypatch.setattr(prefit, "chosen", lambda *given: calls.append(given) or chosen(*given))
    result = fit(PANEL, with_training(SEASONAL, num_members=3), tmp_path)
    weights = [network.skip.weight for network in result.predictor.networks]
    assert len(calls) == 1
    assert torch.equal(weights[0], weights[2])


def test_only_windows_with_half_the_history_of_the_longest_are_learned_from() -> None:
    """A rule for each block of time by itself would take the short windows of the first ones for long ones."""
    config = resolve(PANEL, with_model(SEASONAL, context_length=96, patch_length=6))
    data = member_data(PANEL, config, config.training)
    batch = data.windows.gather(data.seen.thinned(10_000))
    wanted = (batch.observed.sum(dim=1) >= 48) & batch.target_observed.all(dim=1)
    blocks = prefit.RidgeFit(config.model, data)._blocks
    assert sum(block.num_windows for block in blocks) == int(wanted.sum())
    assert not blocks[0].num_windows


def of_kinds(*kinds: str | None) -> Panel:
    """Gives the panel with a category of each of its three series."""
    return replace(PANEL, covariates=PanelCovariates.from_arrays(categories={"kind": kinds}))


def vectors(network: Network) -> torch.Tensor:
    """Gives the vector [1+C D] of each kind, the missing one first."""
    assert network.tokens.static is not None
    return network.tokens.static.get_parameter("tables.0.weight").detach()


def filled(panel: Panel, texts: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives the vectors before and after those of kinds that the panel has no series of are filled."""
    config = resolve(panel, with_model(covariates=CovariateConfig(categories={"kind": texts})))
    network = Network(config.model)
    before = vectors(network).clone()
    fill_unmet_categories(network, member_data(panel, config, config.training))
    return before, vectors(network)


@pytest.mark.parametrize("refit", [False, True])
def test_a_kind_that_training_has_not_met_counts_as_the_mean_of_those_it_has(refit: bool, tmp_path: Path) -> None:
    result = fit(of_kinds("a", "b", "a"), with_training(refit=refit, num_members=2), tmp_path)
    for network in (*result.predictor.networks, *result.validated.networks):
        missing, *met = vectors(network)
        torch.testing.assert_close(missing, torch.stack(met).mean(dim=0))


def test_a_text_of_the_config_that_no_series_has_counts_as_unmet() -> None:
    before, after = filled(of_kinds("a", "c", "a"), ("a", "b", "c"))
    mean = before[[1, 3]].mean(dim=0)
    torch.testing.assert_close(after, torch.stack([mean, before[1], mean, before[3]]))


@pytest.mark.parametrize("unknown", [None, "z"])
def test_where_a_series_without_a_known_kind_was_trained_on_its_vector_stays(unknown: str | None) -> None:
    before, after = filled(of_kinds("a", unknown, "b"), ("a", "b"))
    assert torch.equal(before, after)
