"""The models in service: loads the version behind each alias, verifies it, swaps it in, forecasts with it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from forecaster.bundle import Bundle, describe, load_bundle
from forecaster.data.panel import Panel
from forecaster.errors import BundleError, IntegrityError
from forecaster.types import Forecast
from service.errors import ModelNotFinite, NotReady, UnknownModel
from service.registry import Registry, RegistryUnavailable, VersionRef
from service.translate import covariate_names

log = logging.getLogger("service.engine")


@dataclass(frozen=True)
class ServedModel:
    """One verified version; a request keeps the one it started with."""

    reference: VersionRef
    bundle: Bundle

    def describe(self) -> dict[str, object]:
        """Gives name, version and what the model can do."""
        return {
            "name": self.reference.name,
            "version": self.reference.version,
            "covariates": covariate_names(self.bundle.config.model.covariates),
            **describe(self.bundle),
        }


class Engine:
    """Holds the current model of each name. `refresh` may run beside any number of forecasts."""

    def __init__(self, registry: Registry, num_threads: int) -> None:
        self._registry = registry
        self._models: dict[str, ServedModel] = {}
        self._listed: frozenset[str] = frozenset()  # names that the registry has a version for, loaded or not
        self._refused: set[VersionRef] = set()
        self._refreshing = threading.Lock()
        # One thread computes: torch on shared cores loses far more to contention than it gains.
        self._compute = ThreadPoolExecutor(1, "inference", initializer=torch.set_num_threads, initargs=(num_threads,))

    @property
    def models(self) -> list[ServedModel]:
        """All models in service, by name."""
        return [model for _, model in sorted(self._models.items())]

    def model(self, name: str | None) -> ServedModel:
        """Gives the model of that name, or the only one there is. Raises UnknownModel or NotReady."""
        models = self._models
        if name is None and len(self._listed) > 1:
            wanted = f"several models are served, name one of {sorted(self._listed)} as model"
            raise UnknownModel(wanted, code="model-missing")
        if name in models:
            return models[name]
        if name is None and models:
            return next(iter(models.values()))
        if not models or name in self._listed:
            raise NotReady("no verified version is loaded yet; train and promote one, or wait for the registry")
        raise UnknownModel(f"no model of that name is served; there are {sorted(models)}")

    async def forecast(
        self, model: ServedModel, panel: Panel, horizon: int | None, levels: Sequence[float] | None
    ) -> Forecast:
        """Forecasts on the inference thread; raises ModelNotFinite rather than answer NaN or infinity."""
        loop = asyncio.get_running_loop()
        predictor = model.bundle.predictor
        forecast = await loop.run_in_executor(self._compute, predictor.predict, panel, horizon, levels)
        if not np.isfinite(forecast.values).all():
            raise ModelNotFinite(f"version {model.reference.version} of the model gave a value that is not finite")
        return forecast

    def refresh(self) -> None:
        """Brings every model up to the version its alias names; what cannot be loaded leaves the old one.

        A model whose alias has gone stays in service as it is: a registry in repair must not empty the service.
        """
        with self._refreshing:
            try:
                references = self._registry.versions()
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", extra={"fields": {"reason": str(error)}})
                return
            self._listed = frozenset(reference.name for reference in references) | frozenset(self._models)
            for reference in references:
                current = self._models.get(reference.name)
                if reference not in self._refused and (current is None or current.reference != reference):
                    self._replace(reference)

    def close(self) -> None:
        """Ends the inference thread."""
        self._compute.shutdown(wait=True, cancel_futures=True)

    def _replace(self, reference: VersionRef) -> None:
        fields = {"model": reference.name, "version": reference.version}
        try:
            bundle = self._load(reference)
        except RegistryUnavailable as error:
            log.warning("bundle_unavailable", extra={"fields": fields | {"reason": str(error)}})
        except BundleError as error:
            self._refused.add(reference)
            log.error("version_refused", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
        else:
            self._models = {**self._models, reference.name: ServedModel(reference, bundle)}
            log.info("version_loaded", extra={"fields": fields | {"digest": bundle.digest}})

    def _load(self, reference: VersionRef) -> Bundle:
        """Loads a version from the cache, or anew from the registry where the cache has none or a spoiled one."""
        if self._registry.is_cached(reference):
            try:
                return _verified(self._registry.fetch(reference), reference)
            except BundleError as error:
                log.warning("cache_spoiled", extra={"fields": {"model": reference.name, "reason": str(error)}})
                self._registry.forget(reference)
        try:
            return _verified(self._registry.fetch(reference), reference)
        except BundleError:
            self._registry.forget(reference)
            raise


def _verified(folder: Path, reference: VersionRef) -> Bundle:
    bundle = load_bundle(folder, runtime="auto")
    if bundle.digest != reference.digest:
        raise IntegrityError(f"the bundle has digest {bundle.digest}, the registry names {reference.digest}")
    return bundle
