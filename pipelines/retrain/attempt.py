"""A slot is carried on: from begun to its outcome, or as far as it goes while MLflow is away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from mlflow import MlflowClient

from forecaster.cli import exit_code
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, DataError, ForecasterError, LedgerError
from forecaster.ledger.slot import Slot, SlotState
from forecaster.ledger.slots import Slots
from pipelines import registry, tracking
from pipelines.config import Environment, PipelineConfig
from pipelines.errors import RegistryError
from pipelines.loading import load, load_for
from pipelines.promotion.champions import history
from pipelines.promotion.promote import Promotion, complete_outcome, promote, who_is_champion
from pipelines.registry import Version
from pipelines.retrain.contract import ContractError, Profile, check, num_new_values
from pipelines.retrain.spool import SLOT_TAG, Spool
from pipelines.retrain.times import microseconds_of, shown, to_microseconds
from pipelines.retrain.upload import registered, upload
from pipelines.start import begin

MOST_ATTEMPTS = 10  # then whatever ends its process is in the training
_MOST_DECISIONS = 3
_AWAY = "registry-away"


@dataclass
class Attempts:
    """Carries slots of one model on. Whoever calls holds the lock of the model."""

    environment: Environment
    config: PipelineConfig  # as it was written, without what a start settles
    slots: Slots
    clock: Callable[[], datetime]
    show_progress: bool = False
    _panels: dict[str, Panel] = field(default_factory=dict)  # by slot

    def __post_init__(self) -> None:
        self._spool = Spool(self.environment)

    def carry_on(self, slot: Slot) -> Slot:
        """Gives the slot as it is then: with its outcome, or open, and its reason says what it waits for.

        LedgerError where nothing can be written down. An error that nobody expected ends the slot and is raised.
        """
        marks = {SLOT_TAG: slot.slot_id, "slot_at": shown(slot.at) or "", "slot_cause": slot.cause}
        try:
            with tracking.marked(marks):
                for state, step in self._steps().items():
                    if slot.state is state:
                        slot = step(slot)
        except LedgerError:
            raise
        except ForecasterError as error:
            slot = self._stopped(self._now_known(slot), error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:500]
            self._ended(self._now_known(slot), SlotState.FAILED, reason, code="internal", exit_code=1)
            raise
        return slot

    def _steps(self) -> dict[SlotState, Callable[[Slot], Slot]]:
        return {
            SlotState.BEGUN: self._train,
            SlotState.TRAINED: self._upload,
            SlotState.REGISTERED: self._decide,
        }

    def _train(self, slot: Slot) -> Slot:
        if self._spool.found(slot.slot_id) is not None:  # it was killed before it could say so
            return self.slots.change(slot, SlotState.TRAINED)
        if slot.attempts >= MOST_ATTEMPTS:
            reason = f"its training was begun {slot.attempts} times and ended in none of them"
            return self._ended(slot, SlotState.FAILED, reason, code="given-up", exit_code=5)
        begun = begin(self.environment, self.config)
        loaded = load(begun.config.source, begun.config.table)
        last = self._last_profile()
        slot = self._held_to_contract(slot, loaded.panel, last)
        num_new = None if last is None else num_new_values(loaded.panel, last)
        if num_new is not None and num_new < self.config.retrain.min_new_values:
            reason = f"{num_new} values are newer than the last run, {self.config.retrain.min_new_values} are wanted"
            return self._ended(slot, SlotState.NOT_DUE, reason)
        profile = Profile.of(loaded.panel).model_dump(mode="json")
        slot = self.slots.change(slot, SlotState.BEGUN, attempts=slot.attempts + 1, profile=profile)
        self._spool.train(slot.slot_id, begun.config, loaded, begun.start, show_progress=self.show_progress)
        self._panels[slot.slot_id] = loaded.panel
        return self.slots.change(slot, SlotState.TRAINED)

    def _last_profile(self) -> Profile | None:
        last = self.slots.last_trained(self.config.name)
        return None if last is None or last.profile is None else Profile.model_validate(last.profile)

    def _held_to_contract(self, slot: Slot, panel: Panel, last: Profile | None) -> Slot:
        """Writes down what the contract found. ContractError, with all that is wrong, where it is not kept."""
        checks = check(panel, self.config.retrain.contract, last, self.clock())
        slot = self.slots.change(slot, SlotState.BEGUN, report={"contract": [asdict(one) for one in checks]})
        failed = [one.finding for one in checks if not one.passed]
        if failed:
            raise ContractError("; ".join(failed))
        return slot

    def _upload(self, slot: Slot) -> Slot:
        found = upload(self.environment, self._client(), self.config, self._spool, slot.slot_id)
        if found is None:
            return self._trained_again(slot)
        facts = {"run_id": found.run_id, "version": found.version.number, "reason": "", "code": None}
        slot = self.slots.change(slot, SlotState.REGISTERED, **facts)
        self._spool.clear(slot.slot_id, self.config.name)
        return slot

    def _trained_again(self, slot: Slot) -> Slot:
        """Trains anew what lies in the home of another machine, which may be gone, or nowhere any more."""
        reason = "what was trained for it is not in this home"
        slot = self._train(self.slots.change(slot, SlotState.BEGUN, reason=reason))
        return self._upload(slot) if slot.state is SlotState.TRAINED else slot

    def _decide(self, slot: Slot) -> Slot:
        client = self._client()
        version = registered(client, self.config.name, slot.slot_id)
        if version is None:
            raise RegistryError(f"version {slot.version} of this slot is not in the registry", code="version-missing")
        if who_is_champion(self.environment, client, version.name) == version:
            complete_outcome(self.environment, client, version)
            return self._ended(
                slot, SlotState.PROMOTED, "it is the champion; it was promoted when this could not be written down"
            )
        promotion = self._promoted(client, slot, version)
        decision = promotion.decision
        scores = {role: found.scores.as_metrics() for role, found in promotion.evaluations.items()}
        report = {**(slot.report or {}), "policy": [asdict(one) for one in decision.checks], "scores": scores}
        state = SlotState.PROMOTED if decision.promote else SlotState.NOT_PROMOTED
        return self._ended(slot, state, decision.reason, report=report)

    def _promoted(self, client: MlflowClient, slot: Slot, version: Version) -> Promotion:
        """Compares and promotes; again where another version has become champion meanwhile."""
        panel = self._panels.pop(slot.slot_id, None)
        if panel is None:
            bundle = registry.load(version, self.environment.verifying_keys)
            panel = load_for([bundle], self.config.source, self.config.table).panel
        clock = partial(microseconds_of, self.clock)
        for _ in range(_MOST_DECISIONS - 1):
            try:
                return promote(self.environment, client, self.config, panel, version, clock=clock)
            except RegistryError as error:
                if error.code != "champion-moved":
                    raise
        return promote(self.environment, client, self.config, panel, version, clock=clock)

    def _client(self) -> MlflowClient:
        """Gives a client of MLflow. RegistryError at once where it does not answer."""
        if not tracking.answers(self.environment):
            raise RegistryError("MLflow does not answer", code=_AWAY)
        return tracking.connect(self.environment)

    def _now_known(self, slot: Slot) -> Slot:
        """Gives the slot as the ledger has it, after steps that were not given back."""
        return next((one for one in self.slots.open(slot.model) if one.slot_id == slot.slot_id), slot)

    def _stopped(self, slot: Slot, error: ForecasterError) -> Slot:
        """Says what a slot waits for, or ends it."""
        if self._may_pass(slot, error):
            wanted = "upload" if slot.state is SlotState.TRAINED else "MLflow"
            return self.slots.change(slot, slot.state, reason=f"waits for {wanted}: {error}"[:500], code=error.code)
        is_data = slot.state is SlotState.BEGUN and isinstance(error, DataError)
        state = SlotState.CONTRACT_FAILED if is_data else SlotState.FAILED
        return self._ended(slot, state, str(error), code=error.code, exit_code=exit_code(error))

    def _may_pass(self, slot: Slot, error: ForecasterError) -> bool:
        """Says whether to try again later: while MLflow is away, and as long as what was trained is not uploaded, or
        was promoted without the registry knowing.
        """
        if slot.state is SlotState.TRAINED:
            return isinstance(error, RegistryError | ConfigError)
        is_away = error.code == _AWAY or not tracking.answers(self.environment)
        return isinstance(error, RegistryError) and (is_away or self._is_to_be_told(slot))

    def _is_to_be_told(self, slot: Slot) -> bool:
        """Says whether the version of a slot was promoted, and the registry has not been told."""
        moves = history(self.environment, slot.model)
        return bool(moves) and moves[-1].written is None and moves[-1].version == slot.version

    def _ended(self, slot: Slot, state: SlotState, reason: str, **facts: Any) -> Slot:
        """Writes the outcome down: at its run first, as only the ledger says that nothing is left to do."""
        if slot.run_id is not None:
            with suppress(RegistryError), tracking.registry_errors():
                client = tracking.connect(self.environment)
                for name, text in (("slot_outcome", str(state)), ("slot_reason", reason[:500])):
                    client.set_tag(slot.run_id, name, text)
        facts = {"code": None, **facts, "reason": reason[:2000], "ended": to_microseconds(self.clock())}
        slot = self.slots.change(slot, state, **facts)
        self._spool.clear(slot.slot_id, self.config.name)
        return slot
