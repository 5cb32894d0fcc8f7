"""Starts: weights are taken over, frozen ones stay, other architectures are refused by the fields that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forecaster.bundle import Bundle, load_bundle, save_bundle
from forecaster.config import ForecasterConfig
from forecaster.errors import TrainingError
from forecaster.training.fit import FitResult, fit, fit_key
from forecaster.training.start import Start, fine_tune, scratch, warm_start
from tests.training.factories import CONFIG, PANEL, same_weights, with_model, with_training

BRIEF = with_training(max_steps=4, steps_per_validation=2)
# So slow that the weights are still where they began.
STANDING = with_training(max_steps=1, steps_per_validation=1, learning_rate=1e-12)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("start")
    return bundled(fit(PANEL, with_training(num_members=2), folder / "fit"), folder / "bundle")


def bundled(result: FitResult, folder: Path) -> Bundle:
    save_bundle(folder, result.predictor, result.facts)
    return load_bundle(folder)


def state(result: FitResult) -> dict[str, torch.Tensor]:
    return result.predictor.network.state_dict()


@pytest.mark.parametrize("start", [warm_start, fine_tune])
def test_training_begins_with_the_weights_of_the_bundle(
    start: object, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecaster.training.member.best_share", lambda *_: 1.0)
    config = with_training(STANDING, num_members=3)
    result = fit(PANEL, config, tmp_path, start=start(bundle))  # type: ignore[operator]
    begun = [network.state_dict() for network in result.predictor.networks]
    theirs = [network.state_dict() for network in bundle.predictor.networks]
    for member, weights in enumerate(begun):  # the third begins where the first does
        for name, value in weights.items():
            torch.testing.assert_close(value, theirs[member % 2][name], rtol=0, atol=1e-9)


def test_a_warm_start_is_better_than_scratch_after_a_few_steps(bundle: Bundle, tmp_path: Path) -> None:
    cold = fit(PANEL, BRIEF, tmp_path / "cold", start=scratch())
    warm = fit(PANEL, BRIEF, tmp_path / "warm", start=warm_start(bundle))
    assert warm.facts.validation_loss < cold.facts.validation_loss


def test_the_rate_of_fine_tuning_is_a_share_of_the_rate(bundle: Bundle, tmp_path: Path) -> None:
    tuned = fit(PANEL, BRIEF, tmp_path / "tuned", start=fine_tune(bundle, 0.1, tuned_share=1.0))
    slower = with_training(BRIEF, learning_rate=0.1 * BRIEF.training.learning_rate)
    assert same_weights(tuned, fit(PANEL, slower, tmp_path / "slower", start=warm_start(bundle)))


@pytest.mark.parametrize("refit", [False, True], ids=["validated", "refitted"])
def test_a_share_of_what_training_changed_is_kept(
    refit: bool, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecaster.training.member.best_share", lambda *_: 1.0)
    config = with_training(BRIEF, num_members=2, refit=refit)
    starts = (fine_tune(bundle, 1.0, tuned_share=share) for share in (1.0, 0.25))
    whole, part = (fit(PANEL, config, tmp_path / str(number), start=start) for number, start in enumerate(starts))
    begun = [network.state_dict() for network in bundle.predictor.networks]
    for member, (tuned, kept) in enumerate(zip(whole.predictor.networks, part.predictor.networks, strict=True)):
        changed = False
        for name, weight in kept.named_parameters():
            first, last = begun[member % len(begun)][name], tuned.state_dict()[name]
            torch.testing.assert_close(weight.detach(), 0.75 * first + 0.25 * last, rtol=1e-5, atol=1e-7)
            changed = changed or not torch.equal(first, last)
        assert changed


def test_the_start_is_recorded(bundle: Bundle, tmp_path: Path) -> None:
    result = fit(PANEL, BRIEF, tmp_path / "fit", start=fine_tune(bundle, 0.5, trained_blocks=0))
    found = bundled(result, tmp_path / "bundle").manifest.training.start
    assert found == result.facts.start
    assert (found.kind, found.bundle_digest) == ("fine_tune", bundle.digest)
    assert (found.learning_rate_factor, found.trained_blocks, found.tuned_share) == (0.5, 0, 0.5)
    assert bundle.manifest.training.start.kind == "scratch"


@pytest.mark.parametrize(
    ("num_blocks", "moving"),
    [(0, {"decoder", "encoder.norm"}), (1, {"decoder", "encoder.norm", "encoder.blocks.0"})],
)
def test_only_the_end_of_the_network_is_trained_on_request(
    num_blocks: int, moving: set[str], bundle: Bundle, tmp_path: Path
) -> None:
    begun = bundle.predictor.network.state_dict()
    after = state(fit(PANEL, BRIEF, tmp_path, start=fine_tune(bundle, 1.0, trained_blocks=num_blocks)))
    changed = {name for name in begun if not torch.equal(begun[name], after[name])}
    assert changed
    assert all(any(name.startswith(f"{part}.") for part in moving) for name in changed)
    assert all(any(name.startswith(f"{part}.") for name in changed) for part in moving)


def test_a_resumed_fine_tuning_ends_where_an_unbroken_one_does(bundle: Bundle, tmp_path: Path) -> None:
    start = fine_tune(bundle, 0.3, trained_blocks=1)
    first = fit(PANEL, BRIEF, tmp_path / "fit", start=start)
    assert same_weights(first, fit(PANEL, BRIEF, tmp_path / "fit", start=start))
    with pytest.raises(TrainingError, match="another config"):
        fit(PANEL, BRIEF, tmp_path / "fit", start=warm_start(bundle))


def test_fits_from_other_starts_have_other_keys(bundle: Bundle) -> None:
    tuned = [fine_tune(bundle), fine_tune(bundle, 0.2), fine_tune(bundle, tuned_share=0.2)]
    starts: list[Start | None] = [None, warm_start(bundle), *tuned]
    assert len({fit_key(PANEL, CONFIG, start) for start in starts}) == len(starts)
    assert fit_key(PANEL, CONFIG) == fit_key(PANEL, CONFIG, scratch())


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (with_model(d_model=8, horizon=5), r"horizon 6 \(wanted: 5\), d_model 16 \(wanted: 8\)$"),
        (with_model(norm="rms"), r"norm 'layer' \(wanted: 'rms'\)$"),
    ],
)
def test_another_architecture_is_refused_by_its_fields(
    config: ForecasterConfig, fields: str, bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=fields):
        fit(PANEL, config, tmp_path, start=warm_start(bundle))


def test_another_dropout_is_no_other_architecture(bundle: Bundle, tmp_path: Path) -> None:
    config = with_model(with_training(STANDING), dropout=0.3)
    assert fit(PANEL, config, tmp_path, start=warm_start(bundle)).config.model.dropout == 0.3


def test_another_clock_of_the_calendar_is_no_other_architecture(bundle: Bundle) -> None:
    model = bundle.config.model
    elsewhere = model.covariates.model_copy(update={"timezone": "Asia/Tokyo"})
    warm_start(bundle).check(model.model_copy(update={"covariates": elsewhere}))


def test_another_scaling_is_no_other_architecture_where_other_data_may_be_tuned_to(
    bundle: Bundle, tmp_path: Path
) -> None:
    config = with_model(with_training(STANDING), scaling="log")
    assert fit(PANEL, config, tmp_path / "tuned", start=fine_tune(bundle)).config.model.scaling == "log"
    with pytest.raises(TrainingError, match=r"scaling 'mean_std' \(wanted: 'log'\)"):
        fit(PANEL, config, tmp_path / "warm", start=warm_start(bundle))


def test_more_blocks_than_there_are_cannot_be_trained(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="last 2 blocks are to be trained, but the network has 1"):
        fit(PANEL, CONFIG, tmp_path, start=fine_tune(bundle, trained_blocks=2))
