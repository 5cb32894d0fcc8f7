"""The guide says of every route below /v1 which scope opens it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from fastapi.routing import iter_route_contexts

from service.access.guards import declared_scope
from service.access.keys import Scope
from service.app import create_app
from service.settings import Settings

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def test_the_guide_names_each_route_beside_the_scope_that_opens_it(tmp_path: Path) -> None:
    opened = told()
    assert opened.keys() == set(Scope)
    routes = iter_route_contexts(create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")).routes)
    scopes = {str(route.path): scope for route in routes if (scope := declared_scope(route)) is not None}
    own = {path: scope for path, scope in scopes.items() if path.startswith(("/v1/", "/metrics"))}
    assert len(own) > 15
    missing = [(path, scope) for path, scope in own.items() if not any(fnmatchcase(path, one) for one in opened[scope])]
    assert missing == []


def told() -> dict[Scope, list[str]]:
    """Gives the paths of each scope in the guide's table; each stands for what is below it, too."""
    rows = re.findall(r"^\| `(\w+)` \| (.*/.*) \|$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    scopes = {scope.value for scope in Scope}
    return {Scope(name): _paths(text) for name, text in rows if name in scopes}


def _paths(text: str) -> list[str]:
    paths = [path.removesuffix("/...") for path in re.findall(r"`(?:[A-Z]+ )?(/[^`]*)`", text)]
    return [*paths, *(f"{path}/*" for path in paths)]
