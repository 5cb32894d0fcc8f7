"""Versions beside those in service: loaded once, verified, kept for a while, and few of them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from forecaster.bundle import WEIGHTS, Bundle, load_bundle
from forecaster.predictor import Predictor
from forecaster.runtime.choose import RuntimeChoice
from service.errors import DeadlineExceeded, VersionUnavailable
from service.model_spec import ModelSpec
from service.models.cache import BundleCache
from service.models.registry import VersionRef
from service.models.versions import Versions
from service.models.view import ServedModel
from service.settings import Settings
from tests.service.fakes import FakeRegistry

T = TypeVar("T")
SOON = 30.0


@dataclass
class Shop:
    """A registry of a few versions, which are asked for beside those in service."""

    home: Path
    registry: FakeRegistry
    freed: list[float] = field(default_factory=list)

    def versions(self, **changes: Any) -> Versions:
        settings = Settings(home=self.home, registry_uri="http://127.0.0.1:1")
        return Versions(settings, self.registry, give_back=lambda: self.freed.append(time.monotonic()), **changes)

    def served(self, *, runtime: Any = "onnx", is_cached: bool = True) -> ServedModel:
        """Registers a version; gives it as served by a runtime."""
        reference = self.registry.add()
        source = self.registry.folder(reference.name, reference.version)
        if is_cached:
            shutil.copytree(source, self.cached(reference))
        bundle = replace(load_bundle(source), runtime=RuntimeChoice(runtime))
        return ServedModel(ModelSpec("waves", alias="champion"), reference, bundle, 1)

    def cached(self, reference: VersionRef) -> Path:
        return BundleCache(self.home).folder(reference)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "home", FakeRegistry(tmp_path / "registry"))


def run(ask: Callable[[], Awaitable[T]]) -> T:
    async def asked() -> T:
        return await ask()

    return asyncio.run(asked())


def soon() -> float:
    return time.monotonic() + SOON


def test_a_version_that_pytorch_executes_needs_no_other_weights(shop: Shop) -> None:
    versions, model = shop.versions(), shop.served(runtime="eager")
    assert run(lambda: versions.eager(model, soon())) is model.bundle.predictor
    assert versions.num_kept == 0


def test_many_who_ask_at_once_get_one_load_from_the_disk_with_the_weights_that_serve(shop: Shop) -> None:
    versions, model = shop.versions(), shop.served()

    async def ask() -> list[Predictor]:
        return await asyncio.gather(*(versions.eager(model, soon()) for _ in range(5)), versions.eager(model, soon()))

    first, *others = run(ask)
    assert all(one is first for one in others)
    assert first is not model.bundle.predictor
    pairs = zip(first.network.parameters(), model.bundle.predictor.network.parameters(), strict=True)
    assert all(bool((mine == served).all()) for mine, served in pairs)
    assert (versions.num_kept, shop.registry.downloads) == (1, [])


def test_weights_of_two_versions_are_kept_the_latest_used(shop: Shop) -> None:
    versions, models = shop.versions(), [shop.served() for _ in range(3)]

    async def ask() -> list[Predictor]:
        return [await versions.eager(models[position], soon()) for position in (0, 1, 0, 2, 0, 1)]

    zero, one, zero_again, _, zero_still, one_anew = run(ask)
    assert zero is zero_again is zero_still
    assert one is not one_anew
    assert (versions.num_kept, len(shop.freed)) == (2, 2)


def test_weights_that_nobody_asks_for_any_more_are_freed(shop: Shop) -> None:
    versions, model = shop.versions(kept_seconds=2.0), shop.served()

    async def ask() -> tuple[float, bool]:
        first = await versions.eager(model, soon())
        await asyncio.sleep(1.0)
        used = time.monotonic()
        assert await versions.eager(model, soon()) is first
        while versions.num_kept:
            await asyncio.sleep(0.01)
        kept = time.monotonic() - used
        return kept, await versions.eager(model, soon()) is first

    kept, is_same = run(ask)
    assert kept >= 1.9
    assert not is_same
    assert len(shop.freed) == 1


@pytest.mark.parametrize("has_cached", ["nothing", "damage"])
def test_what_the_disk_lost_comes_from_the_registry_or_not_at_all(shop: Shop, has_cached: str) -> None:
    versions, model = shop.versions(), shop.served(is_cached=has_cached == "damage")
    if has_cached == "damage":
        path = shop.cached(model.reference) / WEIGHTS
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    shop.registry.is_down = True

    async def ask() -> Predictor:
        with pytest.raises(VersionUnavailable, match="cannot be loaded just now"):
            await versions.eager(model, soon())
        assert versions.num_kept == 0
        shop.registry.is_down = False
        return await versions.eager(model, soon())

    assert run(ask).horizon == model.bundle.predictor.horizon
    assert shop.registry.downloads == [model.reference] * 2


def test_another_bundle_in_place_of_the_one_that_serves_is_refused(shop: Shop) -> None:
    versions, model, other = shop.versions(), shop.served(is_cached=False), shop.served()
    shutil.copytree(shop.cached(other.reference), shop.cached(model.reference))
    shop.registry.is_down = True
    with pytest.raises(VersionUnavailable):
        run(lambda: versions.eager(model, soon()))


def test_who_has_no_time_is_told_so_and_the_load_is_there_for_the_next(shop: Shop) -> None:
    versions, model = shop.versions(), shop.served()

    async def ask() -> Predictor:
        with pytest.raises(DeadlineExceeded, match="was not loaded in the time"):
            await versions.eager(model, time.monotonic())
        assert versions.num_kept == 1
        return await versions.eager(model, soon())

    assert run(ask).horizon == model.bundle.predictor.horizon


def test_a_version_is_kept_once_for_each_runtime(shop: Shop) -> None:
    versions, model = shop.versions(), shop.served()

    async def ask() -> list[Bundle]:
        runtimes: tuple[Any, ...] = ("eager", "auto", "eager")
        return [await versions.of(model.reference, runtime, soon()) for runtime in runtimes]

    eager, other, again = run(ask)
    assert eager is again is not other
    assert versions.num_kept == 2
