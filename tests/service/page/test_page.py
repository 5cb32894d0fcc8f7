"""The page as it is served: files, headers, what is public, and that it asks nobody else for anything."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.page.files import page_files
from service.settings import Settings
from tests.service.factories import on_a_socket
from tests.service.page.examples import EXAMPLES, FOLDER

OWN = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that asks for keys, without any model."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), registry_uri="http://127.0.0.1:1", port=0)
    with on_a_socket(create_app(settings), settings) as found:
        yield found


def address(name: str) -> str:
    return f"/page/{page_files().digest}/{name}"


def test_the_page_is_there_before_any_model_and_without_a_key(client: httpx.Client) -> None:
    reply = client.get("/")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'data-asks-for-key="yes"' in reply.text
    assert "{{" not in reply.text


def test_the_page_is_never_kept_and_may_run_nothing_that_is_not_its_own(client: httpx.Client) -> None:
    headers = client.get("/").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("frame-ancestors") == policy.pop("base-uri") == "'none'"
    assert policy.pop("form-action") == "'none'"
    assert set(policy.values()) == {"'self'"}


@pytest.mark.parametrize("name", [*OWN, "chart.js"])
def test_a_file_may_be_kept_for_good_and_comes_compressed_or_not(client: httpx.Client, name: str) -> None:
    whole = client.get(address(name), headers={"Accept-Encoding": "identity"})
    packed = client.get(address(name), headers={"Accept-Encoding": "gzip, br"})
    assert (whole.status_code, packed.status_code) == (200, 200)
    assert whole.content == packed.content == page_files().files[name].content
    assert "content-encoding" not in whole.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(gzip.compress(whole.content, mtime=0))
    for reply in (whole, packed):
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (reply.headers["vary"], reply.headers["x-content-type-options"]) == ("Accept-Encoding", "nosniff")


@pytest.mark.parametrize(
    "path",
    ["/page/0000000000000000/app.js", address("nothing.js"), address("..%2ffiles.py"), address("%2e%2e/paths.py")],
)
def test_no_other_file_is_given_out_and_none_under_another_digest(client: httpx.Client, path: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.json()["code"]) == (404, "not-found")
    assert reply.headers["cache-control"] == "no-store"


def test_a_service_without_keys_says_so(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", authentication=False, port=0)
    with on_a_socket(create_app(settings), settings) as found:
        assert 'data-asks-for-key="no"' in found.get("/").text


@pytest.mark.parametrize("name", [name for name in OWN if not name.endswith(".csv")])
def test_nothing_on_the_page_is_of_another_origin_or_set_as_markup(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\son\w+=|style=", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_end_of_the_table_of_the_demo(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == EXAMPLES[name]()
