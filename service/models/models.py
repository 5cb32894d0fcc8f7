"""The models in service: each spec follows its version in the registry by load -> verify -> warm -> swap -> drain.

Readers take one reference of an immutable view, so that `refresh` may run beside any number of them; a request keeps
the `ServedModel` that it began with, and a version that was replaced is freed with its last request.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch

from forecaster.bundle import Bundle
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.errors import BundleError, IntegrityError
from forecaster.freed_memory import give_back_memory
from service.model_spec import ModelSpec
from service.models.cache import BundleCache
from service.models.following import Following, Pauses, Refresh, RegistryContact, Trouble
from service.models.loading import Loaded, Loader
from service.models.registry import ReadsRegistry, RegistryUnavailable, VersionRef
from service.models.verified import Execution, contract_changes, differing_libraries, warm_up
from service.models.view import ModelsState, ServedModel, SpecState, View
from service.settings import Settings

log = logging.getLogger("service.models.models")


class Models:
    """Holds what serves each spec. `restore` needs no network, `refresh` follows the registry; both take a thread."""

    def __init__(
        self,
        settings: Settings,
        registry: ReadsRegistry,
        warm: Callable[[Bundle, Path], None] = warm_up,
        clock: Callable[[], float] = time.monotonic,
        give_back: Callable[[], None] = give_back_memory,
    ) -> None:
        self._specs = settings.model_specs()
        self._followed = settings.alias
        self._registry_is_new = settings.registry_is_new
        self._reserved = ZERO_SHOT if settings.zero_shot else None
        self._num_threads = settings.num_threads
        self._registry = registry
        self._cache = BundleCache(settings.home)
        execution = Execution(settings.runtime, settings.num_threads)
        self._loader = Loader(registry, self._cache, warm, execution, settings.verifying_keys)
        self._clock = clock
        self._give_back = give_back
        self._pauses = Pauses(settings.refresh_seconds, settings.retry_refused_seconds, random.Random())  # noqa: S311
        self._view = View(self._followed, {spec: Following() for spec in self._specs})
        self._contact = RegistryContact()
        self._refill_at = float("-inf")
        self._began_unused: bool | None = None  # not known before the registry is
        self._refreshing = threading.Lock()

    @property
    def served(self) -> list[ServedModel]:
        """All models in service, by the text of their spec."""
        return [model for _, model in sorted(self._view.served.items(), key=lambda item: str(item[0]))]

    @property
    def is_ready(self) -> bool:
        """Whether a verified model can forecast; what the registry does has no part in it."""
        return bool(self._view.served)

    @property
    def is_unused(self) -> bool:
        """Whether nothing serves, and neither settings, disk nor registry had a model when that first answered."""
        return self._began_unused is True and not self._view.served

    def find(self, text: str | None, *, is_awaited: bool = True) -> ServedModel:
        """Gives the model that a request names, or the only one there is. Raises UnknownModel or NotReady.

        Unless a first model `is_awaited`, none is of a name that the registry does not know.
        """
        return self._view.find(text, is_awaited=is_awaited)

    def challenger_of(self, model: ServedModel) -> ServedModel | None:
        """Gives the challenger that is served beside a model, None where there is none."""
        return self._view.challenger_of(model)

    def state(self) -> ModelsState:
        """Gives what is wanted, what serves and why the two differ, for every spec that is known."""
        view = self._view
        specs = sorted(view.followings, key=str)
        states = tuple(SpecState(spec, view.followings[spec], view.served.get(spec)) for spec in specs)
        return ModelsState(states, self._contact, self._clock())

    def pause_seconds(self) -> float:
        """Gives how long to wait before the next refresh."""
        return self._pauses.between_refreshes(self._contact.num_failures)

    def restore(self) -> None:
        """Loads what served last from the disk: no network, no MLflow. Falls back on the version before that."""
        with self._refreshing:
            if self._registry_is_new:
                self._note_whether_unused()
            torch.set_num_threads(self._num_threads)
            last_served = self._cache.state().specs
            for spec in self._specs or self._followed_in(last_served):
                last = last_served.get(str(spec))
                for kept in (last.current, last.before) if last else ():
                    if kept is not None and self._restore_version(spec, kept.reference):
                        break

    def refresh(self) -> Refresh:
        """Brings every spec to the version that the registry has for it; what cannot be loaded leaves the old one.

        A spec whose alias has gone stays in service as it is: a registry in repair must not empty the service.
        While another thread refreshes it returns at once.
        """
        if not self._refreshing.acquire(blocking=False):
            return Refresh(self._contact.status)
        try:
            done = self._refresh()
            if done.registry == "up":
                self._note_whether_unused()
            if done.swapped or done.failed:
                self._give_back()
            return done
        finally:
            self._refreshing.release()

    def _note_whether_unused(self) -> None:
        if self._began_unused is None:
            self._began_unused = not self._view.followings and not self._followed_in(self._cache.state().specs)

    def _refresh(self) -> Refresh:
        torch.set_num_threads(self._num_threads)  # of this thread: loading must not take the cores of forecasts
        begin = self._clock()
        try:
            found = self._registry.look_up(self._specs)
        except RegistryUnavailable as error:
            self._contact = replace(self._contact, num_failures=self._contact.num_failures + 1)
            fields = {"reason": str(error), "seconds": round(self._clock() - begin, 3)}
            log.warning("registry_unavailable", extra={"fields": fields})
            return Refresh(self._contact.status)
        self._contact = RegistryContact(last_success=self._clock())
        specs = sorted({*found, *self._view.followings}, key=str)
        swapped, failed = [], []
        for spec in specs:
            before = self._view.served.get(spec)
            code = self._follow(spec, found.get(spec))
            served = self._view.served
            if code is not None:
                failed.append((spec, code))
            elif spec in served and (before is None or served[spec].reference != before.reference):
                swapped.append(spec)
        return Refresh(self._contact.status, tuple(swapped), tuple(failed))

    def _follow(self, spec: ModelSpec, desired: VersionRef | None) -> str | None:
        """Brings one spec to its version; gives the code of what went wrong in a new try."""
        known = self._view.followings.get(spec, Following())
        trouble = known.trouble if known.trouble is not None and known.trouble.reference == desired else None
        self._note(spec, Following(desired, trouble, is_seen=True))
        served = self._view.served.get(spec)
        if desired is None:
            self._miss(spec, is_news=known.desired is not None or not known.is_seen)
            return None
        if served is not None and served.reference == desired:
            self._keep_recorded(served)
            return None
        if trouble is not None and self._clock() < trouble.retry_at:
            return None
        return self._try(spec, desired, trouble.num_tries if trouble else 0)

    def _miss(self, spec: ModelSpec, *, is_news: bool) -> None:
        """Says that the registry has no version for a spec, and forgets one that was not asked for by name."""
        if is_news:
            log.warning("alias_missing", extra={"fields": {"model": str(spec)}})
        if spec not in self._specs and spec not in self._view.served:
            self._view = self._view.without(spec)

    def _note(self, spec: ModelSpec, following: Following) -> None:
        self._view = self._view.with_following(spec, following)

    def _try(self, spec: ModelSpec, desired: VersionRef, num_tries: int) -> str | None:
        fields = {"model": str(spec), "version": desired.version}
        try:
            self._swap_to(spec, desired)
        except RegistryUnavailable as error:
            log.warning("bundle_unavailable", extra={"fields": fields | {"reason": str(error)}})
            code, reason, wait = "unavailable", str(error), self._pauses.after_outage(num_tries)
        except BundleError as error:
            log.error("version_refused", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
            code, reason = error.code, str(error)
            wait = self._pauses.after_refusal(num_tries, may_be_transfer=isinstance(error, IntegrityError))
        except Exception as error:
            log.exception("version_refused", extra={"fields": fields | {"code": "load-failed"}})
            code, reason = "load-failed", f"{type(error).__name__} while it was loaded"
            wait = self._pauses.after_refusal(num_tries, may_be_transfer=False)
        else:
            self._note(spec, Following(desired, is_seen=True))
            return None
        trouble = Trouble(desired, code, reason, num_tries + 1, self._clock() + wait)
        self._note(spec, Following(desired, trouble, is_seen=True))
        return code

    def _swap_to(self, spec: ModelSpec, reference: VersionRef) -> None:
        """Loads, verifies and warms up a version, records it and swaps it in."""
        self._refuse_reserved(spec)
        shared = next((one.bundle for one in self._view.served.values() if one.reference == reference), None)
        if shared is not None:
            self._swap(spec, reference, Loaded(shared, None))
            return
        with self._loader.load(reference) as loaded:
            self._swap(spec, reference, loaded)

    def _swap(self, spec: ModelSpec, reference: VersionRef, loaded: Loaded) -> None:
        before = self._view.served.get(spec)
        generation = self._cache.commit(spec, reference, loaded.draft, before.generation + 1 if before else 1)
        bundle = loaded.bundle
        model = ServedModel(
            spec,
            reference,
            bundle,
            generation,
            since=self._clock(),
            differing_libraries=differing_libraries(bundle),
            contract_changes=contract_changes(before.bundle, bundle) if before else {},
        )
        self._view = self._view.with_served(model)
        _log_swap(model)

    def _restore_version(self, spec: ModelSpec, reference: VersionRef) -> bool:
        """Puts a version from the disk into service; says whether that worked."""
        try:
            self._refuse_reserved(spec)
            bundle = self._loader.cached(reference)
        except BundleError as error:
            fields = {"model": str(spec), "version": reference.version, "code": error.code, "reason": str(error)}
            log.error("version_refused", extra={"fields": fields})
            return False
        if bundle is not None:
            self._swap(spec, reference, Loaded(bundle, None))
        return bundle is not None

    def _refuse_reserved(self, spec: ModelSpec) -> None:
        if spec.name == self._reserved:
            message = f"{spec.name} is the encoder in the box: register it under another name, or switch that off"
            raise BundleError(f"{message} (FORECASTER_ZERO_SHOT=false)", code="name-taken")

    def _keep_recorded(self, served: ServedModel) -> None:
        """Takes over a higher generation that another process recorded, and mends what the disk has lost."""
        last = self._cache.state().specs.get(str(served.spec))
        if last is None or last.current.reference != served.reference or last.generation != served.generation:
            generation = self._cache.commit(served.spec, served.reference, None, served.generation)
            if generation != served.generation:
                self._view = self._view.with_served(replace(served, generation=generation))
        if not self._cache.folder(served.reference).is_dir():
            self._refill(served.reference)

    def _refill(self, reference: VersionRef) -> None:
        """Downloads a version that serves but is not on the disk, as after a full one; seldom, and never in earnest."""
        if self._clock() < self._refill_at:
            return
        self._refill_at = self._clock() + self._pauses.retry_refused_seconds
        try:
            with self._loader.load(reference) as loaded:
                if loaded.draft is not None:
                    self._cache.keep(loaded.draft, reference)
        except (BundleError, RegistryUnavailable, OSError) as error:
            log.warning("cache_not_filled", extra={"fields": {"model": reference.name, "reason": str(error)}})

    def _followed_in(self, texts: Iterable[str]) -> list[ModelSpec]:
        """Gives the specs of the followed alias among those that served before."""
        specs = (ModelSpec.parse(text, self._followed) for text in texts)
        return [spec for spec in specs if spec.alias == self._followed]


def _log_swap(model: ServedModel) -> None:
    fields = {"model": str(model.spec), "version": model.reference.version, "generation": model.generation}
    log.info("version_loaded", extra={"fields": fields | {"digest": model.reference.digest}})
    if model.differing_libraries:
        made_with = {name: model.bundle.manifest.libraries.get(name) for name in model.differing_libraries}
        libraries = {"made_with": made_with, "running": dict(model.differing_libraries)}
        log.warning("library_versions_differ", extra={"fields": fields | libraries})
    if model.contract_changes:
        log.warning("contract_changed", extra={"fields": fields | {"changes": dict(model.contract_changes)}})
