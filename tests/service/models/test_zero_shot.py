"""When the encoder in the box answers: whenever it is named, and without a name only where no model was ever there."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from forecaster import pretrained
from forecaster.bundle import Bundle
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.errors import BundleError, ConfigError
from forecaster.pretrained import context_for, encoder_for, pretrained_encoder
from forecaster.time.frequency import Frequency
from service.errors import CannotReplay, NotReady, UnknownModel
from service.model_spec import ModelSpec
from service.models.models import Models
from service.models.registry import VersionRef
from service.models.zero_shot import Offered, ZeroShot, is_built_in
from service.settings import Settings, read_settings
from tests.service.fakes import FakeRegistry
from tests.service.fresh import settings_of


class House:
    """A home and its registry; each start is that of a service on them."""

    def __init__(self, folder: Path) -> None:
        self.home, self.registry = folder / "home", FakeRegistry(folder / "registry")
        self.models: Models
        self.zero_shot: ZeroShot

    def started(self, **given: Any) -> Offered:
        """Gives what is offered before the registry is looked at."""
        settings = settings_of(self.home, **given)
        self.models, self.zero_shot = Models(settings, self.registry), ZeroShot(settings)
        self.models.restore()
        self.zero_shot.load()
        return Offered(self.models, self.zero_shot)

    def looked(self, **given: Any) -> Offered:
        offered = self.started(**given)
        self.models.refresh()
        return offered


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def answers(offered: Offered, text: str | None = None) -> str:
    """Names what answers a request; 'nothing' where it is not ready."""
    try:
        return str(offered.find(text).spec)
    except NotReady:
        return "nothing"


def loaded(**given: Any) -> ZeroShot:
    found = ZeroShot(settings_of(Path("unused"), **given))
    found.load()
    return found


def served(zero_shot: ZeroShot) -> Any:
    assert zero_shot.model is not None
    return zero_shot.model


def test_its_name_is_that_of_the_library() -> None:
    assert pretrained.ZERO_SHOT == ZERO_SHOT


def test_its_version_is_built_in_and_says_of_which_digest() -> None:
    model, digest = served(loaded()), pretrained_encoder().digest
    assert (str(model.spec), model.spec.short("champion"), model.generation) == (ZERO_SHOT, ZERO_SHOT, 1)
    version = f"built-in-{digest.removeprefix('sha256:')[:8]}"
    assert model.reference == VersionRef(ZERO_SHOT, version, digest)
    assert is_built_in(model.reference)
    assert not is_built_in(VersionRef("waves", "12345678", digest))


# Who answers.


def test_without_any_model_it_answers_to_its_name_and_to_none_once_the_registry_is_seen_to_be_empty(
    house: House,
) -> None:
    offered = house.started()
    assert (answers(offered, ZERO_SHOT), answers(offered), offered.stand_in) == (ZERO_SHOT, "nothing", None)
    house.models.refresh()
    assert (answers(offered, ZERO_SHOT), answers(offered)) == (ZERO_SHOT, ZERO_SHOT)
    assert offered.stand_in is house.zero_shot.model


def test_a_home_without_a_registry_so_far_need_not_be_looked_at(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", authentication=False)
    models, zero_shot = Models(settings, FakeRegistry(tmp_path / "registry")), loaded()
    models.restore()
    assert answers(Offered(models, zero_shot)) == ZERO_SHOT
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlflow.db").touch()
    models = Models(settings, FakeRegistry(tmp_path / "registry"))
    models.restore()
    assert answers(Offered(models, zero_shot)) == "nothing"


def test_while_a_registry_is_down_that_never_answered_it_stands_in_for_nobody(house: House) -> None:
    house.registry.is_down = True
    offered = house.looked()
    assert (answers(offered), answers(offered, ZERO_SHOT)) == ("nothing", ZERO_SHOT)
    with pytest.raises(NotReady, match=r"no verified version .* names zero-shot is answered"):
        offered.find(None)
    house.registry.is_down = False
    house.models.refresh()
    assert answers(offered) == ZERO_SHOT


def test_a_name_that_an_empty_registry_does_not_know_is_not_waited_for(house: House) -> None:
    offered = house.started()
    with pytest.raises(NotReady):  # nobody knows yet
        offered.find("waves")
    house.models.refresh()
    for name in ("waves", "ZERO-SHOT", f"{ZERO_SHOT}/7"):
        with pytest.raises(UnknownModel, match="name is served; none is registered beside zero-shot"):
            offered.find(name)
    house.registry.is_store_down = True
    house.registry.add()
    house.models.refresh()
    with pytest.raises(NotReady):  # the registry has it, and the store does not give it
        offered.find("waves")
    house.registry.is_store_down = False
    with pytest.raises(UnknownModel, match=r"there are \['waves'\] beside zero-shot"):
        house.looked().find("other")


def test_a_registered_model_takes_over_once_it_is_promoted_and_not_before_it_serves(house: House) -> None:
    offered = house.looked()
    house.registry.is_store_down = True
    house.registry.add()
    house.models.refresh()
    assert answers(offered) == ZERO_SHOT  # it was so before, and the champion cannot be had yet
    house.registry.is_store_down = False
    restarted = house.looked()
    assert (answers(restarted), answers(restarted, "waves"), answers(restarted, ZERO_SHOT)) == (
        "waves@champion",
        "waves@champion",
        ZERO_SHOT,
    )
    assert [str(one.spec) for one in restarted.served] == ["waves@champion", ZERO_SHOT]
    assert restarted.stand_in is None


def test_the_first_promotion_is_followed_without_a_restart(house: House) -> None:
    offered = house.looked()
    assert answers(offered) == ZERO_SHOT
    house.registry.add()
    house.models.refresh()
    assert (answers(offered), offered.stand_in) == ("waves@champion", None)


@pytest.mark.parametrize("given", [{"models": ("waves",)}, {}], ids=["in the settings", "in the registry"])
def test_where_a_model_is_there_to_be_waited_for_nothing_stands_in_for_it(house: House, given: Any) -> None:
    house.registry.add()
    house.registry.is_store_down = True
    offered = house.looked(**given)
    assert (answers(offered), offered.stand_in) == ("nothing", None)


def test_where_the_disk_knows_of_a_model_nothing_stands_in_for_it(house: House) -> None:
    house.registry.add()
    house.looked()
    house.registry.aliases.clear()
    for bundle in (house.home / "cache" / "waves").iterdir():
        (bundle / "manifest.json").unlink()
    assert answers(house.looked()) == "nothing"


def test_with_several_models_a_request_still_has_to_name_one(house: House) -> None:
    house.registry.add()
    house.registry.add("days")
    offered = house.looked()
    with pytest.raises(UnknownModel, match=r"name one of \['days', 'waves'\]"):
        offered.find(None)
    with pytest.raises(UnknownModel, match=r"there are \['days', 'waves'\]"):
        offered.find("sales")


def test_switched_off_there_is_none(house: House) -> None:
    offered = house.looked(zero_shot=False)
    assert (answers(offered), answers(offered, ZERO_SHOT), offered.served) == ("nothing", "nothing", [])
    house.registry.add()
    house.models.refresh()
    with pytest.raises(UnknownModel, match="no model of that name"):
        offered.find(ZERO_SHOT)


# Its name is taken.


@pytest.mark.parametrize("text", [ZERO_SHOT, f"{ZERO_SHOT}@challenger", f"{ZERO_SHOT}/7"])
def test_settings_that_serve_a_registered_model_of_its_name_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"zero_shot: .*cannot be on while `models` lists a registered zero-shot"):
        read_settings({"models": ("waves", text)})
    chosen = read_settings({"models": (text,), "zero_shot": False})
    assert chosen.model_specs() == (ModelSpec.parse(text, "champion"),)


def test_a_registered_model_of_its_name_is_refused_and_shown_as_such(house: House) -> None:
    house.registry.add(ZERO_SHOT)
    house.registry.add("waves")
    offered = house.looked()
    assert [str(one.spec) for one in offered.served] == ["waves@champion", ZERO_SHOT]
    assert offered.find(ZERO_SHOT) is house.zero_shot.model
    (refused,) = [one for one in house.models.state().specs if one.served is None]
    assert (refused.spec, refused.following.problem()) == (
        ModelSpec(ZERO_SHOT, alias="champion"),
        (
            "name-taken",
            "zero-shot is the encoder in the box: register it under another name, or switch that off "
            "(FORECASTER_ZERO_SHOT=false)",
        ),
    )


def test_one_that_served_before_there_was_an_encoder_is_not_restored_beside_it(house: House) -> None:
    house.registry.add(ZERO_SHOT)
    house.looked(zero_shot=False)
    assert str(house.models.find(ZERO_SHOT).spec) == f"{ZERO_SHOT}@champion"
    offered = house.started()
    assert (house.models.served, offered.find(ZERO_SHOT)) == ([], house.zero_shot.model)


# It cannot be verified.


def broken() -> Bundle:
    raise BundleError("config.json is not what the manifest says", code="digest-mismatch")


def missing() -> Bundle:
    raise ValueError("nobody thought of that")


@pytest.mark.parametrize(("encoder", "code"), [(broken, "digest-mismatch"), (missing, "load-failed")])
def test_a_broken_bundle_is_logged_and_harms_no_registered_model(
    house: House, caplog: pytest.LogCaptureFixture, encoder: Any, code: str
) -> None:
    house.registry.add()
    house.looked(zero_shot=False)
    zero_shot = ZeroShot(settings_of(house.home), encoder)
    offered = Offered(house.models, zero_shot)
    with pytest.raises(NotReady, match="not verified yet"):
        offered.find(ZERO_SHOT)
    zero_shot.load()
    with pytest.raises(NotReady, match="could not be verified"):
        offered.find(ZERO_SHOT)
    assert (answers(offered), [str(one.spec) for one in offered.served]) == ("waves@champion", ["waves@champion"])
    (record,) = [one for one in caplog.records if one.message == "zero_shot_refused"]
    assert (record.levelno, record.fields["code"]) == (logging.ERROR, code)  # type: ignore[attr-defined]


def test_an_earlier_version_of_it_cannot_answer_again() -> None:
    zero_shot = loaded()
    own = served(zero_shot).reference
    assert zero_shot.again(own) is zero_shot.model
    with pytest.raises(CannotReplay, match=f"zero-shot built-in-00000000, and here is {own.version}"):
        zero_shot.again(VersionRef(ZERO_SHOT, "built-in-00000000", "sha256:" + "0" * 64))
    with pytest.raises(CannotReplay, match="and here is no such model in service"):
        ZeroShot(settings_of(Path("unused"), zero_shot=False)).again(own)


# Fitted to series.


def test_series_of_one_frequency_and_context_share_a_predictor_and_all_share_the_weights() -> None:
    model = served(loaded())
    hours = Frequency("h")
    one, other = model.for_series(hours, 500).bundle, model.for_series(hours, 512).bundle
    assert one is other
    assert one.predictor.network.config.context_length == context_for(500) == 512
    for different in (model.for_series(hours, 513).bundle, model.for_series(Frequency("D"), 500).bundle):
        assert different.predictor is not one.predictor
        pairs = zip(different.predictor.network.parameters(), one.predictor.network.parameters(), strict=True)
        assert all(mine is theirs for mine, theirs in pairs)
    assert model.for_series(hours, 10_000).bundle.config.model == encoder_for(hours, 10_000).config.model


def test_who_asks_at_once_for_the_same_series_gets_the_same_predictor() -> None:
    model = served(loaded())
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: model.for_series(Frequency("15min"), 300).bundle.predictor, range(32)))
    assert all(one is found[0] for one in found)


def test_few_are_held_however_many_frequencies_are_asked_for() -> None:
    model = served(loaded())
    first = model.for_series(Frequency("h"), 16).bundle
    for minutes in range(1, 65):
        model.for_series(Frequency.parse(f"{minutes + 60}min"), 16)
    assert model.fit.__self__._fitted.cache_info().currsize == 64
    assert model.for_series(Frequency("h"), 16).bundle is not first


def test_a_registered_model_stays_as_it_is_whatever_the_series_are(house: House) -> None:
    house.registry.add()
    found = house.looked().find("waves")
    assert found.own_frequency == Frequency("h")
    assert found.for_series(Frequency("D"), 3) is found
    assert served(house.zero_shot).own_frequency is None
