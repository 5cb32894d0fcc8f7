"""Which version of which model is meant: 'sales', 'sales@challenger' or 'sales/7', in settings and in requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The names that models are trained under; as parts of a path they stay inside their folder.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
ALIAS = r"[A-Za-z0-9_-]{1,255}"

_SPEC = re.compile(rf"(?P<name>{NAME})(?:@(?P<alias>{ALIAS})|/(?P<version>[0-9]{{1,9}}))?")
_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Says whether a registered model of that name can be served."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class ModelSpec:
    """A model and either the alias to follow or the version it is pinned to; neither of the encoder in the box."""

    name: str
    alias: str | None = None
    version: int | None = None

    @classmethod
    def parse(cls, text: str, followed: str) -> ModelSpec:
        """Reads NAME (the alias `followed`), NAME@alias or NAME/7; ValueError for anything else."""
        found = _SPEC.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:80]!r} is none of NAME, NAME@alias and NAME/7")
        if found["version"] is not None:
            return cls(found["name"], version=int(found["version"]))
        return cls(found["name"], alias=found["alias"] or followed)

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}/{self.version}"
        return self.name if self.alias is None else f"{self.name}@{self.alias}"

    def short(self, followed: str) -> str:
        """Gives the shortest text that is read as this spec where `followed` is the alias of a bare name."""
        return self.name if self.alias == followed else str(self)
