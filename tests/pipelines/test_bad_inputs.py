"""Every bad file, setting, model and surrounding ends in the exit code and the line that its table says."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from forecaster.bundle import load_bundle
from forecaster.cli import main
from forecaster.config import TableConfig
from pipelines.config import Environment, SourceConfig
from pipelines.loading import build_store
from pipelines.provenance import run_tags
from tests.conftest import Registry
from tests.pipelines import bad_covariates, bad_files, bad_models, bad_settings, bad_starts, bad_surroundings
from tests.pipelines.bad_commands import PASSWORD, BadCommand
from tests.pipelines.bad_files import DATA, READ, BadFile, table
from tests.pipelines.factories import priced_tables, save_priced

FILES = (
    *bad_files.BYTES,
    *bad_files.COLUMNS,
    *bad_covariates.COVARIATES,
    *bad_covariates.BESIDE,
    *bad_files.VALUES,
    *bad_files.TIMES,
)
COMMANDS = (
    *bad_settings.SETTINGS,
    *bad_settings.SOURCES,
    *bad_models.MODELS,
    *bad_models.ZERO_SHOT,
    *bad_models.OUTPUTS,
    *bad_starts.STARTS,
    *bad_surroundings.SURROUNDINGS,
)
LONGEST_LINE = 2100


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        return self.output + self.errors


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    return run


def assert_one_line(answer: Answer, exit_code: int, code: str, message: str) -> None:
    """Asserts the exit code and the one line on standard error, which says nothing it should not."""
    assert answer.exit_code == exit_code, answer.text
    assert message in answer.text
    assert "Traceback" not in answer.text
    assert PASSWORD not in answer.text
    if code:
        assert answer.output == ""
        assert answer.errors.startswith(f"error ({code}): ")
        assert answer.errors.count("\n") == 1
        assert len(answer.errors) < LONGEST_LINE


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.what)
def test_a_bad_file_is_refused_as_documented(case: BadFile, run: Run, tmp_path: Path) -> None:
    answer = run("data", "check", *written(case, tmp_path), *case.options)
    assert_one_line(answer, DATA, case.code, case.message)


@pytest.mark.parametrize("case", (*READ, *bad_covariates.READ), ids=lambda case: case.what)
def test_a_strange_file_is_read_as_documented(case: BadFile, run: Run, tmp_path: Path) -> None:
    answer = run("data", "check", *written(case, tmp_path), *case.options)
    assert (answer.exit_code, answer.errors) == (0, "")
    assert case.message in answer.output


def written(case: BadFile, folder: Path) -> list[str]:
    """Writes the files of a case; gives the options that name them."""
    options = ["--data", str(folder / case.name)]
    if case.content is not None:
        content = case.content.encode() if isinstance(case.content, str) else case.content
        (folder / case.name).write_bytes(content)
    for name, text in (("static", case.static), ("future", case.future)):
        if text is not None:
            (folder / f"{name}.csv").write_text(text)
            options += [f"--{name}", str(folder / f"{name}.csv")]
    return options


def test_an_endless_id_does_not_fill_the_screen(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table(unique_id="a" * 100_000, y="three"))
    assert_one_line(
        run("data", "check", "--data", str(path)), DATA, "not-a-number", "error (not-a-number): series 'aaaa"
    )


def test_with_json_the_line_is_one_object_on_standard_output(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table(y="three"))
    answer = run("data", "check", "--data", str(path), "--json")
    found = json.loads(answer.output)
    assert (answer.exit_code, answer.errors, found["error"]) == (DATA, "", "not-a-number")
    assert found["message"].startswith("series 'a' has in row 1 ")


@dataclass(frozen=True)
class Workplace:
    """A folder with what the commands of the tables name, beside a registry of its own."""

    folder: Path
    home: Path

    @property
    def client(self) -> MlflowClient:
        uri = f"sqlite:///{self.home / 'mlflow.db'}"
        return MlflowClient(uri, uri)

    def files(self) -> dict[str, bytes]:
        found = self.folder.rglob("*")
        return {str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b"" for path in found}

    def num_versions(self) -> int:
        return len(self.client.search_model_versions())

    def num_running(self) -> int:
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return len(self.client.search_runs(experiments, "attributes.status = 'RUNNING'"))


@pytest.fixture(scope="module")
def workplace(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder, home = tmp_path_factory.mktemp("workplace"), tmp_path_factory.mktemp("home")
    shutil.copy(registry.home / "mlflow.db", home)
    hours = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=60, freq="h"), "y": range(60)})
    hours.to_csv(folder / "hours.csv", index=False)
    hours.to_csv(folder / "my hours.csv", index=False)
    hours.assign(ds=pd.date_range("2024-01-01", periods=60)).to_csv(folder / "days.csv", index=False)
    for name, frame in priced_tables(num_ahead=3).items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    hours.assign(ds=range(60)).to_csv(folder / "steps.csv", index=False)
    (folder / "short.csv").write_text(table())
    pd.concat([hours, hours.assign(unique_id="b"), hours]).to_csv(folder / "scattered.csv", index=False)
    (folder / "words.csv").write_text(table(y="three"))
    with sqlite3.connect(folder / "series.db") as connection:
        hours.astype({"ds": str}).to_sql("series", connection, index=False)
    connection.close()
    for name in ("empty", "folder.csv"):
        (folder / name).mkdir()
    for name in ("store", "torn"):
        build_store(SourceConfig(path=folder / "hours.csv"), TableConfig(), folder / name)
    (folder / "torn" / "header.json").write_text("{")
    bundles = [manifest.parent for manifest in registry.home.rglob("bundle/manifest.json")]
    spoil_bundles(folder, next(bundle for bundle in bundles if load_bundle(bundle).config.frequency == "h"))
    save_priced(folder / "priced")
    return Workplace(folder, home)


def spoil_bundles(folder: Path, bundle: Path) -> None:
    for name in ("changed", "partial", "extra", "broken", "sound", "older"):
        shutil.copytree(bundle, folder / name)
    (folder / "changed" / "weights.safetensors").write_bytes(b"other weights")
    (folder / "partial" / "weights.safetensors").unlink()
    (folder / "extra" / "notes.txt").write_text("also here")
    (folder / "broken" / "manifest.json").write_text("{")
    manifest = json.loads((folder / "older" / "manifest.json").read_text())
    (folder / "older" / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 1}))


@pytest.fixture
def inside(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Stands in the workplace, with its registry and no patience for servers that do not answer."""
    monkeypatch.chdir(workplace.folder)
    monkeypatch.delenv("FORECASTER_REGISTRY_URI", raising=False)
    monkeypatch.setenv("FORECASTER_HOME", str(workplace.home))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield monkeypatch
    (workplace.folder / "run.yaml").unlink(missing_ok=True)


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.what)
def test_a_bad_command_is_refused_as_documented(
    case: BadCommand, run: Run, workplace: Workplace, inside: pytest.MonkeyPatch
) -> None:
    config = case.config.encode() if isinstance(case.config, str) else case.config
    (workplace.folder / "run.yaml").write_bytes(config)
    for name, value in case.environment.items():
        inside.setenv(name, value)
    before = workplace.files(), workplace.num_versions()
    answer = run(*case.arguments)
    assert_one_line(answer, case.exit_code, case.code, case.message)
    assert (workplace.files(), workplace.num_versions()) == before
    assert workplace.num_running() == 0


def test_a_run_remembers_its_command_line_without_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://u:{PASSWORD}@h/d"
    monkeypatch.setattr("sys.argv", ["forecaster", "train", "--sql", url, f"--set=source.url={url}", "--seed", "1"])
    assert run_tags(Environment())["command"] == "forecaster train --sql <url> <url> --seed 1"


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up_within_half_a_minute(run: Run, inside: pytest.MonkeyPatch) -> None:
    inside.setenv("MLFLOW_TRACKING_URI", bad_surroundings.CLOSED)
    inside.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    inside.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    begin = time.monotonic()
    assert run("rollback", "--model", "waves").exit_code == bad_files.ELSEWHERE
    assert time.monotonic() - begin < 30
