"""The one door by which the alias `champion` moves, for whoever promotes and whoever rolls back.

The history in the ledger is the truth, the registry's aliases are a copy of it. Whoever moves a champion holds the
model, makes both say the same (`settling`), adds a move, tells the registry, and notes that it was told. Killed at any
point it leaves the champion of before or the new one, and the next who comes finishes.
"""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import sqlalchemy as sa
from mlflow import MlflowClient

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger import promotions
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Kind, Move
from pipelines import registry
from pipelines.config import Environment
from pipelines.errors import RegistryError
from pipelines.ledger import opened_ledger
from pipelines.promotion.settling import Next, undone_automatically, unsettled
from pipelines.registry import CHALLENGER, CHAMPION, PREVIOUS, Version

log = logging.getLogger("pipelines.promotion.champions")

Clock = Callable[[], int]  # microseconds since 1970, UTC


@dataclass(frozen=True)
class Cause:
    """Why a champion moves, and which run has found that."""

    reason: str
    run_id: str | None = None


@dataclass(frozen=True)
class State:
    """What is known of a model while it is held: its history, and the version behind each alias."""

    model: str
    history: Sequence[Move]
    aliases: dict[str, int]

    @property
    def last(self) -> Move | None:
        """The newest move."""
        return self.history[-1] if self.history else None

    @property
    def number(self) -> int | None:
        """The number of the champion, None for nobody."""
        return None if self.last is None else self.last.version

    @property
    def champion(self) -> Version | None:
        """Who is champion."""
        return None if self.number is None else Version(self.model, self.number)


class Champions:
    """Moves champions. Raises RegistryError and LedgerError where that cannot be."""

    def __init__(self, client: MlflowClient, ledger: Ledger, clock: Clock = now_microseconds) -> None:
        """Writes times by `clock`."""
        self._client, self._ledger, self._clock = client, ledger, clock

    def settle(self, model: str) -> State:
        """Finishes what somebody has left undone, takes in what was moved by hand, and gives what is so now."""
        with self._held(model) as (_, state):
            return state

    def replace(self, version: Version, champion: Version | None, cause: Cause) -> Move:
        """Makes `version` the champion in the place of `champion`, which it was compared with.

        Raises RegistryError where another version has become champion in the meantime ('champion-moved'), and where
        `version` was rolled back automatically ('rolled-back').
        """

        def choose(state: State) -> Next:
            if state.champion != champion:
                raise RegistryError(
                    f"the champion is {state.champion} now, and {version} was compared with {champion}: "
                    "compare it again",
                    code="champion-moved",
                )
            undone = self.undone(state, version)
            if undone is not None:
                raise RegistryError(undone, code="rolled-back")
            return _crowned(state, version)

        return self._made(version.name, choose, cause)

    def undone(self, state: State, version: Version) -> str | None:
        """Says that a version was rolled back automatically, if so: only new training makes another one of it."""
        undone = undone_automatically(state.history, version.number, self._digest(version))
        return None if undone is None else f"{version} was rolled back automatically: {undone.reason}"

    def move(self, version: Version, cause: Cause) -> Move:
        """Makes `version` the champion, whichever is."""
        return self._made(version.name, lambda state: _crowned(state, version), cause)

    def roll_back(self, model: str, cause: Cause) -> Move:
        """Makes `previous` the champion again and takes that alias away, so that a second call cannot undo the first.

        Nor is the version that is rolled back the challenger any more, which the next promotion would look at.
        """
        registry.check_name(model)

        def choose(state: State) -> Next:
            target = state.aliases.get(PREVIOUS)
            if target is None:
                message = f"model {model!r} has no previous champion to roll back to"
                raise RegistryError(message, code="alias-missing")
            return Next(Kind.ROLL_BACK, target, state.number, None)

        return self._made(model, choose, cause)

    def undo(self, promotion: Move, cause: Cause) -> Move:
        """Rolls a promotion back automatically.

        Raises RegistryError where it is not the newest move any more ('champion-moved'), or nothing is to return to.
        """

        def choose(state: State) -> Next:
            last = state.last
            if last is None or last.generation != promotion.generation:
                raise RegistryError(f"the champion of {promotion.model!r} has moved since", code="champion-moved")
            if last.before is None:
                raise RegistryError(f"{promotion.model!r} had no champion before", code="alias-missing")
            return Next(Kind.AUTOMATIC, last.before, last.version, None)

        return self._made(promotion.model, choose, cause)

    def _made(self, model: str, choose: Callable[[State], Next], cause: Cause) -> Move:
        """Makes the move that `choose` gives, and tells the registry."""
        with self._held(model) as (connection, state):
            move = self._added(connection, state, choose(state), cause)
            # Whoever loses the connection has lost the lock, and may have written after others who had it then.
            with suppress(LedgerUnavailableError):
                self._tell(connection, move, state.aliases)
                return move
        log.warning("lock_lost", extra={"fields": {"model": model, "generation": move.generation}})
        self.settle(model)
        return move

    @contextmanager
    def _held(self, model: str) -> Iterator[tuple[sa.Connection, State]]:
        """Holds a model, settled."""
        with promotions.held(self._ledger, model) as connection:
            yield connection, self._settled(connection, model)

    def _settled(self, connection: sa.Connection, model: str) -> State:
        history = promotions.history(connection, model)
        aliases = {name: version.number for name, version in registry.aliases(self._client, model).items()}
        state = State(model, history, aliases)
        found = unsettled(history, aliases, self._clock())
        if isinstance(found, Move) and found.version is not None:
            digest = registry.digest_of(self._client, Version(model, found.version))
            if digest != found.digest:  # it was deleted; another may have its number
                found = Next(Kind.FOUND, aliases.get(CHAMPION), found.version, aliases.get(PREVIOUS))
        if found is None:
            return state
        is_taken_over = isinstance(found, Move) and (found.is_taken_over or found.written is None)
        if isinstance(found, Next):
            cause = Cause("somebody has moved the alias in the registry" if history else "the history begins here")
            found = self._added(connection, state, found, cause)
        self._tell(connection, found, aliases, is_taken_over=is_taken_over)
        log.info("champion_settled", extra={"fields": {"model": model, "generation": found.generation}})
        return self._settled(connection, model)

    def _added(self, connection: sa.Connection, state: State, chosen: Next, cause: Cause) -> Move:
        move = Move(
            model=state.model,
            generation=len(state.history) + 1,
            **vars(chosen),
            digest="" if chosen.version is None else self._digest(Version(state.model, chosen.version)),
            reason=cause.reason,
            actor=_actor(),
            run_id=cause.run_id,
            created=self._clock(),
        )
        promotions.add(connection, move)
        return move

    def _tell(
        self, connection: sa.Connection, move: Move, aliases: dict[str, int], *, is_taken_over: bool = False
    ) -> None:
        """Tells the registry of a move, each time only while the lock is ours, and notes that it was told."""
        wanted: dict[str, int | None] = {PREVIOUS: move.previous, CHAMPION: move.version}
        if move.kind in (Kind.ROLL_BACK, Kind.AUTOMATIC) and aliases.get(CHALLENGER) == move.before:
            wanted[CHALLENGER] = None
        self._note(move)
        if move.previous not in (None, aliases.get(PREVIOUS)) and not self._is_there(move.model, move.previous):
            wanted[PREVIOUS] = None  # it was deleted meanwhile: nothing is left to return to
        for alias, number in wanted.items():
            if aliases.get(alias) != number:
                promotions.check(connection)
                registry.point(self._client, move.model, alias, number)
        promotions.mark_written(connection, move, self._clock(), is_taken_over=is_taken_over)

    def _note(self, move: Move) -> None:
        """Notes the reason at the version that it is about."""
        number, tag = (
            (move.version, "promoted_because") if move.kind == Kind.PROMOTE else (move.before, "rolled_back_because")
        )
        if number is not None and move.kind != Kind.FOUND:
            registry.note(self._client, Version(move.model, number), tag, move.reason)

    def _is_there(self, model: str, number: int) -> bool:
        return registry.digest_of(self._client, Version(model, number)) is not None

    def _digest(self, version: Version) -> str:
        digest = registry.digest_of(self._client, version)
        if digest is None:
            raise RegistryError(f"MLflow has no {version} any more", code="version-missing")
        return digest


@contextmanager
def champions(environment: Environment, client: MlflowClient, clock: Clock = now_microseconds) -> Iterator[Champions]:
    """Opens the door; LedgerUnavailableError where the ledger cannot be reached."""
    with opened_ledger(environment) as ledger:
        yield Champions(client, ledger, clock)


def history(environment: Environment, model: str) -> list[Move]:
    """Gives all moves of a model, the first one first; looks at the ledger alone."""
    registry.check_name(model)
    with opened_ledger(environment) as ledger, ledger.reading() as connection:
        return promotions.history(connection, model)


def _crowned(state: State, version: Version) -> Next:
    before = state.number
    previous = state.aliases.get(PREVIOUS) if before in (None, version.number) else before
    return Next(Kind.PROMOTE, version.number, before, previous)


def _actor() -> str:
    """Gives user and machine."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{os.uname().nodename}"[:256]
