"""Promises of docker-compose.yml and deploy/: what is reachable, writable, pinned and secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from service.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)  # of keys that are given twice, it keeps the last
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"bucket", "ledger"}
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
SECRETS = {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "LEDGER_PASSWORD"}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

each_service = pytest.mark.parametrize("name", SERVICES)
each_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)


def test_compose_parses_and_publishes_on_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    done = compose_config(tmp_path, dict.fromkeys(SECRETS, "x"))
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"]["service"]["ports"] == ["127.0.0.1:8000:8000"]


def test_no_key_of_compose_is_given_twice() -> None:
    mappings = [yaml.compose(COMPOSE_TEXT)]
    while mappings:
        node = mappings.pop()
        if isinstance(node, yaml.MappingNode):
            names = [name.value for name, _ in node.value]
            assert len(names) == len(set(names)), f"line {node.start_mark.line + 1}: {names}"
            mappings += [content for _, content in node.value]
        elif isinstance(node, yaml.SequenceNode):
            mappings += node.value


def test_the_database_is_healthy_once_others_reach_it_and_not_while_its_image_still_prepares_it() -> None:
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"][1]


def test_compose_refuses_to_start_without_secrets(tmp_path: Path) -> None:
    done = compose_config(tmp_path, {})
    assert done.returncode != 0
    assert "is missing a value: set it in .env" in done.stderr


def test_every_use_of_a_secret_is_required() -> None:
    uses = re.findall(r"\$\{(\w+)(:\?)?", COMPOSE_TEXT)
    assert {name for name, required in uses if required} == SECRETS
    assert all(required for name, required in uses if name in SECRETS)


@each_service
def test_no_secret_is_written_out(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in environment.items() if re.search("PASSWORD|SECRET|KEY|TOKEN", key)}
    assert all(str(value).startswith("${") for value in secret.values()), sorted(secret)
    assert not any(re.search(r"://[^/:@]*:[^$/@][^/@]*@", str(value)) for value in environment.values())


def test_only_the_service_publishes_a_port() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["service"]
    assert all(service.get("network_mode") is None for service in SERVICES.values())


def test_only_the_service_leaves_the_internal_network() -> None:
    assert COMPOSE["networks"]["internal"] == {"internal": True}
    wider = {name for name, service in SERVICES.items() if service["networks"] != ["internal"]}
    assert wider == {"service"}


@each_service
def test_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)


@each_service
def test_container_that_stays_has_a_health_check_and_is_restarted(name: str) -> None:
    service = SERVICES[name]
    stays = name not in ONE_SHOT
    assert ("healthcheck" in service) == stays
    assert service["restart"] == ("unless-stopped" if stays else "no")


@each_service
def test_container_waits_until_what_it_needs_is_ready(name: str) -> None:
    for needed, wait in SERVICES[name].get("depends_on", {}).items():
        assert wait["condition"] == ("service_completed_successfully" if needed in ONE_SHOT else "service_healthy")


@each_service
def test_image_is_built_here_at_this_version_or_pinned_by_digest(name: str) -> None:
    image = SERVICES[name]["image"]
    if image in built_images():
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert re.fullmatch(rf"forecaster-\w+:{re.escape(version)}", image)
    else:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)


def test_no_image_is_built_twice_as_builds_of_one_name_side_by_side_fail() -> None:
    assert len(built_images()) == len(set(built_images())) == len(DOCKERFILES)


def test_volumes_are_named_and_bind_mounts_read_only() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts if isinstance(mount, str)}
    assert named == set(COMPOSE["volumes"])
    bound = [mount for mount in mounts if not isinstance(mount, str)]
    assert [mount["source"] for mount in bound] == ["${CONFIGS:-./configs}", "${DATA:-./data}"]
    assert all(mount["type"] == "bind" and mount["read_only"] is True for mount in bound)


def test_folders_of_the_stack_are_named_as_on_any_command_line(tmp_path: Path) -> None:
    done = compose_config(tmp_path, {**dict.fromkeys(SECRETS, "x"), "CONFIGS": "mine", "DATA": "/srv/tables"})
    assert done.returncode == 0, done.stderr
    mounts = yaml.safe_load(done.stdout)["services"]["scheduler"]["volumes"]
    assert [mount["source"] for mount in mounts if isinstance(mount, dict)] == ["mine", "/srv/tables"]


def test_mlflow_is_closed_to_foreign_hosts_jobs_and_pickles() -> None:
    mlflow = SERVICES["mlflow"]
    assert "--allowed-hosts=mlflow:5000,localhost:5000" in mlflow["command"]
    assert "--serve-artifacts" in mlflow["command"]
    assert mlflow["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    for name in ("mlflow", "service", "scheduler", "worker"):
        assert SERVICES[name]["environment"]["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_service_worker_and_scheduler_hold_no_secret_but_the_ledgers() -> None:
    for name in ("service", "worker", "scheduler"):
        assert {secret for secret in SECRETS if secret in str(SERVICES[name])} == {"LEDGER_PASSWORD"}


def test_only_those_who_train_know_the_signing_key() -> None:
    assert [name for name, service in SERVICES.items() if "SIGNING_KEY" in str(service)] == ["scheduler", "worker"]


def test_service_worker_and_scheduler_share_a_ledger_that_is_created_first() -> None:
    names = ("service", "worker", "scheduler")
    urls = {SERVICES[name]["environment"]["FORECASTER_LEDGER_URL"] for name in names}
    (url,) = urls
    assert re.fullmatch(r"postgresql\+psycopg2://ledger:\$\{LEDGER_PASSWORD:\?[^}]*\}@postgres:5432/ledger", url)
    assert SERVICES["ledger"]["command"] == ["create-ledger", "ledger"]
    for name in names:
        assert "ledger" in SERVICES[name]["depends_on"]
    for name in ("service", "pipelines"):
        assert "grep '^psycopg2-binary=='" in (ROOT / "deploy" / f"{name}.Dockerfile").read_text()


def test_example_environment_names_every_variable_of_compose_and_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    named = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", example, re.MULTILINE))
    assert set(named) == set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))
    assert all(named[secret] == "" for secret in SECRETS)


def test_operations_names_every_setting_of_stack_and_service() -> None:
    variables = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))
    variables |= {variable for name, field in Settings.model_fields.items() for variable in variables_of(name, field)}
    assert {variable for variable in variables if f"`{variable}`" not in OPERATIONS} == set()


@each_dockerfile
def test_dockerfile_passes_hadolint(path: Path) -> None:
    done = subprocess.run([tool("hadolint"), "--no-color", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@each_dockerfile
def test_image_starts_from_a_digest_and_ends_as_a_plain_user(path: Path) -> None:
    text = path.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases and all(re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", base) for base in bases)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "10001:10001"


def built_images() -> list[str]:
    """Gives the image of each container that says how it is built."""
    return [service["image"] for service in SERVICES.values() if "build" in service]


def variables_of(name: str, field: FieldInfo) -> list[str]:
    """Gives the variables that a setting is read from."""
    choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
    return [str(choice) for choice in choices if choice != name] or [f"FORECASTER_{name.upper()}"]


def test_python_images_share_one_base_and_install_from_the_lock() -> None:
    texts = [path.read_text() for path in DOCKERFILES if path.stem != "objects"]
    assert len(set(re.findall(r"^FROM (\S+)", "\n".join(texts), re.MULTILINE))) == 1
    assert all("-c constraints.txt" in text for text in texts)
    assert all("+cpu" in text for text in texts if "forecaster" in copied(text))


def test_service_image_holds_neither_trainer_nor_pipelines() -> None:
    text = (ROOT / "deploy" / "service.Dockerfile").read_text()
    assert {"forecaster", "service"} <= copied(text)
    assert "pipelines" not in copied(text)
    assert text.index("COPY forecaster") < text.index("rm -r forecaster/training") < text.index("--no-deps")
    assert '".[${EXTRAS}]"' in text
    assert 'ARG EXTRAS="serve,otel"\n' in text


def test_service_image_is_pruned_before_it_is_copied() -> None:
    text = (ROOT / "deploy" / "service.Dockerfile").read_text()
    assert text.index("--no-deps") < text.index("sh prune.sh /opt/venv") < text.index("COPY --from=build /opt/venv")


def test_build_sees_only_what_is_named() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {source for path in DOCKERFILES for source in copied(path.read_text())}


def compose_config(folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Lets podman-compose parse the file. It asks podman for its version first, which a stand-in answers."""
    podman = folder / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    podman.chmod(0o755)
    # An empty folder and environment: no .env of this checkout, no variable of this machine.
    environment = {"PATH": os.environ["PATH"], **variables}
    (folder / "docker-compose.yml").write_text(COMPOSE_TEXT)
    command = [tool("podman-compose"), "--podman-path", str(podman), "config"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def tool(name: str) -> str:
    """Gives the path of a program of this environment."""
    return str(Path(sys.executable).parent / name)


def copied(dockerfile: str) -> set[str]:
    """Gives what a Dockerfile copies from the build's context."""
    lines = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile, re.MULTILINE)
    return {source for line in lines for source in line.split()}
