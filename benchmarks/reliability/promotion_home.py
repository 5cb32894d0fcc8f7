"""A home whose registry holds a model with versions that are names only, and processes that move its champion.

Processes are forked from one that has everything imported and no connection open, so that they are there at once.
"""

from __future__ import annotations

import json
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from mlflow import MlflowClient

from forecaster.bundle import DIGEST_TAG
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Move, history
from forecaster.ledger.tables import promotions
from forecaster.ledger.upgrade import upgrade
from pipelines import registry, tracking
from pipelines.config import Environment

MODEL = "waves"


@dataclass(frozen=True)
class Home:
    """Where the registry and the history are; `client` and `ledger` may be used in forked processes alone."""

    environment: Environment
    client: MlflowClient
    ledger: Ledger

    @property
    def registry_file(self) -> Path:
        """The file of the registry, where it is one."""
        return Path(self.environment.tracking_uri.removeprefix("sqlite:///"))

    def champion(self) -> int | None:
        """Gives who is champion, as readers see it."""
        return self.aliases().get(registry.CHAMPION)

    def aliases(self) -> dict[str, int]:
        """Gives the version behind each alias."""
        return {name: version.number for name, version in registry.aliases(self.client, MODEL).items()}

    def history(self) -> list[Move]:
        """Gives all moves of the model."""
        with self.ledger.reading() as connection:
            return history(connection, MODEL)

    def forget(self, generation: int) -> None:
        """Takes the moves after a generation out of the history."""
        with self.ledger.writing() as connection:
            connection.execute(sa.delete(promotions).where(promotions.c.generation > generation))


@contextmanager
def home_with_versions(num_versions: int, ledger_url: str = "", registry_url: str = "") -> Iterator[Home]:
    """Makes a home, in SQLite unless told otherwise; removed at the end."""
    # No connection outlives a call, so that none is in two processes after a fork.
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    with tempfile.TemporaryDirectory(prefix="forecaster-promotion-") as folder:
        home = Path(folder)
        given = {"ledger_url": ledger_url} if ledger_url else {}
        uri = registry_url or f"sqlite:///{home / 'mlflow.db'}"
        environment = Environment(home=home, tracking_uri=uri, **given)
        client = tracking.connect(environment)
        client.create_registered_model(MODEL)
        for _ in range(num_versions):
            version = client.create_model_version(MODEL, source="file:///nowhere").version
            client.set_model_version_tag(MODEL, version, DIGEST_TAG, f"sha256:{version}")
        (home / "ledger").mkdir()
        ledger = Ledger(environment.ledger_url)
        upgrade(ledger)
        found = Home(environment, client, ledger)
        found.forget(0)
        ledger.close()  # its pool is empty now, and may be filled anew
        yield found
        ledger.close()


def forked(task: Callable[[], object]) -> int:
    """Begins a task in a process of its own and gives its id; it exits with 0, or 1 for an error."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        task()
        code = 0
    except Exception:  # noqa: BLE001 - of whatever kind, the process ends here and says so
        traceback.print_exc()
    finally:
        os._exit(code)


def asked(task: Callable[[], Any]) -> Any:
    """Gives what a task gives, JSON-safe, that is done in a process of its own."""
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, json.dumps(task()).encode())

    pid = forked(tell)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, "a forked process failed"
    return json.loads(content)


def is_linear(moves: list[Move]) -> bool:
    """Says whether generations ascend by one and each move begins where the one before has ended."""
    generations = [move.generation for move in moves] == list(range(1, len(moves) + 1))
    return generations and all(move.before == earlier.version for earlier, move in pairwise(moves))
