"""Settings as people write them, in a YAML file and as flags, and how they are told what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from forecaster.config import Config
from forecaster.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)


def settings_of(path: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the settings of a file, as a tree, and those by dotted name ('model.horizon') over them."""
    tree = _read_yaml(path) if path is not None else {}
    for dotted, value in overrides.items():
        _set(tree, dotted, value)
    return tree


def validated(kind: type[ConfigT], tree: dict[str, Any], path: Path | None, overrides: Collection[str] = ()) -> ConfigT:
    """Gives the config of a tree of settings; ConfigError naming each field that is unknown or out of range.

    What one of the `overrides`, by dotted name, has brought is not put down to the file.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        said: dict[bool, list[str]] = {True: [], False: []}
        for problem in error.errors(include_url=False):
            said[_is_of(problem, overrides)].append(_sentence(problem))
        of_file = [f"{'; '.join(said[False])} (in {path})"] if path and said[False] else said[False]
        raise ConfigError("; ".join([*of_file, *said[True]])) from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """Gives name and value of a 'model.num_layers=2' flag; the value is read as YAML."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--set wants NAME=VALUE, got {text!r}")
    try:
        return name.strip(), _parsed(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"the value of --set {name} is not valid YAML: {_reason(error)}") from error


class _Loader(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands twice in a mapping: what the first one says would be lost."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Gives the mapping as it is written, before merges (<<), whose keys may be given again."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    raise yaml.composer.ComposerError(None, None, f"{key.value!r} stands there twice", key.start_mark)
                keys.add((key.tag, key.value))
        return node


_BOOL = "tag:yaml.org,2002:bool"
# As in YAML 1.2: of `off`, `NO` and the like YAML 1.1 makes False, though they are values, too, of settings that are no
# switches (calibration: off, holidays: NO). Where a switch is wanted they are understood as one.
_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != _BOOL] for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = _parsed(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2024-13-01
        raise ConfigError(f"config file {path} is not valid YAML: {_reason(error)}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold a mapping, it holds {type(tree).__name__}")
    return tree


def _reason(error: Exception) -> str:
    """Says what the parser met and where, without the lines of the file."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _set(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        child = tree.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{dotted}: {parent} is not a group of settings")
        tree = child
    tree[last] = value


def sentences(error: ValidationError) -> list[str]:
    """Says what is wrong, a sentence for each field."""
    return [_sentence(problem) for problem in error.errors(include_url=False)]


def _is_of(problem: ErrorDetails, overrides: Collection[str]) -> bool:
    """Says whether a problem lies in what one of these dotted names has set."""
    loc = [str(part) for part in problem["loc"]]
    return any(loc[: len(names)] == names for names in (dotted.split(".") for dotted in overrides))


def _sentence(problem: ErrorDetails) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {field}"
    if problem["type"] == "missing":
        hint = ": the model's, in a config file or with --model" if field == "name" else ""
        return f"{field} is missing{hint}"
    if problem["type"] == "value_error":
        return ": ".join(filter(None, [field, problem["msg"].removeprefix("Value error, ")]))
    if problem["loc"][:1] == ("source",):  # it may be a URL with a password
        return f"{field}: {problem['msg']}"
    hint = " (name the model with --model)" if field == "name" else ""
    return f"{field}: {problem['msg']}, got {str(problem['input'])[:60]!r}{hint}"
