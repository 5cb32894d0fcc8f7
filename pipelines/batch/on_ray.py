"""Shards on a Ray cluster, whose machines share the folders of table and output.

Ray is imported when a run asks for it. It reports its use to its makers by default; here it does not.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecaster.errors import ConfigError, reason_of
from pipelines.batch.job import Done
from pipelines.batch.shards import maker_in
from pipelines.errors import BatchError

_AHEAD = 2  # shards given out per processor, so that none waits for its next one
_TRIES = 3  # more for a shard whose process or machine is lost


def make_on_ray(folder: Path, numbers: Sequence[int], num_processes: int, address: str | None) -> Iterator[Done]:
    """Makes shards as tasks of the cluster at `address`; yields what is known of each as it gets done, in any order.

    Without an address a cluster of `num_processes` worker processes is started on this machine, and ended after. A
    shard whose process is lost is made again by another one. ConfigError where Ray is not installed; the errors are
    those of shards, and BatchError (cluster-lost) where the cluster cannot be reached or loses a shard again and again.
    """
    ray = _imported()
    with _connected(ray, address, num_processes):
        num_ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        task = ray.remote(num_cpus=1, max_retries=_TRIES)(_make)
        left = iter(numbers)
        running: list[Any] = []
        while True:
            running += [task.remote(str(folder), number) for number in islice(left, num_ahead - len(running))]
            if not running:
                return
            ready, running = ray.wait(running)
            yield from (_result(ray, one) for one in ready)


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when a cluster is started
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        message = "--engine ray needs Ray, which is not installed: pip install 'forecaster[ray]'"
        raise ConfigError(message, code="ray-missing") from error


@contextmanager
def _connected(ray: Any, address: str | None, num_processes: int) -> Iterator[None]:
    """Is connected with a cluster; one of this run alone is gone after it, with its sockets and logs."""
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        own = {"num_cpus": num_processes, "include_dashboard": False, "_temp_dir": folder} if address is None else {}
        try:
            ray.init(address=address or "local", log_to_driver=False, configure_logging=False, **own)
        except Exception as error:  # a node that is slow to start is a plain Exception
            where = "on this machine" if address is None else f"at {address[:80]}"
            raise BatchError(f"there is no Ray cluster {where}: {str(error)[:200]}", code="cluster-lost") from error
        try:
            yield
        finally:
            ray.shutdown()


def _make(folder: str, number: int) -> Done:
    return maker_in(Path(folder)).make(number)


def _result(ray: Any, reference: Any) -> Done:
    try:
        done: Done = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        message = f"the cluster has lost a shard {_TRIES + 1} times: {reason_of(error)}"
        raise BatchError(message, code="cluster-lost") from error
    return done
