"""The webhook, called by a real MLflow server and by everybody else, at a real service."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient

from forecaster.bundle import DIGEST_TAG
from service.access.deliveries import MAX_BODY_BYTES
from service.settings import Settings
from tests.conftest import Registry, running_service
from tests.service.deliveries import BODY, SECRET, delivery
from tests.stack import servers

pytestmark = pytest.mark.stack

WEBHOOK = "/v1/models/webhook"
EVENTS = ["model_version_alias.created", "model_version_alias.deleted"]
LIMIT_SECONDS = 10.0  # the service itself would look after an hour


@dataclass(frozen=True)
class Site:
    """MLflow and a service that follows it; version 2 of 'waves' is version 1 once more."""

    mlflow: MlflowClient
    service: httpx.Client

    def version(self) -> str:
        found: str = self.service.get("/v1/model", params={"name": "waves"}).json()["version"]
        return found

    def refused(self) -> str | None:
        found = self.service.get("/v1/model", params={"name": "waves"}).json()["refused"]
        return None if found is None else str(found["code"])

    def looks(self) -> int:
        found = re.search(r'^forecaster_registry_lookups_total\{registry="up"\} (\S+)$', self.metrics(), re.MULTILINE)
        return int(float(found[1])) if found else 0

    def metrics(self) -> str:
        return self.service.get("/metrics").text

    def deliver(self, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
        return self.service.post(WEBHOOK, content=body, headers=headers)


@pytest.fixture(scope="module")
def mlflow(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    """An MLflow server on a copy of the registry that may call loopback addresses, and has no webhook yet."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(registry.home / "mlflow.db", folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    add_version(MlflowClient(uri, uri))
    port = servers.free_port()
    command = [str(servers.BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", uri]
    environment = servers.clean_environment(
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=Fernet.generate_key().decode(),
        MLFLOW_WEBHOOK_ALLOWED_SCHEMES="http,https",
        MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="true",
    )
    url = f"http://127.0.0.1:{port}"
    with servers.running("mlflow", command, environment, folder, servers.answering(port, "/health")):
        yield MlflowClient(url, url)


def add_version(client: MlflowClient) -> None:
    """Registers the bundle of version 1 as version 2: at the store, since a server takes no local path."""
    first = client.get_model_version("waves", "1")
    source = client.get_logged_model(str(first.source).removeprefix("models:/")).artifact_location
    second = client.create_model_version("waves", source, first.run_id)
    client.set_model_version_tag("waves", second.version, DIGEST_TAG, first.tags[DIGEST_TAG])


@pytest.fixture(scope="module")
def site(mlflow: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        registry_uri=mlflow.tracking_uri,
        registry_timeout_seconds=60,
        refresh_seconds=3600,
        authentication=False,
        webhook_secret=SECRET,
        port=0,
    )
    with running_service(settings, {"waves", "days"}) as client:
        hook = mlflow.create_webhook("service", f"{client.base_url}{WEBHOOK}", EVENTS, secret=SECRET)
        assert mlflow.test_webhook(hook.webhook_id).response_status == 202
        yield Site(mlflow, client)


def within_limit(happened: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + LIMIT_SECONDS
    while not happened():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def settled(site: Site) -> int:
    """Gives the number of looks once none is under way or asked for."""
    looks = -1
    while looks != (looks := site.looks()):
        time.sleep(1.5)
    return looks


def test_a_promotion_and_a_rollback_at_mlflow_are_served_within_seconds(site: Site) -> None:
    for number in ("2", "1", "2", "1"):
        site.mlflow.set_registered_model_alias("waves", "champion", number)
        assert within_limit(lambda number=number: site.version() == number)  # type: ignore[misc]


def test_an_alias_that_is_taken_away_is_seen_and_what_serves_goes_on(site: Site) -> None:
    site.mlflow.delete_registered_model_alias("waves", "champion")
    assert within_limit(lambda: site.refused() == "alias-missing")
    assert site.version() == "1"
    site.mlflow.set_registered_model_alias("waves", "champion", "1")
    assert within_limit(lambda: site.refused() is None)


def test_a_forged_an_expired_and_a_replayed_delivery_are_refused_and_nobody_looks(site: Site) -> None:
    good = delivery()
    assert site.deliver(good).status_code == 202
    before = settled(site)
    bad = {
        "forged": (delivery(secret="x" * 43), BODY),
        "edited": (delivery(), BODY.replace(b'"2"', b'"1"')),
        "expired": (delivery(timestamp=int(time.time()) - 301), BODY),
        "replayed": (good, BODY),
        "not signed": ({"Content-Type": "application/json"}, BODY),
    }
    for what, (headers, body) in bad.items():
        reply = site.deliver(headers, body)
        assert (what, reply.status_code, reply.json()["code"]) == (what, 401, "bad-delivery")
        assert reply.headers["www-authenticate"] == "MLflow-Signature"
    assert settled(site) == before


def test_a_body_that_is_too_large_is_refused_however_well_it_is_signed(site: Site) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    reply = site.deliver(delivery(body), body)
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")
    body = b" " * MAX_BODY_BYTES
    assert site.deliver(delivery(body), body).status_code == 202


def test_what_a_delivery_says_is_believed_by_nobody(site: Site) -> None:
    """It may even be no JSON: the registry alone says what serves."""
    for body in (BODY.replace(b"champion", b"challenger"), b'{"data": {"name": "../../etc"}}', b"\xff\xfe", b""):
        before = settled(site)
        assert site.deliver(delivery(body), body).status_code == 202
        assert settled(site) == before + 1
        assert (site.version(), site.refused()) == ("1", None)


def test_a_flood_of_good_deliveries_costs_a_look_or_two(site: Site) -> None:
    before = settled(site)
    began = time.monotonic()
    assert {site.deliver(delivery()).status_code for _ in range(200)} == {202}
    seconds = time.monotonic() - began
    assert 1 <= settled(site) - before <= 2 + seconds  # one a second


def test_a_flood_of_forged_deliveries_costs_no_look_and_good_ones_still_pass(site: Site) -> None:
    before = settled(site)
    replies = [site.deliver(delivery(secret="x" * 43)) for _ in range(100)]
    assert {reply.status_code for reply in replies} == {401, 429}
    assert replies[-1].json()["code"] == "too-many-failures"
    assert settled(site) == before
    assert site.deliver(delivery()).status_code == 202
    assert settled(site) == before + 1
