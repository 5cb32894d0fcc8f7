"""The config of a pipeline: file, then flags, then --set; what is wrong is named; the shipped ones are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from pipelines.config import Environment, load_config
from pipelines.config_file import parse_assignment
from service.settings import Settings

TRIGGER = "signal: drift_input, above: 1, clear_below: 0, "
CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path: Path) -> None:
    assert load_config(path, {}).name


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: sales\nmodel: {horizon: 7, d_model: 64}\n")
    config = load_config(path, {"model.horizon": 14})
    assert (config.model.horizon, config.model.d_model) == (14, 64)


def test_a_setting_of_the_file_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: sales\nsplit: {step: 5}\n")
    assert load_config(path, dict([parse_assignment("split.step=null")])).split.step is None


def test_a_model_is_named_after_its_data_file() -> None:
    assert load_config(None, {"source.path": "data/ETTh1.csv.gz"}).name == "ETTh1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nmodle: {}", "unknown setting modle"),
        ("name: a\nmodel: {layers: 2}", r"unknown setting model\.layers"),
        ("name: a\nmodel: {horizon: many}", r"model\.horizon: .*got 'many'"),
        ("name: a b", "name: String should match"),
        ("model: {horizon: 3}", "name is missing: the model's, in a config file or with --model"),
        ("- a", "must hold a mapping"),
        ("a: [", "is not valid YAML"),
        ("name: a\nmodel: {d_model: 31}", "not a multiple of num_heads"),
        ("name: a\nmodel:\n  horizon: 7\nsplit: {}\nmodel:\n  d_model: 8", "'model' stands there twice in line 5, col"),
        ("name: a\nmodel: {horizon: 7, horizon: 8}", "'horizon' stands there twice in line 2, column 21"),
        (
            "name: a\nretrain: {triggers: [{" + TRIGGER + "cool_down_days: 1.0e12}]}",
            "cool_down_days: .*or equal to 36500",
        ),
        ("name: zero-shot", "name: .*zero-shot is the encoder in the box"),
        ("name: a\npromotion: {segments: {north (DE): n*}}", r"segment 'north \(DE\)': names have letters"),
        ("name: a\nroll_back: {window_days: 1.0e12}", "window_days: .*or equal to 36500"),
        ("name: a\nroll_back: {num_windows: 1000000000}", "num_windows: .*or equal to 1000"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path, {})


def test_what_a_flag_got_wrong_is_not_put_down_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: waves\nmodel: {horizon: 0}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"model.horzon": 3, "backtest": {"num_folds": 0}})
    of_file, of_flags = str(caught.value).split(f" (in {path}); ")
    assert of_file.startswith("model.horizon: ")
    assert "unknown setting model.horzon" in of_flags
    assert "backtest.num_folds: " in of_flags


@pytest.mark.parametrize("word", ["off", "no", "false", "False"])
def test_a_word_is_a_switch_where_one_is_wanted_and_a_text_elsewhere(word: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"name: a\nexport: {word}\nmodel: {{scaling: off, calendar: off, holidays: NO}}\n")
    config = load_config(path, {})
    assert (config.export, config.model.scaling, config.model.calendar) == (False, "off", "off")
    assert config.model.holidays == "NO"


def test_assignments_are_read_as_yaml() -> None:
    assert parse_assignment("model.levels=[0.1, 0.5]") == ("model.levels", [0.1, 0.5])
    assert parse_assignment("model.holidays=NO") == ("model.holidays", "NO")
    assert parse_assignment("figures=true") == ("figures", True)
    assert parse_assignment("name=true_sales") == ("name", "true_sales")
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_assignment("model.levels")


def test_an_assignment_with_a_key_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="the value of --set model is not valid YAML: 'horizon' stands there twice"):
        parse_assignment("model={horizon: 7, horizon: 8}")


def test_what_a_merge_brings_into_a_mapping_may_be_given_again() -> None:
    assert parse_assignment("x={a: &a {b: 1}, c: {d: &d {<<: *a, b: 2}}, e: {<<: *d, b: 3}}") == (
        "x",
        {"a": {"b": 1}, "c": {"d": {"b": 2}}, "e": {"b": 3}},
    )


@pytest.mark.parametrize("home", ["runs?x=1", "runs%20of"])
def test_a_home_that_no_url_of_a_database_can_name_is_refused(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_HOME", home)
    with pytest.raises(ConfigError, match=r"^FORECASTER_HOME is .*: no '[?%]' may be in it"):
        Environment.read()


def test_service_and_pipelines_agree_on_the_default_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORECASTER_HOME", "FORECASTER_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    assert Settings().resolved_registry_uri() == Environment.read().tracking_uri
    monkeypatch.setenv("FORECASTER_HOME", "elsewhere")
    assert Settings().resolved_registry_uri() == Environment.read().tracking_uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert Settings().resolved_registry_uri() == Environment.read().tracking_uri == "http://mlflow:5000"
