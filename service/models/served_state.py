"""What each spec served last, as served.json holds it: pure values, no file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.model_spec import NAME
from service.models.registry import VersionRef


class Kept(BaseModel):
    """A version whose bundle is kept on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=f"^{NAME}$")
    version: str = Field(pattern="^[0-9]{1,9}$")
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")

    @classmethod
    def of(cls, reference: VersionRef) -> Kept:
        """Gives the entry of a version."""
        return cls(name=reference.name, version=reference.version, digest=reference.digest)

    @property
    def reference(self) -> VersionRef:
        """The version it is the entry of."""
        return VersionRef(self.name, self.version, self.digest)


class LastServed(BaseModel):
    """What one spec served last, on any process of this home."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    current: Kept
    before: Kept | None = None
    generation: int = Field(ge=1)

    @classmethod
    def after(cls, last: LastServed | None, reference: VersionRef, at_least: int) -> LastServed:
        """Gives the entry once `reference` serves: the same generation for the same version, else a higher one."""
        if last is None:
            return cls(current=Kept.of(reference), generation=at_least)
        if last.current.reference == reference:
            return last.model_copy(update={"generation": max(last.generation, at_least)})
        generation = max(last.generation + 1, at_least)
        return cls(current=Kept.of(reference), before=last.current, generation=generation)


class ServedState(BaseModel):
    """served.json, by the text of the spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int = 1
    specs: dict[str, LastServed] = {}

    def references(self) -> set[VersionRef]:
        """Gives every version that may have to be loaded again."""
        kept = [kept for last in self.specs.values() for kept in (last.current, last.before) if kept is not None]
        return {one.reference for one in kept}
