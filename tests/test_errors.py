"""The error tree: drawn as it is, one root, one code each."""

from __future__ import annotations

import inspect
import re

from forecaster import errors
from forecaster.errors import ForecasterError
from pipelines import errors as pipeline_errors


def classes(module: object) -> list[type[ForecasterError]]:
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, ForecasterError)]
    return [c for c in found if c.__module__ == module.__name__]  # type: ignore[attr-defined]


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    """A line of the drawing is indented by four columns for each ancestor below the first that the module has."""
    for module in (errors, pipeline_errors):
        drawn = {}
        for line in (module.__doc__ or "").splitlines():
            found = re.match(r"([│├└─ ]*)([A-Z]\w+Error|[A-Z]\w+Refused)\b", line)
            if found:
                drawn[found[2]] = len(found[1]) // 4
        assert drawn == {error.__name__: depth(error, drawn) for error in (*classes(module), *outer(drawn))}


def depth(error: type[ForecasterError], drawn: dict[str, int]) -> int:
    return sum(parent.__name__ in drawn for parent in error.__mro__[1:])


def outer(drawn: dict[str, int]) -> list[type[ForecasterError]]:
    """Gives the classes that a drawing begins with though another module has them."""
    return [error for error in classes(errors) if error.__name__ in drawn]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for module in (errors, pipeline_errors) for error in classes(module)]
    assert len(set(codes)) == len(codes)


def test_a_code_given_to_one_error_does_not_change_its_class() -> None:
    assert errors.DataError("x", code="special").code == "special"
    assert errors.DataError("x").code == "invalid-data"
