"""Laws that no linter knows: who reads the environment, who may unpickle, how long a file is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for wing in ("forecaster", "service", "pipelines") for path in (ROOT / wing).rglob("*.py"))
# service/settings.py reads it through pydantic; tracking.py checks what MLflow is about to read itself.
READS_ENVIRONMENT = {"pipelines/config/environment.py", "pipelines/tracking.py"}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


@each_source
def test_the_environment_is_read_in_one_place_of_each_wing(path: Path) -> None:
    found = {name for node in nodes(path) if (name := read_of_environment(node))}
    assert not found or str(path.relative_to(ROOT)) in READS_ENVIRONMENT


def read_of_environment(node: ast.AST) -> str:
    """Gives what a node reads of the environment, if it does; passing it on as a whole is no reading."""
    if isinstance(node, ast.Call) and dotted(node.func) in ("os.environ.get", "os.environ.pop", "os.getenv"):
        return dotted(node.func)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and dotted(node.value) == "os.environ":
        return "os.environ[...]"
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return ", ".join(alias.name for alias in node.names if alias.name in ("environ", "getenv"))
    return ""


@pytest.mark.parametrize(
    "line",
    ["os.environ['A']", "os.environ.get('A')", "os.getenv('A')", "os.environ.pop('A')", "from os import environ"],
)
def test_every_way_to_read_the_environment_is_seen(line: str) -> None:
    assert any(read_of_environment(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["os.environ['A'] = 'b'", "os.environ.setdefault('A', 'b')", "run(env={**os.environ})"]
)
def test_setting_the_environment_is_not_reading_it(line: str) -> None:
    assert not any(read_of_environment(node) for node in ast.walk(ast.parse(line)))


@each_source
def test_nothing_is_unpickled(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not UNPICKLERS & {name.split(".")[0] for name in names}
        if isinstance(node, ast.Call) and dotted(node.func) in ("torch.load", "np.load", "numpy.load"):
            safe = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert safe.get("weights_only") == "True" or safe.get("allow_pickle") == "False"
        if isinstance(node, ast.Call):
            assert dotted(node.func) not in ("eval", "exec", "yaml.load")


@each_source
def test_a_file_can_be_taken_in_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
