"""Models of a service without a registry, and predictors that misbehave on purpose."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from forecaster.bundle import Bundle
from forecaster.predictor import Predictor
from forecaster.types import WindowBatch
from service.errors import UnknownModel
from service.model_spec import ModelSpec
from service.models.following import Following, RegistryContact
from service.models.registry import VersionRef
from service.models.view import ModelsState, ServedModel, SpecState

POISON, CRASH = -13.0, -17.0


def served_as_waves(bundle: Any) -> ServedModel:
    """Gives a bundle, or None where nobody looks at it, as version 1 of 'waves'."""
    digest = "sha256:0" if bundle is None else bundle.digest
    return ServedModel(ModelSpec("waves", "champion"), VersionRef("waves", "1", digest), bundle, 1)


class OneModel:
    """Serves one bundle as version 1 of 'waves', whatever is asked for but TimeGPT, which no registry has."""

    def __init__(self, bundle: Bundle) -> None:
        self._model = served_as_waves(bundle)

    @property
    def served(self) -> list[ServedModel]:
        return [self._model]

    @property
    def is_ready(self) -> bool:
        return True

    @property
    def is_unused(self) -> bool:
        return False

    def find(self, name: str | None, *, is_awaited: bool = True) -> ServedModel:
        if name is not None and name.startswith("timegpt"):
            raise UnknownModel(f"no model of the name {name} is served")
        return self._model

    def state(self) -> ModelsState:
        return ModelsState((SpecState(self._model.spec, Following(), self._model),), RegistryContact(), 0.0)

    def refresh(self) -> None:
        pass


class Echo:
    """Stands in for a predictor in the batcher: answers each window with its last value, and keeps count.

    A window that ends with POISON is answered with NaN, one that ends with CRASH fails its batch. While `gate` is
    closed it computes nothing.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[float]] = []
        self._seconds = seconds

    def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
        assert self.gate.wait(10)
        time.sleep(self._seconds)
        values = windows.context[:, -1].numpy()
        self.batches.append(values.tolist())
        if (values == CRASH).any():
            raise ValueError("crashed")
        answers = np.where(values == POISON, np.nan, values)
        return np.broadcast_to(answers[:, None, None], (len(values), 2, len(levels))).copy()


class Late(Predictor):
    """A predictor that takes its time."""

    seconds = 0.0

    def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
        time.sleep(self.seconds)
        return super().answer(windows, levels)
