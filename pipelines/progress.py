"""What is told of a training while it goes on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

log = logging.getLogger("pipelines.progress")

_ENDING = (signal.SIGINT, signal.SIGTERM)


def log_progress(metrics: Mapping[str, float], step: int) -> None:
    """Logs metrics of a training to the active run; an outage costs them, not the training."""
    import mlflow
    from mlflow.exceptions import MlflowException

    is_file = mlflow.get_tracking_uri().startswith("sqlite")  # writing to one takes moments, unlike to a server
    try:
        with _interrupts_held_back() if is_file else nullcontext():
            mlflow.log_metrics(dict(metrics), step=step)
    except (MlflowException, ConnectionError) as error:
        log.warning("metrics_not_logged", extra={"fields": {"step": step, "reason": type(error).__name__}})


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Has a signal that ends the process wait for the end of the block.

    SQLite may stay locked while the traceback of an exception lives that broke off a write: that the run has ended
    could not be written then.
    """
    if threading.current_thread() is not threading.main_thread():  # signals come in the main thread alone
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
