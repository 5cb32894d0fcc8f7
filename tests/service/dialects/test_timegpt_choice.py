"""Which model a name of TimeGPT's stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from forecaster.errors import FrequencyError
from service.dialects.timegpt.choice import Choices, frequencies_of
from service.errors import NotReady, UnknownModel
from service.models.models import Models
from service.models.view import ServedModel
from service.models.zero_shot import ZeroShot
from service.settings import Settings
from tests.service.fakes import FakeClock, FakeRegistry
from tests.service.timegpt_bodies import FORECAST, forecast


def models_of(tmp_path: Path, served: Mapping[str, str], **settings: str) -> tuple[Models, Settings]:
    """Serves models of these frequencies by name; NAME@challenger is one beside the champion."""
    registry = FakeRegistry(tmp_path / "registry")
    for text, frequency in served.items():
        name, _, alias = text.partition("@")
        registry.add(name, alias or "champion", frequency=frequency)
    chosen = Settings(home=tmp_path / "home", registry_uri="http://127.0.0.1:1", **settings)  # type: ignore[arg-type]
    models = Models(chosen, registry, warm=lambda *_: None, clock=FakeClock())
    models.refresh()
    return models, chosen


def name_of(models: Models, settings: Settings, name: str, freq: str) -> str:
    served, frequency = choices(models, settings).meant(name, frequencies_of(freq, has_starts=True), models.find)
    assert frequency == served.bundle.predictor.frequency
    return str(served.spec)


def choices(models: Models, settings: Settings, encoder: ServedModel | None = None) -> Choices:
    return Choices(models, settings, encoder)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    zero_shot = ZeroShot(Settings(home=tmp_path_factory.mktemp("home"), registry_uri="http://127.0.0.1:1"))
    zero_shot.load()
    return zero_shot.found()


def test_where_no_model_has_the_frequency_the_encoder_in_the_box_stands_in(
    tmp_path: Path, encoder: ServedModel
) -> None:
    models, settings = models_of(tmp_path, {"hours": "h"})
    offered = choices(models, settings, encoder)
    for freq, expected in (("h", "hours@champion"), ("D", "zero-shot"), ("MS", "zero-shot")):
        served, frequency = offered.meant("timegpt-1", frequencies_of(freq, has_starts=True), models.find)
        assert (str(served.spec), frequency.alias) == (expected, freq)
    with pytest.raises(UnknownModel, match="no model of that name"):
        offered.meant("gpt-1", frequencies_of("D", has_starts=True), models.find)


def test_the_encoder_answers_where_nothing_was_ever_registered(tmp_path: Path, encoder: ServedModel) -> None:
    models, settings = models_of(tmp_path, {})
    offered = choices(models, settings, encoder)
    found, frequency = offered.meant("timegpt-1", frequencies_of("MS", has_starts=False), models.find)
    assert (found, frequency.alias) == (encoder, "MS")
    assert offered.names == ["timegpt-1", "zero-shot"]
    assert choices(models, settings).names == []


def test_the_encoder_does_not_stand_in_for_one_of_several_nor_for_one_that_is_awaited(
    tmp_path: Path, encoder: ServedModel
) -> None:
    several = models_of(tmp_path / "several", {"hours": "h", "others": "h"})
    with pytest.raises(UnknownModel, match="could be any of"):
        choices(*several, encoder).meant("timegpt-1", frequencies_of("h", has_starts=True), several[0].find)
    awaited = models_of(tmp_path / "awaited", {"hours": "h"}, models="hours,days")
    with pytest.raises(NotReady):
        choices(*awaited, encoder).meant("timegpt-1", frequencies_of("D", has_starts=True), awaited[0].find)


@pytest.mark.parametrize(("named", "expected"), [("hours", None), ("hours,zero-shot", "zero-shot")])
def test_a_setting_leaves_the_encoder_out_unless_it_names_it(
    tmp_path: Path, encoder: ServedModel, named: str, expected: str | None
) -> None:
    models, settings = models_of(tmp_path, {"hours": "h", "days": "D"}, timegpt_models=named)
    offered, daily = choices(models, settings, encoder), frequencies_of("D", has_starts=True)
    if expected is None:
        with pytest.raises(UnknownModel, match=r"there are those of \['h'\]"):
            offered.meant("timegpt-1", daily, models.find)
    else:
        assert str(offered.meant("timegpt-1", daily, models.find)[0].spec) == expected


@pytest.mark.parametrize("name", ["timegpt-1", "timegpt-1-long-horizon", "timegpt-2.1", "azureai"])
def test_timegpts_names_stand_for_the_model_of_the_frequency(tmp_path: Path, name: str) -> None:
    found = models_of(tmp_path, {"hours": "h", "days": "D"})
    assert name_of(*found, name, "h") == name_of(*found, name, "60min") == "hours@champion"
    assert name_of(*found, name, "D") == "days@champion"
    with pytest.raises(UnknownModel, match=r"stands for the model of frequency 'MS', and there are those of \['D', 'h"):
        name_of(*found, name, "MS")


def test_of_several_none_is_guessed(tmp_path: Path) -> None:
    found = models_of(tmp_path, {"hours": "h", "others": "h"})
    with pytest.raises(UnknownModel, match=r"could be any of \['hours@champion', 'others@champion'\]") as raised:
        name_of(*found, "timegpt-1", "h")
    assert raised.value.code == "model-missing"
    assert name_of(*found, "others", "h") == "others@champion"


def test_a_setting_says_which_of_several(tmp_path: Path) -> None:
    found = models_of(tmp_path, {"hours": "h", "others": "h", "days": "D"}, timegpt_models="others")
    assert name_of(*found, "timegpt-1", "h") == "others@champion"
    with pytest.raises(UnknownModel, match=r"there are those of \['h'\]"):
        name_of(*found, "timegpt-1", "D")


def test_a_challenger_is_never_meant(tmp_path: Path) -> None:
    found = models_of(tmp_path, {"hours": "h", "hours@challenger": "h"}, models="hours,hours@challenger")
    assert len(found[0].served) == 2
    assert name_of(*found, "timegpt-1", "h") == "hours@champion"
    assert name_of(*found, "hours@challenger", "h") == "hours@challenger"


def test_what_is_waited_for_may_be_what_is_meant(tmp_path: Path) -> None:
    found = models_of(tmp_path, {"hours": "h"}, models="hours,days")
    assert name_of(*found, "timegpt-1", "h") == "hours@champion"
    with pytest.raises(NotReady):
        name_of(*found, "timegpt-1", "D")


def test_a_model_of_that_name_comes_first_and_other_names_are_nobodys(tmp_path: Path) -> None:
    found = models_of(tmp_path, {"timegpt-1": "D", "hours": "h"})
    assert name_of(*found, "timegpt-1", "D") == "timegpt-1@champion"
    with pytest.raises(FrequencyError, match="the data has frequency 'h', the model was trained on 'D'"):
        name_of(*found, "timegpt-1", "h")
    with pytest.raises(UnknownModel, match="no model of that name"):
        name_of(*found, "gpt-1", "h")


def test_months_without_times_may_be_integers() -> None:
    assert [one.alias for one in frequencies_of("MS", has_starts=False)] == ["MS", "step"]
    assert [one.alias for one in frequencies_of("MS", has_starts=True)] == ["MS"]


def test_models_are_listed_and_described(service: httpx.Client) -> None:
    assert service.get("/v2/models").json() == {
        "models": [{"name": name} for name in ("timegpt-1", "days", "waves", "zero-shot")]
    }
    for model, freq in (("waves", "h"), ("timegpt-1", "D")):
        reply = service.get("/model_params", params={"model": model, "freq": freq})
        assert reply.json() == {"detail": {"input_size": 1024, "horizon": 12}}
    by_name, by_theirs = (
        service.post(FORECAST, json=forecast(model=name)).json() for name in ("waves", "timegpt-1-long-horizon")
    )
    assert by_name == by_theirs
    assert by_name["model"]["name"] == "waves"
