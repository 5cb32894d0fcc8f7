"""What readers see of the models in service: immutable, and replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from forecaster.bundle import Bundle
from forecaster.time.frequency import Frequency
from service.errors import NotReady, UnknownModel
from service.model_spec import ModelSpec
from service.models.following import Following, RegistryContact
from service.models.registry import VersionRef

CHALLENGER = "challenger"

Fit = Callable[[Frequency, int], Bundle]  # the bundle for series of a frequency, so many steps long at most


@dataclass(frozen=True)
class ServedModel:
    """One verified version in service for one spec; a request keeps the one it started with."""

    spec: ModelSpec
    reference: VersionRef
    bundle: Bundle
    generation: int
    since: float = 0.0  # of the monotonic clock
    differing_libraries: Mapping[str, str] = field(default_factory=dict)
    contract_changes: Mapping[str, str] = field(default_factory=dict)
    fit: Fit | None = None  # of a model of any frequency, whose bundle follows the series

    @property
    def own_frequency(self) -> Frequency | None:
        """The frequency of all series that it forecasts; None where it forecasts those of any."""
        return self.bundle.predictor.frequency if self.fit is None else None

    def for_series(self, frequency: Frequency, longest: int) -> ServedModel:
        """Gives the model as it forecasts series of a frequency, `longest` steps long at most: mostly as it is."""
        return self if self.fit is None else replace(self, bundle=self.fit(frequency, longest))


@dataclass(frozen=True)
class SpecState:
    """What is wanted of one spec, what stands in between, and what serves it."""

    spec: ModelSpec
    following: Following
    served: ServedModel | None


@dataclass(frozen=True)
class ModelsState:
    """The state of all specs, by their text, and of the registry."""

    specs: tuple[SpecState, ...]
    registry: RegistryContact
    at: float  # of the monotonic clock: what `since`, `last_success` and `retry_at` are read against


@dataclass(frozen=True)
class View:
    """Every spec that is known, served or not, and what serves those that are. `followed` is the alias of a name."""

    followed: str
    followings: Mapping[ModelSpec, Following] = field(default_factory=dict)
    served: Mapping[ModelSpec, ServedModel] = field(default_factory=dict)
    by_text: Mapping[str, ServedModel] = field(default_factory=dict)  # by every text that a request may name it with

    def find(self, text: str | None, *, is_awaited: bool = True) -> ServedModel:
        """Gives the model that a request names, or the only one there is. Raises UnknownModel or NotReady.

        Unless a first model `is_awaited`, none is of a name that the registry does not know.
        """
        if text is not None and text in self.by_text:
            return self.by_text[text]
        if text is None and self.served and len(self.followings) > 1:
            names = self._names(self.followings)
            raise UnknownModel(f"several models are served, name one of {names} as model", code="model-missing")
        if text is None and self.served:
            return next(iter(self.served.values()))
        if self._is_known(text) or (not self.served and (text is None or is_awaited)):
            raise NotReady("no verified version is loaded yet; train and promote one, or wait for the registry")
        names = self._names(self.served)
        there = f"there are {names}" if names else "none is registered"
        raise UnknownModel(f"no model of that name is served; {there}")

    def challenger_of(self, model: ServedModel) -> ServedModel | None:
        """Gives what serves the alias `challenger` of the same model, None where nothing or the same version does."""
        found = self.served.get(ModelSpec(model.reference.name, alias=CHALLENGER))
        return None if found is None or found.reference == model.reference else found

    def with_following(self, spec: ModelSpec, following: Following) -> View:
        """Gives the view once more is known of a spec."""
        return View(self.followed, {**self.followings, spec: following}, self.served, self.by_text)

    def without(self, spec: ModelSpec) -> View:
        """Gives the view once a spec that nothing serves is known no more."""
        followings = {other: following for other, following in self.followings.items() if other != spec}
        return View(self.followed, followings, self.served, self.by_text)

    def with_served(self, model: ServedModel) -> View:
        """Gives the view once a model serves its spec."""
        served = {**self.served, model.spec: model}
        by_text = {text: one for spec, one in served.items() for text in (str(spec), spec.short(self.followed))}
        return View(self.followed, {model.spec: Following(), **self.followings}, served, by_text)

    def _is_known(self, text: str | None) -> bool:
        try:
            return text is not None and ModelSpec.parse(text, self.followed) in self.followings
        except ValueError:
            return False

    def _names(self, specs: Mapping[ModelSpec, object]) -> list[str]:
        return sorted(spec.short(self.followed) for spec in specs)
