"""Is retraining better left alone, promoted blindly, or promoted when it is better? A year of real series, replayed.

    python -m benchmarks.simulated_year [--save] [--data FOLDER] [--weeks 52]

ETTh1 goes on hour by hour under a simulated clock; in the middle of the year its regime changes
(`benchmarks.year.world`). Each midnight the champion forecasts the day, the ledger hears of what came of the day
before, and `retrain_slot` is called, as a scheduler would: a slot is due each Monday, and where the live signal rises.
MLflow is a real server, which is down for two days in two of the weeks; in another the source has no data. In the end
every version that was trained forecasts every day of the year, which tells what the year would have been like under
other policies, each with the same trainings:

    mase_at_the_end_NAME        of the last eight weeks: ours, newest (always promoted), never (retrained), naive
    mase_of_the_year_NAME       of all of it
    num_weekly_slots, num_slots_of_signals, num_slots_NAME      by what came of them
    num_slots_without_one_outcome
    num_promotions, num_bad_promotions        bad: above its predecessor by 2 % on the same days, while it was champion
    longest_bad_promotion_slots, bad_promotions_that_stayed     longer than two slots
    num_runs_left_running
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from mlflow import MlflowClient

from benchmarks.data import parser
from benchmarks.record import RESULTS, machine_setup, record
from benchmarks.year.live import Live
from benchmarks.year.outcome import Course, by_policy, draw, figures, judged
from benchmarks.year.world import DAYS_OF_WEEK, NUM_WEEKS, World, world
from forecaster.config import ModelConfig, SplitConfig, TableConfig, TrainingConfig
from forecaster.ledger.slot import CRON, Slot
from forecaster.ledger.slots import Slots
from forecaster.predictor import Predictor
from pipelines import registry, tracking
from pipelines.config import Environment, PipelineConfig, PromotionPolicy, RetrainConfig, SourceConfig, TriggerConfig
from pipelines.ledger import opened_ledger
from pipelines.registry import CHAMPION
from pipelines.retrain.retrain import retrain_slot
from tests.stack.servers import BIN, answering, clean_environment, free_port, running

NAME = "year"
_MODEL = ModelConfig(
    horizon=24, context_length=168, season_length=24, patch_length=12, d_model=32, num_layers=2, num_heads=2, d_ff=64
)
_TRAINING = TrainingConfig(max_steps=200)
_NUM_TEST_DAYS, _NUM_VALIDATION_DAYS = 7, 3
_WEEKS_OF_HISTORY = 26
_DAYS_DOWN = 2
_LAST_WEEKS = 8
_MOST_SLOTS = 10_000


def main() -> None:
    """Replays the year and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--weeks", type=int, default=NUM_WEEKS)
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="year-") as folder:
        figure = RESULTS.parent / "images" / "simulated_year.png" if given.save else Path(folder) / "year.png"
        found, course = replayed(world(given.data, given.weeks), Path(folder), figure)
    setup = machine_setup(["mlflow", "pytorch-lightning"]) | {"data": "ETTh1", "weeks": given.weeks}
    record("simulated_year", found, setup | {"promotions": course}, save=given.save)


@dataclass
class Year:
    """What was seen of the year: champions and newest versions by day, and slots."""

    champion: list[int] = field(default_factory=list)
    newest: list[int] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    num_running: int = 0


def replayed(place: World, folder: Path, figure: Path) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Replays a year; gives the figures, and what became of each promotion."""
    live, port = Live(place), free_port()
    environment = Environment(
        home=folder / "home",
        tracking_uri=f"http://127.0.0.1:{port}",
        ledger_url=f"sqlite:///{folder / 'ledger.db'}",
    )
    models = Models(environment)
    year = _gone_through(place, live, _Stage(folder, port, environment), models)
    with Mlflow(folder, port):
        versions = range(1, max(year.newest) + 1)
        errors = np.array([live.mase(models.predictor(version)) for version in versions])
    course = Course(np.array(year.champion), np.array(year.newest))
    daily = by_policy(errors, live.naive_mase(), course)
    promotions = judged(errors, course)
    figure.parent.mkdir(parents=True, exist_ok=True)
    draw(place, daily, course, figure)
    found = figures(daily, promotions, _LAST_WEEKS * DAYS_OF_WEEK) | _of_slots(place, year)
    shown = [
        {"week": place.slot(one.day), "version": one.version, "loss": round(one.loss, 4), "slots": one.num_slots}
        for one in promotions
    ]
    return found, shown


class Models:
    """Predictors of versions, each loaded once."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._loaded: dict[int, Predictor] = {}

    def predictor(self, version: int) -> Predictor:
        """Gives that of a version."""
        if version not in self._loaded:
            tracking.connect(self._environment)
            self._loaded[version] = registry.load(registry.Version(NAME, version), ()).predictor
        return self._loaded[version]


@dataclass(frozen=True)
class _Stage:
    """Where the year is played."""

    folder: Path
    port: int
    environment: Environment

    @property
    def table(self) -> Path:
        """The file that the source writes."""
        return self.folder / "meter.csv"

    def config(self) -> PipelineConfig:
        """Gives what a team would have written down."""
        return PipelineConfig(
            name=NAME,
            source=SourceConfig(path=self.table),
            table=TableConfig(layout="wide"),
            model=_MODEL,
            training=_TRAINING,
            split=SplitConfig(num_validation_folds=_NUM_VALIDATION_DAYS, num_test_folds=_NUM_TEST_DAYS),
            promotion=PromotionPolicy(),
            retrain=RetrainConfig(
                cron="0 0 * * mon",
                triggers=(TriggerConfig(signal="live_relative_mase", above=1.05, clear_below=0.95, cool_down_days=3),),
            ),
            export=False,
        )


def _gone_through(place: World, live: Live, stage: _Stage, models: Models) -> Year:
    year, config, mlflow = Year(), stage.config(), Mlflow(stage.folder, stage.port)
    with mlflow:
        for day in place.days:
            week, day_of_week = divmod(day, DAYS_OF_WEEK)
            is_up = week not in place.mlflow_down or day_of_week >= _DAYS_DOWN
            mlflow.set_up(is_up)
            place.write(day, _WEEKS_OF_HISTORY, stage.table)
            if week in place.source_down and day_of_week == 0:
                stage.table.unlink()
            if year.champion:
                _tell(live, stage.environment, models, year.champion[-1], day - 1)
            report = retrain_slot(stage.environment, config, partial(place.now, day))
            _note(year, stage.environment, is_up=is_up)
            print(place.now(day).date(), year.champion[-1], year.newest[-1], *_told(report.slots), flush=True)
        year.num_running = _num_running(tracking.connect(stage.environment))
    with opened_ledger(stage.environment) as ledger:
        year.slots = Slots(ledger).of_model(NAME, _MOST_SLOTS)
    return year


def _tell(live: Live, environment: Environment, models: Models, version: int, day: int) -> None:
    with opened_ledger(environment) as ledger:
        live.tell(ledger, NAME, version, models.predictor(version), [day])


def _note(year: Year, environment: Environment, *, is_up: bool) -> None:
    """Notes who is champion and who the newest; a service goes on with its champion while MLflow is down."""
    if not is_up:
        year.champion.append(year.champion[-1])
        year.newest.append(year.newest[-1])
        return
    client = tracking.connect(environment)
    champion = registry.find_alias(client, NAME, CHAMPION)
    assert champion is not None, "the first slot has promoted nothing"
    versions = client.search_model_versions(f"name = '{NAME}'")
    year.champion.append(champion.number)
    year.newest.append(max(int(version.version) for version in versions))


def _told(slots: tuple[Slot, ...]) -> list[str]:
    return [f"{slot.cause}: {slot.state} ({slot.reason[:100]})" for slot in slots]


def _of_slots(place: World, year: Year) -> dict[str, float]:
    weekly = [slot for slot in year.slots if slot.cause == CRON]
    outcomes = Counter(slot.state for slot in year.slots if slot.state.is_final)
    moments = Counter(slot.at for slot in weekly if slot.state.is_final)
    wanted = [round(place.now(week * DAYS_OF_WEEK).timestamp() * 1_000_000) for week in range(place.num_weeks)]
    return {
        "num_weekly_slots": len(weekly),
        "num_slots_of_signals": len(year.slots) - len(weekly),
        **{f"num_slots_{state}": number for state, number in sorted(outcomes.items())},
        "num_slots_without_one_outcome": sum(moments[moment] != 1 for moment in wanted),
        "num_runs_left_running": year.num_running,
    }


def _num_running(client: MlflowClient) -> int:
    experiments = [one.experiment_id for one in client.search_experiments()]
    return len(client.search_runs(experiments, filter_string="attributes.status = 'RUNNING'"))


class Mlflow:
    """An MLflow server on its database in a folder, which can be taken down and put up again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._running = ExitStack()
        self._is_up = False

    def __enter__(self) -> Self:
        self.set_up(True)
        return self

    def __exit__(self, *_: object) -> None:
        self.set_up(False)

    def set_up(self, is_up: bool) -> None:
        """Starts or ends it, where it is not so already."""
        if is_up and not self._is_up:
            self._running.enter_context(self._served())
        elif self._is_up and not is_up:
            self._running.close()
        self._is_up = is_up

    def _served(self) -> AbstractContextManager[object]:
        command = [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts"), "--serve-artifacts"]
        environment = clean_environment(MLFLOW_DISABLE_TELEMETRY="true")
        return running("mlflow", command, environment, self._folder, answering(self._port, "/health"))


if __name__ == "__main__":
    main()
