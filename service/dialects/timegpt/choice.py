"""Which served model a request means, by its name or by one of TimeGPT's.

sales, zero-shot ───────> what has that name
timegpt-1, azureai ... ─> the registered model of the frequency asked for, and where there is none the encoder in
                          the box, which forecasts any without training
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from forecaster.time.aliases import STEP
from forecaster.time.frequency import Frequency, frequency_mismatch
from service.app_state import Service
from service.errors import NotReady, UnknownModel
from service.models.models import Models
from service.models.view import CHALLENGER, ServedModel
from service.requests.asked import FindModel
from service.settings import Settings

TIMEGPT = "timegpt-1"

_THEIRS = re.compile(r"timegpt-.*|azureai")
_OF_INTEGERS = "MS"  # what the SDK says for series whose times are integers, of which it then sends none


def frequencies_of(freq: str, *, has_starts: bool) -> tuple[Frequency, ...]:
    """Gives what `freq` may mean, the likelier first; FrequencyError where it is no frequency."""
    named = Frequency.parse(freq)
    return (named, Frequency(STEP)) if may_be_steps(freq, has_starts=has_starts) else (named,)


def may_be_steps(freq: str, *, has_starts: bool) -> bool:
    """Says whether `freq` may be what the SDK says of integer times."""
    return freq == _OF_INTEGERS and not has_starts


@dataclass(frozen=True)
class Choices:
    """What is served to this dialect: registered models, and the encoder in the box, where that serves."""

    models: Models
    settings: Settings
    encoder: ServedModel | None

    @classmethod
    def of(cls, service: Service) -> Choices:
        """Gives those of a service."""
        return cls(service.models, service.settings, service.zero_shot.model)

    @property
    def names(self) -> list[str]:
        """What clients may name, TimeGPT's own name first; nothing where nothing is served."""
        served = [*self.models.served, *([] if self.encoder is None else [self.encoder])]
        names = [one.spec.short(self.settings.alias) for one in served]
        return [TIMEGPT, *names] if names else []

    def meant(self, name: str, frequencies: tuple[Frequency, ...], find: FindModel) -> tuple[ServedModel, Frequency]:
        """Gives the model of a name, which `find` may know, and which of the `frequencies` it forecasts the data by.

        Raises what `perhaps_meant` raises, and UnknownModel where that gives more than one.
        """
        served, *others = self.perhaps_meant(name, frequencies, find)
        own = served.own_frequency or frequencies[0]
        if others:
            names = sorted(str(one.spec) for one in (served, *others))
            raise UnknownModel(
                f"{name} could be any of {names}, which all have frequency {own.alias!r}: name one of them "
                "as model, or have FORECASTER_TIMEGPT_MODELS say which",
                code="model-missing",
            )
        return served, own

    def perhaps_meant(self, name: str, frequencies: tuple[Frequency, ...], find: FindModel) -> list[ServedModel]:
        """Gives the model of a name, or all that a name of TimeGPT's could stand for; they have the same frequency.

        UnknownModel where there is none, FrequencyError where it has none of the `frequencies`, NotReady where it is
        to come.
        """
        try:
            served = find(name)
        except (UnknownModel, NotReady):
            if not _THEIRS.fullmatch(name):
                raise
            return self._standing_for(name, frequencies)
        own = served.own_frequency
        if own is not None and own not in frequencies:
            raise frequency_mismatch(frequencies[0].alias, own.alias)
        return [served]

    def _standing_for(self, name: str, frequencies: tuple[Frequency, ...]) -> list[ServedModel]:
        """Gives the registered models of a frequency; where there is none, the encoder, as TimeGPT is one."""
        for frequency in frequencies:
            found = [one for one in self._registered if one.own_frequency == frequency]
            if found:
                return found
        is_awaited = not (self.models.served or self.models.is_unused)
        if is_awaited or any(one.served is None for one in self.models.state().specs):
            raise NotReady("no verified version is loaded yet of some models")
        if self.encoder is not None and self._may_stand_in(self.encoder):
            return [self.encoder]
        known = sorted({one.bundle.predictor.frequency.alias for one in self._registered})
        raise UnknownModel(
            f"{name} stands for the model of frequency {frequencies[0].alias!r}, and there are those of {known}"
        )

    @property
    def _registered(self) -> list[ServedModel]:
        """Registered models that a name of TimeGPT's may stand for."""
        if self.settings.timegpt_models:
            return [one for one in self.models.served if self._is_named(one)]
        return [one for one in self.models.served if one.spec.alias != CHALLENGER]

    def _may_stand_in(self, encoder: ServedModel) -> bool:
        return not self.settings.timegpt_models or self._is_named(encoder)

    def _is_named(self, served: ServedModel) -> bool:
        texts = {str(served.spec), served.spec.short(self.settings.alias)}
        return bool(texts & set(self.settings.timegpt_models))
