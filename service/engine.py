"""The models in service: loads the version behind each alias, verifies it, swaps it in, forecasts with it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from forecaster.bundle import Bundle, describe, load_bundle
from forecaster.data.panel import Panel
from forecaster.errors import BundleError, IntegrityError
from forecaster.types import Forecast
from service.errors import ModelNotFinite, NotReady, UnknownModel
from service.registry import Registry, RegistryUnavailable, VersionRef

log = logging.getLogger("service.engine")


@dataclass(frozen=True)
class ServedModel:
    """One verified version; a request keeps the one it started with."""

    reference: VersionRef
    bundle: Bundle

    def describe(self) -> dict[str, object]:
        """Gives name, version and what the model can do."""
        return {"name": self.reference.name, "version": self.reference.version, **describe(self.bundle)}


class Engine:
    """Holds the current model of each name. `refresh` may run beside any number of forecasts."""

    def __init__(self, registry: Registry, num_threads: int) -> None:
        self._registry = registry
        self._models: dict[str, ServedModel] = {}
        self._refused: set[VersionRef] = set()
        self._refreshing = threading.Lock()
        # One thread computes: torch on shared cores loses far more to contention than it gains.
        self._compute = ThreadPoolExecutor(1, "inference", initializer=torch.set_num_threads, initargs=(num_threads,))

    @property
    def models(self) -> list[ServedModel]:
        """All models in service, by name."""
        return [model for _, model in sorted(self._models.items())]

    def model(self, name: str | None) -> ServedModel:
        """Gives the model of that name, or the only one. Raises UnknownModel or NotReady."""
        models = dict(self._models)
        if not models:
            raise NotReady("no verified model is loaded yet; train and promote one, or wait for the registry")
        if name is None and len(models) == 1:
            return next(iter(models.values()))
        if name is None:
            raise UnknownModel(
                f"several models are served, name one of {sorted(models)} as model", code="model-missing"
            )
        if name not in models:
            raise UnknownModel(f"no model of that name is served; there are {sorted(models)}")
        return models[name]

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
        """Brings every model up to the version its alias names; what cannot be loaded leaves the old one."""
        with self._refreshing:
            try:
                references = self._registry.versions()
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", extra={"fields": {"reason": str(error)}})
                return
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
            self._registry.forget(reference)
            log.error("version_refused", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
        else:
            self._models = {**self._models, reference.name: ServedModel(reference, bundle)}
            log.info("version_loaded", extra={"fields": fields | {"digest": bundle.digest}})

    def _load(self, reference: VersionRef) -> Bundle:
        bundle = load_bundle(self._registry.fetch(reference))
        if bundle.digest != reference.digest:
            raise IntegrityError(f"the bundle has digest {bundle.digest}, the registry names {reference.digest}")
        return bundle
