"""The pretrained encoder in the box, served beside registered models: of any frequency, and before any training.

    a request that names `zero-shot` ─────────────────────────> the encoder, fitted to the series of the request
    one that names none, and no model was found at the start ─> the same, until a registered one serves
    all others ───────────────────────────────────────────────> registered models, as if there were no encoder

It is part of the installation, as the code is: no registry names its digest, and no trainer's key signs it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import torch

from forecaster.bundle import Bundle
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.errors import BundleError
from forecaster.pretrained import context_for, encoder_for, pretrained_encoder
from forecaster.time.frequency import Frequency
from service.errors import CannotReplay, NotReady, UnknownModel
from service.model_spec import ModelSpec
from service.models.registry import VersionRef
from service.models.verified import differing_libraries
from service.models.view import ServedModel
from service.settings import Settings

log = logging.getLogger("service.models.zero_shot")

_BUILT_IN = "built-in-"  # begins its versions, which no version of a registry does
_NUM_DIGITS = 8  # of its digest, that follow
_GENERATION = 1  # it changes with the installation alone
_MOST_FITTED = 64  # pairs of frequency and context; each is a network of a few kilobytes beside the weights


class ZeroShot:
    """Gives the encoder in the box as a served model, once `load`, which takes a thread, has verified it."""

    def __init__(self, settings: Settings, encoder: Callable[[], Bundle] = pretrained_encoder) -> None:
        self.is_on = settings.zero_shot
        self._num_threads = settings.num_threads
        self._encoder = encoder
        self._is_awaited = True
        self._model: ServedModel | None = None
        self._one_at_a_time = threading.Lock()  # so that all who ask for the same series have the same predictor
        self._fitted = lru_cache(_MOST_FITTED)(encoder_for)

    @property
    def model(self) -> ServedModel | None:
        """The encoder, if it serves."""
        return self._model

    def load(self) -> None:
        """Puts the encoder into service, unless it is switched off or cannot be verified, which the log says."""
        if not self.is_on:
            return
        torch.set_num_threads(self._num_threads)  # of this thread: loading must not take the cores of forecasts
        try:
            self._model = self._served(self._encoder())
        except BundleError as error:
            log.error("zero_shot_refused", extra={"fields": {"code": error.code, "reason": str(error)}})
        except Exception:
            log.exception("zero_shot_refused", extra={"fields": {"code": "load-failed"}})
        else:
            fields = {"version": self._model.reference.version, "digest": self._model.reference.digest}
            log.info("zero_shot_loaded", extra={"fields": fields})
        finally:
            self._is_awaited = False

    def found(self) -> ServedModel:
        """Gives the encoder; NotReady where it does not serve yet, or cannot."""
        if self._model is not None:
            return self._model
        if self._is_awaited:
            raise NotReady(f"{ZERO_SHOT} is not verified yet")
        raise NotReady(
            f"{ZERO_SHOT} could not be verified: its bundle is broken, which the log of the service explains"
        )

    def again(self, reference: VersionRef) -> ServedModel:
        """Gives the encoder of an earlier answer; CannotReplay where this service has another version, or none."""
        if self._model is None or self._model.reference != reference:
            here = "no such model in service" if self._model is None else self._model.reference.version
            raise CannotReplay(f"it was given by {reference.name} {reference.version}, and here is {here}")
        return self._model

    def _served(self, bundle: Bundle) -> ServedModel:
        digits = bundle.digest.removeprefix("sha256:")[:_NUM_DIGITS]
        return ServedModel(
            ModelSpec(ZERO_SHOT),
            VersionRef(ZERO_SHOT, f"{_BUILT_IN}{digits}", bundle.digest),
            bundle,
            _GENERATION,
            since=time.monotonic(),
            differing_libraries=differing_libraries(bundle),
            fit=self._fit,
        )

    def _fit(self, frequency: Frequency, longest: int) -> Bundle:
        with self._one_at_a_time:
            return self._fitted(frequency, context_for(longest))


def is_built_in(reference: VersionRef) -> bool:
    """Says whether a version is one of the encoder in the box, of this installation or another."""
    return reference.version.startswith(_BUILT_IN)


class Registered(Protocol):
    """The models of the registry."""

    @property
    def served(self) -> list[ServedModel]:
        """All that are in service."""
        ...

    @property
    def is_unused(self) -> bool:
        """Whether none is, and none was there to be waited for at the start."""
        ...

    def find(self, text: str | None, *, is_awaited: bool = True) -> ServedModel:
        """Gives the model that a request names. Raises UnknownModel, or NotReady, for other names if one is awaited."""
        ...


class Offered:
    """All models that are served to everybody: those of the registry, and the encoder in the box."""

    def __init__(self, registered: Registered, zero_shot: ZeroShot) -> None:
        self._registered, self._zero_shot = registered, zero_shot

    @property
    def served(self) -> list[ServedModel]:
        """All that can forecast, the encoder last."""
        encoder = self._zero_shot.model
        return [*self._registered.served, *(() if encoder is None else (encoder,))]

    @property
    def stand_in(self) -> ServedModel | None:
        """What answers requests without a name in the place of registered models; None where it is one of those."""
        encoder = self._zero_shot.model
        return encoder if encoder is not None and self._registered.is_unused else None

    def find(self, text: str | None) -> ServedModel:
        """Gives the model that a request means by a name, or without one. Raises UnknownModel or NotReady."""
        if text == ZERO_SHOT and self._zero_shot.is_on:
            return self._zero_shot.found()
        stand_in = self.stand_in if text is None else None
        return self._registered_one(text) if stand_in is None else stand_in

    def _registered_one(self, text: str | None) -> ServedModel:
        try:
            return self._registered.find(text, is_awaited=self.stand_in is None)
        except NotReady as error:
            if text is not None or self._zero_shot.model is None:
                raise
            raise NotReady(f"{error}. A request that names {ZERO_SHOT} is answered without any") from error
        except UnknownModel as error:
            if text is None or self._zero_shot.model is None:
                raise
            raise UnknownModel(f"{error} beside {ZERO_SHOT}") from error
