"""The door by which champions move: history and aliases say the same, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from forecaster.errors import ConfigError, LedgerUnavailableError
from forecaster.ledger.promotions import Kind
from pipelines.config import Environment
from pipelines.errors import RegistryError
from pipelines.promotion.champions import Cause, Champions, champions
from pipelines.promotion.promote import who_is_champion
from tests.pipelines.conftest import Model, Models

WHY = Cause("better", "a run")


class Broken:
    """A client of MLflow that is cut off after so many changes of aliases."""

    def __init__(self, client: MlflowClient, num_changes: int) -> None:
        self._client, self._left = client, num_changes

    def __getattr__(self, name: str) -> Any:
        if name.endswith("registered_model_alias"):
            self._left -= 1
            if self._left < 0:
                raise MlflowException("API request failed with exception HTTP: gone")
        return getattr(self._client, name)


@contextmanager
def cut_off(models: Models, num_changes: int) -> Iterator[Champions]:
    broken: Any = Broken(models.client, num_changes)
    with champions(models.environment, broken) as found:
        yield found


def test_a_promotion_moves_the_aliases_and_is_in_the_history(model: Model, door: Champions) -> None:
    door.replace(model.version(1), None, WHY)
    door.replace(model.version(2), model.version(1), Cause("even better"))
    assert model.aliases() == {"champion": 2, "previous": 1}
    first, second = model.history()
    assert (first.generation, first.kind, first.version, first.before) == (1, Kind.PROMOTE, 1, None)
    assert (second.generation, second.version, second.before, second.reason) == (2, 2, 1, "even better")
    assert (first.run_id, second.run_id, first.digest) == ("a run", None, f"sha256:{model.name} 1")
    assert "@" in first.actor
    assert first.written is not None
    assert first.created <= first.written <= second.created
    tags = model.home.client.get_model_version(model.name, "2").tags
    assert tags["promoted_because"] == "even better"


def test_who_was_compared_with_another_champion_is_refused(model: Model, door: Champions) -> None:
    door.move(model.version(1), WHY)
    door.move(model.version(2), WHY)
    with pytest.raises(RegistryError, match=r"the champion is .* version 2 now, .* compared with .* 1") as refused:
        door.replace(model.version(3), model.version(1), WHY)
    assert refused.value.code == "champion-moved"
    assert len(model.history()) == 2


def test_a_roll_back_returns_once_and_says_why(model: Model, door: Champions) -> None:
    model.by_hand("challenger", 2)
    door.move(model.version(1), WHY)
    door.move(model.version(2), WHY)
    door.roll_back(model.name, Cause("it is too slow"))
    assert model.aliases() == {"champion": 1}
    assert model.told()[-1] == ("roll back", 1, 2)
    assert model.home.client.get_model_version(model.name, "2").tags["rolled_back_because"] == "it is too slow"
    with pytest.raises(RegistryError, match="no previous champion"):
        door.roll_back(model.name, WHY)
    with pytest.raises(ConfigError, match="no name of a model"):
        door.roll_back("wa'ves", WHY)


def test_making_the_champion_champion_leaves_what_a_roll_back_returns_to(model: Model, door: Champions) -> None:
    for number in (1, 2, 2):
        door.move(model.version(number), WHY)
    assert model.aliases() == {"champion": 2, "previous": 1}


@pytest.mark.parametrize("num_changes", [0, 1])
@pytest.mark.parametrize("what", ["promotion", "roll back"])
def test_what_was_left_half_done_is_finished_by_the_next_who_comes(
    model: Model, door: Champions, models: Models, num_changes: int, what: str
) -> None:
    door.move(model.version(1), WHY)
    door.move(model.version(2), WHY)
    with cut_off(models, num_changes) as broken, pytest.raises(RegistryError, match="cannot be reached"):
        broken.roll_back(model.name, WHY) if what == "roll back" else broken.move(model.version(3), WHY)
    assert model.history()[-1].written is None
    assert model.aliases() != ({"champion": 1} if what == "roll back" else {"champion": 3, "previous": 2})
    champion = who_is_champion(models.environment, models.client, model.name)
    assert champion == model.version(1 if what == "roll back" else 3)
    assert model.aliases() == ({"champion": 1} if what == "roll back" else {"champion": 3, "previous": 2})
    last = model.history()[-1]
    assert (last.generation, last.is_taken_over) == (3, True)
    assert last.written is not None


def test_an_alias_moved_by_hand_is_taken_in_and_not_undone(model: Model, door: Champions) -> None:
    model.by_hand("champion", 1)
    assert door.settle(model.name).champion == model.version(1)
    model.by_hand("champion", 3)
    door.replace(model.version(2), model.version(3), WHY)
    assert model.told() == [("found", 1, None), ("found", 3, 1), ("promote", 2, 3)]
    model.by_hand("champion", None)
    assert door.settle(model.name).champion is None
    assert model.told()[-1] == ("found", None, 2)


def test_a_roll_back_returns_to_what_was_there_before_a_move_by_hand(model: Model, door: Champions) -> None:
    door.move(model.version(1), WHY)
    model.by_hand("champion", 3)
    door.roll_back(model.name, WHY)
    assert model.aliases() == {"champion": 1}


def test_after_the_champion_was_deleted_another_one_can_be_chosen_by_hand(
    model: Model, door: Champions, models: Models
) -> None:
    door.move(model.version(1), WHY)
    door.move(model.version(3), WHY)
    models.client.delete_model_version(model.name, "3")
    model.by_hand("champion", 2)
    assert door.settle(model.name).champion == model.version(2)
    assert model.aliases() == {"champion": 2}  # there is no 3 any more that a roll back could return to
    door.move(model.version(1), WHY)
    door.roll_back(model.name, WHY)
    assert model.aliases() == {"champion": 2}


def test_a_version_that_was_deleted_meanwhile_is_not_waited_for(model: Model, door: Champions, models: Models) -> None:
    door.move(model.version(1), WHY)
    with cut_off(models, 0) as broken, pytest.raises(RegistryError):
        broken.move(model.version(2), WHY)
    models.client.delete_model_version(model.name, "2")
    assert door.settle(model.name).champion == model.version(1)
    assert model.told() == [("promote", 1, None), ("promote", 2, 1), ("found", 1, 2)]
    with pytest.raises(RegistryError, match=r"has no .* version 2 any more"):
        door.move(model.version(2), WHY)


def test_what_was_rolled_back_automatically_takes_new_training(model: Model, door: Champions) -> None:
    door.move(model.version(1), WHY)
    promotion = door.replace(model.version(2), model.version(1), WHY)
    undone = door.undo(promotion, Cause("worse"))
    assert (undone.kind, undone.version, model.aliases()) == (Kind.AUTOMATIC, 1, {"champion": 1})
    with pytest.raises(RegistryError, match="was rolled back automatically: worse") as refused:
        door.replace(model.version(2), model.version(1), WHY)
    assert refused.value.code == "rolled-back"
    with pytest.raises(RegistryError, match="has moved since"):
        door.undo(promotion, Cause("worse"))
    door.replace(model.version(3), model.version(1), WHY)
    door.move(model.version(2), Cause("somebody wants it all the same"))
    assert model.aliases() == {"champion": 2, "previous": 3}


def test_without_a_ledger_it_is_said_at_once(models: Models, model: Model) -> None:
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere?connect_timeout=1"
    environment = Environment(home=models.environment.home, tracking_uri="", ledger_url=url)
    with pytest.raises(LedgerUnavailableError, match="cannot be"):
        who_is_champion(environment, models.client, model.name)


@pytest.mark.stack
def test_who_loses_the_lock_and_writes_late_sets_right_what_that_has_done(
    models: Models, model: Model, postgres_url: str
) -> None:
    """A promoter's connection dies while its write to MLflow is under way; another is faster; the late write comes."""
    given = models.environment.model_dump() | {"ledger_url": postgres_url}
    environment = Environment.model_validate(given)
    with champions(environment, models.client) as other:
        other.move(model.version(1), WHY)

        class Late(Broken):
            def __getattr__(self, name: str) -> Any:
                if name == "set_registered_model_alias":
                    return self._set
                return getattr(self._client, name)

            def _set(self, name: str, alias: str, number: str) -> None:
                if (alias, number) == ("champion", "2") and self._left:
                    self._left = 0
                    _cut_others(postgres_url)
                    other.replace(model.version(3), model.version(2), Cause("faster"))
                self._client.set_registered_model_alias(name, alias, number)

        late: Any = Late(models.client, 1)
        with champions(environment, late) as slow:
            slow.replace(model.version(2), model.version(1), WHY)
        history = other.settle(model.name).history
    assert [(move.kind.value, move.version) for move in history] == [("promote", 1), ("promote", 2), ("promote", 3)]
    assert [move.is_taken_over for move in history][:2] == [False, True]
    assert model.aliases() == {"champion": 3, "previous": 2}


def _cut_others(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        )
    engine.dispose()
