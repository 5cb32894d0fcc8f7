"""The clock: retrains configured models when their slots come, in UTC, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.combining import OrTrigger

from forecaster.errors import ConfigError, ForecasterError
from pipelines.config import Environment, load_config
from pipelines.retrain.cron import Cron
from pipelines.retrain.retrain import Asked, cron_of, retrain_slot

log = logging.getLogger("pipelines.schedule")


def build_scheduler(environment: Environment, configs: Sequence[Path], cron: str | None) -> BlockingScheduler:
    """Gives a scheduler with one job per config, which is called at once and then at its slots and looks.

    Which slot is due, and what was missed meanwhile, is for `retrain_slot` to say; jobs never overlap.
    ConfigError for fields of cron that are none, for a config without cron where `cron` is None, for one named twice or
    one whose models cannot be compared.
    """
    scheduler = BlockingScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for path in configs:
        if configs.count(path) > 1:
            raise ConfigError(f"config {path} is named more than once")
        config = load_config(path, {})  # a wrong config is refused now, not at three in the morning
        if config.num_folds == 0:
            raise ConfigError(f"{path}: split.num_test_folds is 0: there would be nothing to compare versions on")
        triggers = [cron_of(config, cron).trigger]
        if config.retrain.triggers:
            triggers.append(Cron(config.retrain.look_cron).trigger)
        scheduler.add_job(
            run_slot,
            OrTrigger(triggers),
            args=(environment, path, cron),
            id=str(path),
            next_run_time=datetime.now(UTC),  # what was missed while nobody was there
        )
    return scheduler


def run_slot(environment: Environment, path: Path, cron: str | None) -> None:
    """Retrains one config; an error is logged and leaves the champion as it was."""
    fields = {"config": str(path)}
    try:
        report = retrain_slot(environment, load_config(path, {}), asked=Asked(cron))
    except ForecasterError as error:
        log.error("slot_failed", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
        return
    for slot in report.slots:
        said = fields | {"slot": slot.slot_id, "state": str(slot.state), "reason": slot.reason}
        log.log(logging.ERROR if slot.exit_code else logging.INFO, "slot_done", extra={"fields": said})
