"""The error tree: drawn as it is, one root, one code each."""

from __future__ import annotations

import inspect

from forecaster import errors
from forecaster.errors import ForecasterError
from pipelines import errors as pipeline_errors


def classes(module: object) -> list[type[ForecasterError]]:
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, ForecasterError)]
    return [c for c in found if c.__module__ == module.__name__]  # type: ignore[attr-defined]


def test_the_tree_in_the_docstring_names_every_error_once() -> None:
    for module in (errors, pipeline_errors):
        drawing = module.__doc__ or ""
        for error in classes(module):
            assert sum(line.split()[-len(line.split()) :].count(error.__name__) for line in drawing.splitlines()) == 1


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for module in (errors, pipeline_errors) for error in classes(module)]
    assert len(set(codes)) == len(codes)


def test_a_code_given_to_one_error_does_not_change_its_class() -> None:
    assert errors.DataError("x", code="special").code == "special"
    assert errors.DataError("x").code == "invalid-data"
