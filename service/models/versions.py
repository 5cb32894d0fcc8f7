"""Versions that are needed beside those in service: loaded when somebody asks, and kept for a while.

What is loaded is verified as what serves is, by the digest that is asked for. Few versions are kept, so that a service
of which nobody asks for more than forecasts holds no model twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch

from forecaster.bundle import Bundle
from forecaster.errors import BundleError
from forecaster.freed_memory import give_back_memory
from forecaster.predictor import Predictor
from forecaster.runtime.choose import Runtime
from service.errors import DeadlineExceeded, VersionUnavailable
from service.models.cache import BundleCache
from service.models.loading import Loader
from service.models.registry import ReadsRegistry, RegistryUnavailable, VersionRef
from service.models.verified import Execution
from service.models.view import ServedModel
from service.settings import Settings

log = logging.getLogger("service.models.versions")

_MOST_KEPT = 2
_KEPT_SECONDS = 300.0

_Key = tuple[str, Runtime]  # digest, and what executes it


class Versions:
    """Gives bundles of any version, executed by what is asked for. To be used from one event loop."""

    def __init__(
        self,
        settings: Settings,
        registry: ReadsRegistry,
        kept_seconds: float = _KEPT_SECONDS,
        give_back: Callable[[], None] = give_back_memory,
    ) -> None:
        self._settings, self._registry = settings, registry
        self._kept_seconds = kept_seconds
        self._give_back = give_back
        self._loads: OrderedDict[_Key, asyncio.Task[Bundle]] = OrderedDict()  # the latest used last
        self._timers: dict[_Key, asyncio.TimerHandle] = {}
        self._one_at_a_time = asyncio.Lock()

    @property
    def num_kept(self) -> int:
        """Versions that are held, or are being loaded, beside those that serve."""
        return len(self._loads)

    async def of(self, reference: VersionRef, runtime: Runtime, expires: float) -> Bundle:
        """Gives a version.

        Raises DeadlineExceeded where it is not loaded at `expires`, in monotonic time, and VersionUnavailable where it
        cannot be. What was begun goes on for the next one who asks.
        """
        load = self._load_of(reference, runtime)
        try:
            return await asyncio.wait_for(asyncio.shield(load), max(0.0, expires - time.monotonic()))
        except TimeoutError as error:
            raise DeadlineExceeded("the version was not loaded in the time that is allowed") from error
        except (BundleError, RegistryUnavailable) as error:
            named = f"{reference.name}/{reference.version}"
            raise VersionUnavailable(f"version {named} cannot be loaded just now") from error

    async def eager(self, model: ServedModel, expires: float) -> Predictor:
        """Gives a predictor of a version in service whose networks have weights in PyTorch, as gradients need them.

        That is the one which serves, where PyTorch executes it; else raises what `of` does.
        """
        if model.bundle.runtime.name == "eager":
            return model.bundle.predictor
        return (await self.of(model.reference, "eager", expires)).predictor

    def _load_of(self, reference: VersionRef, runtime: Runtime) -> asyncio.Task[Bundle]:
        key, loop = (reference.digest, runtime), asyncio.get_running_loop()
        if key not in self._loads:
            self._loads[key] = loop.create_task(self._load(reference, runtime))
            self._loads[key].add_done_callback(lambda load: self._note(key, reference, load))
        self._loads.move_to_end(key)
        self._keep_on(key)
        while len(self._loads) > _MOST_KEPT:
            self._forget(next(iter(self._loads)))
        return self._loads[key]

    def _keep_on(self, key: _Key) -> None:
        """Counts the time that a version is kept from now on."""
        if key in self._timers:
            self._timers.pop(key).cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(self._kept_seconds, self._forget, key)

    async def _load(self, reference: VersionRef, runtime: Runtime) -> Bundle:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._loaded, reference, runtime)

    def _loaded(self, reference: VersionRef, runtime: Runtime) -> Bundle:
        settings = self._settings
        torch.set_num_threads(settings.num_threads)  # of this thread: loading must not take the cores of forecasts
        execution = Execution(runtime, settings.num_threads)
        cache = BundleCache(settings.home)
        loader = Loader(self._registry, cache, _no_warm_up, execution, settings.verifying_keys)
        with loader.load(reference) as loaded:
            return loaded.bundle

    def _note(self, key: _Key, reference: VersionRef, load: asyncio.Task[Bundle]) -> None:
        """Forgets a load that failed, so that the next one who asks begins anew."""
        fields: dict[str, str] = {"model": reference.name, "version": reference.version, "runtime": key[1]}
        error = None if load.cancelled() else load.exception()
        if error is not None:
            log.warning("version_unavailable", extra={"fields": fields | {"reason": str(error)}})
        elif not load.cancelled():
            log.info("version_loaded_beside", extra={"fields": fields})
            if self._loads.get(key) is load:
                self._keep_on(key)
        if (error is not None or load.cancelled()) and self._loads.get(key) is load:
            self._forget(key)

    def _forget(self, key: _Key) -> None:
        self._timers.pop(key).cancel()
        del self._loads[key]
        asyncio.get_running_loop().run_in_executor(None, self._give_back)


def _no_warm_up(bundle: Bundle, folder: Path) -> None:
    """Verifying has forecast the golden contexts already."""
