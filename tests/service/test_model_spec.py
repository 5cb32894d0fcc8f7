"""Which texts name which version."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.model_spec import ModelSpec, is_name
from service.settings import Settings


@pytest.mark.parametrize(
    ("text", "spec", "short"),
    [
        ("sales", ModelSpec("sales", alias="champion"), "sales"),
        ("sales@champion", ModelSpec("sales", alias="champion"), "sales"),
        ("sales@challenger", ModelSpec("sales", alias="challenger"), "sales@challenger"),
        ("sales/7", ModelSpec("sales", version=7), "sales/7"),
        ("sales/007", ModelSpec("sales", version=7), "sales/7"),
        ("a.b-c_1", ModelSpec("a.b-c_1", alias="champion"), "a.b-c_1"),
    ],
)
def test_a_name_an_alias_and_a_number_are_read(text: str, spec: ModelSpec, short: str) -> None:
    assert ModelSpec.parse(text, "champion") == spec
    assert ModelSpec.parse(str(spec), "other") == spec
    assert spec.short("champion") == short


@pytest.mark.parametrize(
    "text", ["", "@champion", "/7", "a/b", "a@", "a/", "a@b@c", "a@b/7", "a/-1", "../a", "a b", ".", "..", "a\n", "é"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="none of NAME, NAME@alias and NAME/7"):
        ModelSpec.parse(text, "champion")


def test_settings_name_each_spec_once_and_refuse_what_is_none() -> None:
    settings = Settings(home=Path("x"), alias="live", models="a, a@live, a@b, a/1")
    assert [str(spec) for spec in settings.model_specs()] == ["a@live", "a@b", "a/1"]
    with pytest.raises(ValidationError, match="'a b' is none of NAME"):
        Settings(models=("a b",))
    with pytest.raises(ValidationError, match="should match pattern"):
        Settings(alias="a b")


def test_names_that_would_be_paths_are_no_names() -> None:
    assert not any(is_name(name) for name in ("..", "a/b", "", "a b", "a\n", "-a"))
