"""The clock: trains and promotes configured models on a cron schedule, in UTC, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger

from forecaster.errors import ConfigError, ForecasterError
from pipelines import tracking
from pipelines.config import Environment, load_config
from pipelines.loading import load
from pipelines.promotion.live import roll_back_if_worse
from pipelines.promotion.promote import promote, who_is_champion
from pipelines.start import begin
from pipelines.train import train

log = logging.getLogger("pipelines.schedule")


def build_scheduler(environment: Environment, configs: Sequence[Path], cron: str) -> BlockingScheduler:
    """Gives a scheduler with one job per config; missed slots are caught up once, jobs never overlap.

    ConfigError for fields of cron that are none, for a config named twice or one whose models cannot be compared.
    """
    # The field's own numbers begin with Sunday, the scheduler's with Monday: names mean the same to both.
    if any(character.isdigit() for character in "".join(cron.split()[4:5])):
        raise ConfigError(f"--cron wants days of the week by name, such as 'mon-fri', got {cron!r}")
    try:
        trigger = CronTrigger.from_crontab(cron, timezone="UTC")
    except ValueError as error:
        raise ConfigError(f"--cron wants five fields such as '0 3 * * *', got {cron!r}: {error}") from error
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
        scheduler.add_job(run_slot, trigger, args=(environment, path), id=str(path))
    return scheduler


def run_slot(environment: Environment, path: Path) -> None:
    """Trains and promotes one config; an error is logged and leaves the champion as it was.

    A champion whose live skill is worse than its predecessor's gives way before.
    """
    fields = {"config": str(path)}
    try:
        client = tracking.connect(environment)
        config = load_config(path, {})
        who_is_champion(environment, client, config.name)
        roll_back_if_worse(environment, client, config.name, config.roll_back)
        begun = begin(environment, config)
        loaded = load(begun.config.source, begun.config.table)
        training = train(environment, client, begun.config, loaded, start=begun.start)
        promotion = promote(environment, client, begun.config, loaded.panel, training.version)
    except ForecasterError as error:
        log.error("slot_failed", extra={"fields": fields | {"code": error.code, "reason": str(error)}})
    else:
        fields |= {"version": str(training.version), "reason": promotion.decision.reason}
        log.info("slot_done", extra={"fields": fields | {"promoted": promotion.decision.promote}})
