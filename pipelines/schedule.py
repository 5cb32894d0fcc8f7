"""The clock: retrains configured models when their slots come, in UTC, one at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from forecaster.errors import ConfigError, ForecasterError, LedgerUnavailableError
from pipelines.config import Environment, PipelineConfig, load_config
from pipelines.config.retrain.cron import Cron
from pipelines.retrain.retrain import Asked, cron_of, retrain_slot
from pipelines.retrain.times import utc_now

log = logging.getLogger("pipelines.schedule")

_LONGEST_SLEEP = 60.0  # seconds: the clock may be set, and a machine may have slept
_AGAIN = timedelta(minutes=15)  # until what waits for MLflow or the ledger is gone on with


@dataclass
class Job:
    """A config, the moments of its slots and looks, and when it is called next."""

    path: Path
    crons: tuple[Cron, ...]
    due: datetime

    def begin(self, now: datetime) -> None:
        """Settles that it is called again at the next moment: of those that pass during a call, one is caught up."""
        self.due = min(cron.next(now) for cron in self.crons)

    def wait(self, now: datetime) -> None:
        """Settles that it is called again soon, as something of it waits."""
        self.due = min(self.due, now + _AGAIN)


@dataclass
class Schedule:
    """The jobs of all configs. Which slot is due, and what was missed meanwhile, is for `retrain_slot` to say.

    Trainings are in the thread that calls `run`: a signal ends one as it ends `forecaster retrain`. Nothing is queued.
    """

    environment: Environment
    cron: str | None
    jobs: list[Job]
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Calls each job when it is due, the one first that waits longest; goes on until it is interrupted."""
        while True:
            job = min(self.jobs, key=lambda job: job.due)
            while (left := (job.due - self.clock()).total_seconds()) > 0:
                self.sleep(min(left, _LONGEST_SLEEP))
            job.begin(self.clock())
            if run_slot(self.environment, job.path, self.cron):
                job.wait(self.clock())


def build_schedule(environment: Environment, configs: Sequence[Path], cron: str | None) -> Schedule:
    """Gives a schedule with one job per config, which is called at once and then at its slots and looks.

    ConfigError for fields of cron that are none, for a config without cron where `cron` is None, for one named twice or
    one whose models cannot be compared, and for two configs of one model.
    """
    paths: dict[str, Path] = {}
    jobs = []
    for path in configs:
        if configs.count(path) > 1:
            raise ConfigError(f"config {path} is named more than once")
        config = load_config(path, {})  # a wrong config is refused now, not at three in the morning
        config.check_folds()
        if config.name in paths:
            raise ConfigError(f"{paths[config.name]} and {path} are both of model {config.name!r}: name them otherwise")
        paths[config.name] = path
        jobs.append(Job(path, _crons(config, cron), utc_now()))  # now: what was missed while nobody was there
    return Schedule(environment, cron, jobs)


def _crons(config: PipelineConfig, cron: str | None) -> tuple[Cron, ...]:
    slots = cron_of(config, cron)
    return (slots, Cron(config.retrain.look_cron)) if config.retrain.triggers else (slots,)


def run_slot(environment: Environment, path: Path, cron: str | None) -> bool:
    """Retrains one config; an error is logged and leaves the champion as it was. Says whether something waits."""
    fields = {"config": str(path)}
    try:
        report = retrain_slot(environment, load_config(path, {}), asked=Asked(cron))
    except ForecasterError as error:
        log.error("slot_failed", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
        return isinstance(error, LedgerUnavailableError)  # nothing could be written down
    except Exception as error:  # a bug with one model must not stop the others
        log.exception("slot_failed", extra={"fields": fields | {"code": "internal", "reason": repr(error)[:500]}})
        return False
    for slot in report.slots:
        said = fields | {"slot": slot.slot_id, "state": str(slot.state), "reason": slot.reason}
        log.log(logging.ERROR if slot.exit_code else logging.INFO, "slot_done", extra={"fields": said})
    return any(not slot.state.is_final for slot in report.slots)
