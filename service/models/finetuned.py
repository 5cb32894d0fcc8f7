"""Fine-tuned models: looked up in the ledger when their owner names one, loaded from the registry, a few held.

They follow no alias and are served to nobody else. That one was deleted is noticed within a minute.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from forecaster.ledger.finetuned_names import is_finetuned
from service.errors import NotReady, UnknownModel, VersionUnavailable
from service.model_spec import ModelSpec
from service.models.registry import ReadsRegistry, VersionRef
from service.models.versions import Versions
from service.models.view import ServedModel
from service.settings import Settings

if TYPE_CHECKING:
    from forecaster.ledger.finetuned import Tuned
    from service.requests.asked import FindModel

T = TypeVar("T")

LookUp = Callable[[str, str, float], Awaitable["Tuned | None"]]  # name, owner, and until when

_TRUSTED_SECONDS = 60.0  # that a model is taken to be there after it was looked up
_GENERATION = 1


class NotHeld(Exception):
    """A request names a model that may have to be loaded first."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class FindsModels(Protocol):
    """What finds models that are served to everybody."""

    def find(self, text: str | None) -> ServedModel:
        """Gives the model that a request names. Raises UnknownModel or NotReady."""
        ...


@dataclass
class _Held:
    model: ServedModel
    looked_up: float  # in monotonic time


class FinetunedModels:
    """Holds the fine-tuned models of one application that were asked for last. To be used from one event loop."""

    def __init__(self, settings: Settings, registry: ReadsRegistry, look_up: LookUp) -> None:
        self._most_held = settings.max_finetuned_held
        self._runtime = settings.runtime
        self._alias = settings.alias
        self._look_up = look_up
        self._versions = Versions(settings, registry)
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()  # by owner and name; the latest loaded last

    async def asking(
        self, models: FindsModels, owner: str, expires: float, ask: Callable[[FindModel], Awaitable[T]]
    ) -> T:
        """Gives what `ask` gives, which finds the models of everybody and of this owner, loaded if need be.

        Raises UnknownModel, and VersionUnavailable or DeadlineExceeded where one cannot be loaded until `expires`.
        """

        def find(text: str | None) -> ServedModel:
            try:
                return models.find(text)
            except (UnknownModel, NotReady):
                if text is None or not is_finetuned(text):
                    raise
                return self._find(owner, text)

        try:
            return await ask(find)
        except NotHeld as missing:
            await self._load(missing.name, owner, expires)
        try:
            return await ask(find)
        except NotHeld as error:
            raise VersionUnavailable("more fine-tuned models are in use than are held at once") from error

    async def told(self, models: FindsModels, owner: str, expires: float, tell: Callable[[FindModel], T]) -> T:
        """Gives what `tell` gives at once, as `asking` does for what takes its time."""

        async def ask(find: FindModel) -> T:
            return tell(find)

        return await self.asking(models, owner, expires, ask)

    def forget(self, name: str, owner: str) -> None:
        """Holds a model no more."""
        self._held.pop((owner, name), None)

    def _find(self, owner: str, name: str) -> ServedModel:
        held = self._held.get((owner, name))
        if held is None or time.monotonic() > held.looked_up + _TRUSTED_SECONDS:
            raise NotHeld(name)
        return held.model

    async def _load(self, name: str, owner: str, expires: float) -> None:
        tuned = await self._look_up(name, owner, expires)
        if tuned is None:
            self.forget(name, owner)
            raise UnknownModel("this key has no fine-tuned model of that name")
        reference = VersionRef(tuned.name, tuned.outcome.version, tuned.outcome.digest)
        held = self._held.get((owner, name))
        if held is None or held.model.reference != reference:
            bundle = await self._versions.of(reference, self._runtime, expires)
            held = _Held(ServedModel(ModelSpec(name, alias=self._alias), reference, bundle, _GENERATION), 0.0)
        held.looked_up = time.monotonic()
        self._held[owner, name] = held
        self._held.move_to_end((owner, name))
        while len(self._held) > self._most_held:
            self._held.popitem(last=False)
