"""Deliveries: good once, for five minutes, if our secret has signed all of it; and never much is remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from forecaster.errors import ConfigError
from service.access import deliveries
from service.access.deliveries import WINDOW_SECONDS, Deliveries
from service.settings import Settings, read_settings
from tests.service.deliveries import BODY, SECRET, delivery, signature
from tests.service.fakes import FakeClock

NOW = 1_800_000_000


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.now = float(NOW)
    return clock


@pytest.fixture
def known(clock: FakeClock) -> Deliveries:
    return Deliveries(SECRET.encode(), clock)


def headers(identity: str = "one", timestamp: object = NOW, body: bytes = BODY, secret: str = SECRET) -> Headers:
    return Headers(delivery(body, identity=identity, timestamp=timestamp, secret=secret))


def test_a_delivery_is_good_once(known: Deliveries, clock: FakeClock) -> None:
    assert known.reason_against(headers(), BODY) is None
    assert known.reason_against(headers(), BODY) == "replayed"
    clock.now += WINDOW_SECONDS
    assert known.reason_against(headers(), BODY) == "replayed"
    assert known.reason_against(headers("other"), BODY) is None


def test_mlflow_signs_as_these_tests_do() -> None:
    from mlflow.webhooks.delivery import _generate_hmac_signature

    assert _generate_hmac_signature(SECRET, "one", str(NOW), BODY.decode()) == signature("one", NOW)


@pytest.mark.parametrize(
    ("age", "reason"), [(-301, "expired"), (-300, None), (0, None), (300, None), (301, "expired"), (NOW, "expired")]
)
def test_a_delivery_is_good_for_five_minutes_either_way(known: Deliveries, age: int, reason: str | None) -> None:
    assert known.reason_against(headers(timestamp=NOW - age), BODY) == reason


@pytest.mark.parametrize(
    ("given", "body", "reason"),
    [
        (headers(secret="x" * 43), BODY, "wrong-signature"),
        (headers(), BODY + b" ", "wrong-signature"),
        (headers(), BODY.replace(b'"2"', b'"1"'), "wrong-signature"),
        (headers(), b"", "wrong-signature"),
        (Headers({**headers(), "x-mlflow-timestamp": str(NOW + 1)}), BODY, "wrong-signature"),
        (Headers({**headers(), "x-mlflow-delivery-id": "other"}), BODY, "wrong-signature"),
        (Headers({**headers(), "x-mlflow-signature": signature("one", NOW)[:-4]}), BODY, "wrong-signature"),
        (Headers({**headers(), "x-mlflow-signature": "v1,"}), BODY, "wrong-signature"),
        (Headers({**headers(), "x-mlflow-signature": signature("one", NOW)[3:]}), BODY, "malformed"),
        (Headers({**headers(), "x-mlflow-signature": "v2" + signature("one", NOW)[2:]}), BODY, "malformed"),
        (Headers({**headers(), "x-mlflow-signature": "v1,????"}), BODY, "malformed"),
        (Headers({**headers(), "x-mlflow-signature": "v1,\xff"}), BODY, "malformed"),
        (headers(""), BODY, "malformed"),
        (headers("a" * 65), BODY, "malformed"),
        (headers("one.two"), BODY, "malformed"),
        (headers("one two"), BODY, "malformed"),
        (headers(timestamp=""), BODY, "malformed"),
        (headers(timestamp=f"{NOW}.5"), BODY, "malformed"),
        (headers(timestamp=f"-{NOW}"), BODY, "malformed"),
        (headers(timestamp="9" * 13), BODY, "malformed"),
        (headers(timestamp="\xb2"), BODY, "malformed"),
        (Headers(raw=headers().raw * 2), BODY, "malformed"),
        (Headers({}), BODY, "missing"),
        *(
            (Headers(raw=[one for one in headers().raw if name not in one[0]]), BODY, "missing")
            for name in (b"delivery-id", b"timestamp", b"signature")
        ),
    ],
    ids=range(26),
)
def test_what_is_wrong_with_a_delivery_is_found(known: Deliveries, given: Headers, body: bytes, reason: str) -> None:
    assert known.reason_against(given, body) == reason
    assert known.reason_against(headers(), BODY) is None  # and nothing of it was remembered


def test_a_part_of_the_id_cannot_pass_for_a_part_of_the_time(known: Deliveries) -> None:
    """Where one ends and the other begins is signed by the dot alone."""
    body = b"1800000000.x"
    stolen = signature("one", NOW, body)
    moved = Headers(
        {"x-mlflow-delivery-id": f"one.{NOW}", "x-mlflow-timestamp": str(NOW), "x-mlflow-signature": stolen}
    )
    assert stolen == signature(f"one.{NOW}", NOW, b"x")
    assert known.reason_against(moved, b"x") == "malformed"


def test_no_delivery_is_good_twice_however_many_come(
    known: Deliveries, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_MAX_REMEMBERED", 10)
    first = [headers(f"a{number}", NOW - number % 5) for number in range(10)]
    assert [known.reason_against(one, BODY) for one in first] == [None] * 10
    later = [headers(f"b{number}", NOW + 1) for number in range(20)]
    assert [known.reason_against(one, BODY) for one in later] == [None] * 10 + [None] + ["expired"] * 9
    assert all(known.reason_against(one, BODY) is not None for one in (*first, *later))
    assert len(known._ids) == len(known._by_age) <= 11
    clock.now += 2
    assert known.reason_against(headers("c", NOW + 2), BODY) is None


def test_what_is_too_old_to_be_good_is_forgotten(known: Deliveries, clock: FakeClock) -> None:
    for number in range(50):
        assert known.reason_against(headers(f"a{number}", int(clock.now)), BODY) is None
        clock.now += WINDOW_SECONDS + 1
    assert len(known._ids) == len(known._by_age) == 1


def test_a_clock_that_is_set_back_makes_no_delivery_good_again(known: Deliveries, clock: FakeClock) -> None:
    assert known.reason_against(headers(), BODY) is None
    clock.now += WINDOW_SECONDS + 1
    assert known.reason_against(headers("other", NOW + WINDOW_SECONDS), BODY) is None
    clock.now = float(NOW)
    assert known.reason_against(headers(), BODY) == "expired"


# Where the secret is.


def test_without_a_secret_there_are_no_deliveries() -> None:
    assert Deliveries.of(Settings()) is None


def in_settings(_: Path) -> Settings:
    return Settings(webhook_secret=SECRET)


def in_a_file(folder: Path) -> Settings:
    path = folder / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return Settings(webhook_secret_file=path)


@pytest.mark.parametrize("settings", [in_settings, in_a_file])
def test_the_secret_is_read(tmp_path: Path, settings: Callable[[Path], Settings]) -> None:
    found = Deliveries.of(settings(tmp_path))
    assert found is not None
    assert found.reason_against(Headers(delivery()), BODY) is None
    assert SECRET not in repr(settings(tmp_path))


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [(SECRET, 0o644, "has mode 0644"), ("w" * 31, 0o600, "has 31 bytes, at least 32"), (None, 0, "is missing")],
)
def test_a_file_without_a_good_secret_ends_the_start(
    tmp_path: Path, content: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=message):
        Deliveries.of(Settings(webhook_secret_file=path))


def test_a_weak_secret_and_two_secrets_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"webhook_secret: .*openssl rand") as caught:
        read_settings({"webhook_secret": "guess-me"})
    assert "guess-me" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"webhook_secret_file: .*one of them is enough"):
        read_settings({"webhook_secret": SECRET, "webhook_secret_file": Path("x")})
