"""Signals that come while a metric is written to a file wait until it is; others come at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import mlflow
import pytest

from pipelines.progress import log_progress


class Signalled(BaseException):
    """What the handler of a signal raises."""


def raising(_number: int, _frame: FrameType | None) -> None:
    raise Signalled


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], autouse=True)
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    before = signal.signal(request.param, raising)
    yield request.param
    assert signal.signal(request.param, before) is raising


def writing_to(uri: str, number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has metrics be written in two parts, between which a signal comes; gives the steps written whole."""
    written: list[int] = []

    def write(_: dict[str, float], step: int) -> None:
        signal.raise_signal(number)
        written.append(step)

    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: uri)
    monkeypatch.setattr(mlflow, "log_metrics", write)
    return written


def test_a_file_is_written_whole_before_the_signal_ends_the_training(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = writing_to("sqlite:///mlflow.db", number, monkeypatch)
    with pytest.raises(Signalled):
        log_progress({"loss": 1.0}, 7)
    assert written == [7]


def test_a_server_that_may_not_answer_is_not_waited_for(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writing_to("http://mlflow", number, monkeypatch)
    with pytest.raises(Signalled):
        log_progress({"loss": 1.0}, 7)
    assert written == []


def test_a_training_in_a_thread_logs_too(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "sqlite:///mlflow.db")
    monkeypatch.setattr(mlflow, "log_metrics", lambda _, step: written.append(step))
    thread = threading.Thread(target=log_progress, args=({"loss": 1.0}, 7))
    thread.start()
    thread.join()
    assert written == [7]
