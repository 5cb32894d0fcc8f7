"""Which served model a request means: one by its name, or by a name of TimeGPT's that of the frequency it asks for."""

from __future__ import annotations

import re

from forecaster.errors import FrequencyError
from forecaster.time.aliases import STEP
from forecaster.time.frequency import Frequency
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
    return (named, Frequency(STEP)) if freq == _OF_INTEGERS and not has_starts else (named,)


def chosen(models: Models, settings: Settings, name: str, meant: tuple[Frequency, ...], find: FindModel) -> ServedModel:
    """Gives the model of a name, which `find` may know, whose frequency is one of those `meant`.

    UnknownModel where there is none, or more than one that a name of TimeGPT's could stand for, FrequencyError where
    it has another frequency, NotReady where it is to come.
    """
    try:
        served = find(name)
        if served.own_frequency is None:  # the encoder in the box, which has no part in this dialect
            served = models.find(name)
    except UnknownModel:
        if not _THEIRS.fullmatch(name):
            raise
        return _only_one(models, settings, name, meant)
    own = served.bundle.predictor.frequency
    if own not in meant:
        raise FrequencyError(
            f"the data has frequency {meant[0].alias!r}, the model was trained on {own.alias!r}",
            code="frequency-mismatch",
        )
    return served


def _only_one(models: Models, settings: Settings, name: str, meant: tuple[Frequency, ...]) -> ServedModel:
    candidates = _candidates(models, settings)
    for frequency in meant:
        found = [one for one in candidates if one.bundle.predictor.frequency == frequency]
        if len(found) == 1:
            return found[0]
        if found:
            names = sorted(str(one.spec) for one in found)
            raise UnknownModel(
                f"{name} could be any of {names}, which all have frequency {frequency.alias!r}: name one of them as "
                "model, or have FORECASTER_TIMEGPT_MODELS say which",
                code="model-missing",
            )
    if any(one.served is None for one in models.state().specs):
        raise NotReady("no verified version is loaded yet of some models")
    known = sorted({one.bundle.predictor.frequency.alias for one in candidates})
    raise UnknownModel(f"{name} stands for the model of frequency {meant[0].alias!r}, and there are those of {known}")


def _candidates(models: Models, settings: Settings) -> list[ServedModel]:
    """Gives what a name of TimeGPT's may stand for."""
    wanted = settings.timegpt_models
    if wanted:
        return [one for one in models.served if {str(one.spec), one.spec.short(settings.alias)} & set(wanted)]
    return [one for one in models.served if one.spec.alias != CHALLENGER]
