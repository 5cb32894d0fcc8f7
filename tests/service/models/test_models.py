"""Following: swaps on promotion, refuses what is wrong, outlives the registry, and agrees with its neighbours."""

from __future__ import annotations

import gc
import itertools
import os
import random
import shutil
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from forecaster.bundle import CALIBRATION, CONFIG, GOLDEN, MANIFEST, WEIGHTS
from forecaster.errors import GoldenError
from service.errors import NotReady, UnknownModel
from service.model_spec import ModelSpec
from service.models import verified
from service.models.following import MAX_PAUSES
from service.models.loading import Loader
from service.models.models import Models
from service.models.registry import RegistryUnavailable, VersionRef
from service.models.verified import verified_bundle
from service.settings import Settings
from tests.service.fakes import FakeClock, FakeRegistry
from tests.service.integrity import (
    flip_and_load,
    flip_and_load_without_digests,
    reference_of,
    truncate_and_load,
)

FILES = (CALIBRATION, CONFIG, GOLDEN, MANIFEST, WEIGHTS)


class House:
    """A registry and a home that any number of `Models` may share."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.registry = FakeRegistry(folder / "registry")
        self.clock = FakeClock()

    def models(self, **settings: object) -> Models:
        chosen = Settings(home=self.home, registry_uri="sqlite://", **settings)  # type: ignore[arg-type]
        return Models(chosen, self.registry, clock=self.clock)

    def refreshed(self, **settings: object) -> Models:
        models = self.models(**settings)
        models.refresh()
        return models

    def cached(self, models: Models) -> Path:
        """Gives the folder of the only model."""
        reference = models.find(None).reference
        return self.home / "cache" / reference.name / f"{reference.version}-{reference.digest[-16:]}"

    def restarted(self, **settings: object) -> Models:
        models = self.models(**settings)
        models.restore()
        return models


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def versions(models: Models) -> dict[str, str]:
    return {str(model.spec): model.reference.version for model in models.served}


def test_of_several_that_are_awaited_none_can_be_named_yet(house: House) -> None:
    models = house.models(models="hours,hours@challenger")
    with pytest.raises(NotReady):
        models.find(None)


def problem(models: Models, spec: str = "waves@champion") -> str | None:
    (one,) = [one for one in models.state().specs if str(one.spec) == spec]
    found = one.following.problem()
    return found[0] if found else None


def fields(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    return [record.fields for record in caplog.records if record.message == event]  # type: ignore[attr-defined]


def test_a_promotion_is_followed_and_a_reader_keeps_what_it_holds(house: House) -> None:
    first = house.registry.add()
    models = house.refreshed()
    held = models.find("waves")
    second = house.registry.add()
    assert [str(spec) for spec in models.refresh().swapped] == ["waves@champion"]
    assert (held.reference, held.generation, held.bundle.digest) == (first, 1, first.digest)
    now = models.find("waves")
    assert (now.reference, now.generation, now.bundle.digest) == (second, 2, second.digest)
    assert models.refresh().swapped == ()


def test_a_replaced_version_is_freed_with_its_last_reader(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    held = models.find("waves")
    bundle = weakref.ref(held.bundle)
    house.registry.add()
    models.refresh()
    assert bundle() is not None
    del held
    gc.collect()
    assert bundle() is None


def test_memory_is_given_back_once_a_version_is_replaced_or_refused_and_else_not(house: House) -> None:
    replaced: list[weakref.ref[object]] = []
    found: list[list[bool]] = []
    settings = Settings(home=house.home, registry_uri="sqlite://")
    models = Models(settings, house.registry, give_back=lambda: found.append([one() is None for one in replaced]))
    for _ in range(2):
        house.registry.add()
        models.refresh()
        models.refresh()
        replaced.append(weakref.ref(models.find(None).bundle.predictor.network))
    house.registry.add()
    DAMAGES["flipped"](house.registry.folder("waves", "3") / WEIGHTS)
    models.refresh()
    assert found == [[], [True], [True, False]]


def test_readers_beside_swaps_never_see_two_versions_mixed(house: House) -> None:
    references = [house.registry.add(), house.registry.add()]
    models = house.refreshed()
    mixed, generations = [], []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            model = models.find("waves")
            generations.append(model.generation)
            if model.reference not in references or model.bundle.digest != model.reference.digest:
                mixed.append(model)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        house.registry.aliases["waves", "champion"] = str(1 + number % 2)
        models.refresh()
    is_over.set()
    reader.join(10)
    assert not mixed
    assert generations == sorted(generations)
    assert models.find("waves").generation == 21


def test_a_name_an_alias_and_a_number_are_each_served_within_the_allow_list(house: House) -> None:
    house.registry.add()
    house.registry.add()
    house.registry.add(alias="challenger")
    models = house.refreshed(models=("waves", "waves@challenger", "waves/1"))
    assert versions(models) == {"waves@champion": "2", "waves@challenger": "3", "waves/1": "1"}
    assert models.find("waves") is models.find("waves@champion")
    assert models.find("waves/1").reference.version == "1"
    for text in ("waves/2", "waves@previous", "days", "a b", "waves@", "../waves", ""):
        with pytest.raises(UnknownModel, match=r"there are \['waves', 'waves/1', 'waves@challenger'\]"):
            models.find(text)
    with pytest.raises(UnknownModel, match=r"name one of \['waves', 'waves/1', 'waves@challenger'\]") as raised:
        models.find(None)
    assert raised.value.code == "model-missing"


def test_without_an_allow_list_every_model_with_the_alias_is_served_and_nothing_else(house: House) -> None:
    house.registry.add("waves")
    house.registry.add("days")
    house.registry.add("other", alias="challenger")
    models = house.refreshed()
    assert versions(models) == {"days@champion": "1", "waves@champion": "1"}
    with pytest.raises(UnknownModel, match=r"there are \['days', 'waves'\]"):
        models.find("waves/1")


def test_the_only_model_need_not_be_named(house: House) -> None:
    house.registry.add()
    models = house.models()
    with pytest.raises(NotReady, match="no verified version"):
        models.find(None)
    models.refresh()
    assert models.find(None).reference.name == "waves"


def test_two_specs_of_one_version_share_its_network(house: House) -> None:
    house.registry.add()
    models = house.refreshed(models=("waves", "waves/1"))
    assert models.find("waves").bundle is models.find("waves/1").bundle
    assert len(house.registry.downloads) == 1


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    shutil.copy(path, elsewhere)
    path.unlink()
    path.symlink_to(elsewhere)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": Path.unlink,
    "link": link,
    "beside": lambda path: path.with_suffix(".extra").write_bytes(b"x"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_version_is_refused_and_the_old_one_stays(house: House, file: str, damage: str) -> None:
    house.registry.add()
    models = house.refreshed()
    house.registry.add(like="1")
    DAMAGES[damage](house.registry.folder("waves", "2") / file)
    refresh = models.refresh()
    assert [code for _, code in refresh.failed] == ["digest-mismatch"]
    assert versions(models) == {"waves@champion": "1"}
    assert problem(models) == "digest-mismatch"
    assert [path.name for path in (house.home / "cache/waves").iterdir()] == [house.cached(models).name]


def test_random_damage_is_always_refused_where_loading_without_digests_accepts_it(house: House) -> None:
    house.registry.add()
    folder = house.registry.folder("waves", "1")
    rng = random.Random(0)  # noqa: S311
    assert all(flip_and_load(folder, rng) for _ in range(60))
    assert all(truncate_and_load(folder, rng) for _ in range(60))
    accepted = [not flip_and_load_without_digests(folder, rng) for _ in range(40)]
    assert sum(accepted) > 20
    assert verified_bundle(folder, reference_of(folder))


def test_reasons_name_no_path_of_this_machine(house: House) -> None:
    house.registry.add()
    (house.registry.folder("waves", "1") / WEIGHTS).unlink()
    models = house.refreshed()
    ((_, reason),) = [one.following.problem() or ("", "") for one in models.state().specs]
    assert str(house.home) not in reason
    assert "weights.safetensors" in reason


@pytest.mark.parametrize("digest", ["", "sha256:0000", "sha256:" + "../" * 21 + "x"])
def test_a_version_without_a_digest_is_refused_before_any_download(house: House, digest: str) -> None:
    house.registry.add()
    house.registry.references["waves", "1"] = VersionRef("waves", "1", digest)
    models = house.refreshed()
    assert problem(models) == "no-digest"
    assert not house.registry.downloads


def test_a_refused_version_waits_longer_and_longer_and_is_tried_again(house: House) -> None:
    house.registry.add()
    models = house.refreshed(retry_refused_seconds=300)
    house.registry.add(like="1")
    weights = house.registry.folder("waves", "2") / WEIGHTS
    whole = weights.read_bytes()
    flip(weights)
    tries = []
    for second in range(2000):
        house.clock.now += 1
        if models.refresh().failed:
            tries.append(second)
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert len(house.registry.downloads) == 1 + len(tries)
    assert waits[0] <= 20
    assert 225 <= max(waits) <= 301
    weights.write_bytes(whole)
    house.clock.now += 300
    models.refresh()
    assert versions(models) == {"waves@champion": "2"}
    assert problem(models) is None


def test_a_refused_version_is_tried_again_when_the_alias_has_been_elsewhere(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    house.registry.add(like="1")
    weights = house.registry.folder("waves", "2") / WEIGHTS
    whole = weights.read_bytes()
    flip(weights)
    models.refresh()
    weights.write_bytes(whole)
    models.refresh()
    assert versions(models) == {"waves@champion": "1"}
    for number in ("1", "2"):
        house.registry.aliases["waves", "champion"] = number
        models.refresh()
    assert versions(models) == {"waves@champion": "2"}


def test_a_version_that_fails_when_warmed_up_is_refused(house: House) -> None:
    def fail(*_: object) -> None:
        raise GoldenError("not what was recorded")

    house.registry.add()
    models = Models(Settings(home=house.home, registry_uri="sqlite://"), house.registry, warm=fail)
    models.refresh()
    assert problem(models) == "golden-mismatch"


def test_an_error_that_nobody_foresaw_keeps_no_other_model_from_loading(house: House) -> None:
    def fail(bundle: object, folder: Path) -> None:
        if "days" in str(folder):
            raise KeyError("x")

    house.registry.add("days")
    house.registry.add("waves")
    models = Models(Settings(home=house.home, registry_uri="sqlite://"), house.registry, warm=fail)
    models.refresh()
    assert versions(models) == {"waves@champion": "1"}
    assert problem(models, "days@champion") == "load-failed"
    with pytest.raises(NotReady, match="no verified version"):
        models.find("days")
    with pytest.raises(UnknownModel, match="name one of"):
        models.find(None)


def test_an_alias_that_vanished_leaves_its_model_in_service(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.registry.add()
    models = house.refreshed()
    del house.registry.aliases["waves", "champion"]
    for _ in range(3):
        models.refresh()
    assert versions(models) == {"waves@champion": "1"}
    assert problem(models) == "alias-missing"
    assert fields(caplog, "alias_missing") == [{"model": "waves@champion"}]


def test_a_model_that_never_served_is_forgotten_with_its_alias_unless_it_was_asked_for(house: House) -> None:
    house.registry.add("waves")
    house.registry.add("days")
    house.registry.is_store_down = True
    models, chosen = house.refreshed(), house.refreshed(models=("waves", "days"))
    del house.registry.aliases["days", "champion"]
    models.refresh()
    chosen.refresh()
    assert [str(one.spec) for one in models.state().specs] == ["waves@champion"]
    assert problem(chosen, "days@champion") == "alias-missing"


def test_a_store_that_is_down_is_tried_again(house: House) -> None:
    house.registry.add()
    house.registry.is_store_down = True
    models = house.refreshed()
    assert problem(models) == "unavailable"
    house.registry.is_store_down = False
    house.clock.now += 10 * MAX_PAUSES
    models.refresh()
    assert versions(models) == {"waves@champion": "1"}


def test_a_registry_that_is_down_is_reported_and_never_a_reason_for_unready(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    assert models.state().registry.status == "up"
    assert models.pause_seconds() == 10
    house.registry.is_down = True
    house.clock.now += 25
    pauses = []
    for _ in range(20):
        models.refresh()
        pauses.append(models.pause_seconds())
    state = models.state()
    assert models.is_ready
    assert (state.registry.status, state.at - (state.registry.last_success or 0)) == ("down", 25)
    assert all(1 <= pause <= 10 * MAX_PAUSES for pause in pauses)
    assert len(set(pauses)) > 10


def test_a_look_that_failed_is_logged_with_how_long_it_took(house: House, caplog: pytest.LogCaptureFixture) -> None:
    class SlowToFail(FakeRegistry):
        def look_up(self, specs: tuple[ModelSpec, ...]) -> Mapping[ModelSpec, VersionRef | None]:
            house.clock.now += 4
            raise RegistryUnavailable("no answer")

    house.registry = SlowToFail(house.home)
    house.refreshed()
    assert fields(caplog, "registry_unavailable") == [{"reason": "no answer", "seconds": 4.0}]


def test_a_cold_start_without_registry_serves_what_served_last(house: House) -> None:
    house.registry.add("waves")
    house.registry.add("days")
    house.refreshed()
    house.registry.is_down = True
    models = house.restarted()
    models.refresh()
    assert versions(models) == {"days@champion": "1", "waves@champion": "1"}
    assert models.state().registry.status == "never-seen"
    assert problem(models) is None
    assert versions(house.restarted(models=("days",))) == {"days@champion": "1"}
    assert versions(house.restarted(alias="challenger")) == {}


def test_a_start_without_registry_and_cache_waits_and_recovers(house: House) -> None:
    house.registry.add()
    house.registry.is_down = True
    models = house.restarted()
    models.refresh()
    assert not models.is_ready
    with pytest.raises(NotReady, match="no verified version"):
        models.find("waves")
    house.registry.is_down = False
    models.refresh()
    assert models.is_ready


def test_generations_go_on_over_restarts_and_rollbacks(house: House) -> None:
    generations = []
    house.registry.add()
    house.registry.add()
    for number in ("1", "2", "2", "1"):
        house.registry.aliases["waves", "champion"] = number
        models = house.restarted()
        models.refresh()
        generations.append(models.find(None).generation)
    assert generations == [1, 2, 2, 3]


def test_two_processes_on_one_home_agree_on_generations(house: House) -> None:
    house.registry.add()
    one, other = house.refreshed(), house.refreshed()
    house.registry.add()
    one.refresh()
    other.refresh()
    assert one.find(None).generation == other.find(None).generation == 2
    house.registry.aliases["waves", "champion"] = "1"
    one.refresh()
    house.registry.aliases["waves", "champion"] = "2"
    one.refresh()  # the other one slept through a swap there and back
    other.refresh()
    assert one.find(None).generation == other.find(None).generation == 4


def test_a_spoiled_bundle_on_disk_is_dropped_and_fetched_anew(house: House) -> None:
    house.registry.add()
    flip(house.cached(house.refreshed()) / WEIGHTS)
    models = house.restarted()
    assert not models.is_ready
    models.refresh()
    assert versions(models) == {"waves@champion": "1"}
    assert verified_bundle(house.cached(models), models.find(None).reference)


def test_a_spoiled_bundle_on_disk_gives_way_to_the_version_before_while_the_registry_is_down(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    house.registry.add()
    models.refresh()
    flip(house.cached(models) / CONFIG)
    house.registry.is_down = True
    restarted = house.restarted()
    assert versions(restarted) == {"waves@champion": "1"}
    assert restarted.find(None).generation == 3
    house.registry.is_down = False
    restarted.refresh()
    assert versions(restarted) == {"waves@champion": "2"}
    assert restarted.find(None).generation == 4


def test_what_serves_and_what_served_before_stay_on_disk(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    for _ in range(3):
        house.registry.add()
        models.refresh()
    assert sorted(path.name.partition("-")[0] for path in (house.home / "cache/waves").iterdir()) == ["3", "4"]


def test_a_bundle_that_is_lost_on_disk_is_put_back(house: House) -> None:
    house.registry.add()
    models = house.refreshed()
    shutil.rmtree(house.home / "cache")
    models.refresh()
    models.refresh()
    assert len(house.registry.downloads) == 2
    assert versions(house.restarted()) == {"waves@champion": "1"}


def test_a_bundle_that_cannot_be_put_back_keeps_no_other_model_from_being_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    house.registry.add()
    models = house.refreshed()
    shutil.rmtree(house.home / "cache")
    with monkeypatch.context() as without_room:
        without_room.setattr(Loader, "load", full)
        models.refresh()
        models.refresh()
    assert fields(caplog, "cache_not_filled")
    assert versions(models) == {"waves@champion": "1"}


def test_a_cache_that_cannot_be_written_keeps_nothing_from_serving(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    (house.home / "cache").write_text("a file where the folder should be")
    house.registry.add()
    models = house.refreshed()
    house.registry.add()
    models.refresh()
    assert versions(models) == {"waves@champion": "2"}
    assert models.find(None).generation == 2
    assert fields(caplog, "cache_unwritable")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_keeps_nothing_from_serving(house: House) -> None:
    cache = house.home / "cache"
    cache.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(cache)])
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (cache / "filling").write_bytes(b"x" * (48 << 10))
        house.registry.add()
        models = house.refreshed()
        house.registry.add()
        models.refresh()
        assert versions(models) == {"waves@champion": "2"}
        assert not list(cache.glob("waves/*"))
        (cache / "filling").unlink()
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def test_other_libraries_and_another_contract_are_reported_and_served(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.registry.add()
    models = house.refreshed()
    assert not fields(caplog, "library_versions_differ")
    house.registry.add(frequency="D", horizon=8)
    running = {"torch": "9.9", "forecaster": version("forecaster")}
    monkeypatch.setattr(verified, "running_version", running.__getitem__)
    models.refresh()
    changes = {"frequency": "h -> D", "horizon": "6 -> 8"}
    assert models.find(None).contract_changes == changes
    assert models.find(None).differing_libraries == {"torch": "9.9"}
    assert [found["changes"] for found in fields(caplog, "contract_changed")] == [changes]
    (libraries,) = fields(caplog, "library_versions_differ")
    assert libraries["made_with"] == {"torch": version("torch")}


def test_one_refresh_runs_at_a_time(house: House) -> None:
    house.registry.add()
    entered, leave = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        entered.set()
        leave.wait(10)

    models = Models(Settings(home=house.home, registry_uri="sqlite://"), house.registry, warm=wait)
    slow = threading.Thread(target=models.refresh)
    slow.start()
    assert entered.wait(10)
    models.refresh()
    leave.set()
    slow.join(10)
    assert house.registry.num_looks == 1
    assert models.is_ready
