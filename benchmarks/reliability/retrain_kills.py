"""SIGKILL of `retrain` at random moments: is the next one's outcome that of one that was never killed (T14)?

    fork ──> retrain ── SIGKILL ──> old or new? ──> retrain ──> the same weights, one version, nothing left behind

Each attempt begins in a copy of one home, with data, an MLflow store and a ledger, at the same simulated moment.
Children are forked from this process, which has imported everything and opened nothing, so that a kill falls into the
work. The control is a training and promotion by themselves, killed alike: it leaves runs that are RUNNING.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.command import run_command
from forecaster.bundle import VERSION_PATH, WEIGHTS
from forecaster.config import ModelConfig, SplitConfig, TrainingConfig
from forecaster.ledger.slots import Slots
from pipelines import registry, tracking
from pipelines.config import Environment, PipelineConfig, RetrainConfig, SourceConfig
from pipelines.ledger import opened_ledger
from pipelines.loading import load
from pipelines.promotion.promote import promote
from pipelines.report.trend import STAGE as TREND
from pipelines.retrain.retrain import retrain_slot
from pipelines.retrain.spool import Spool
from pipelines.tracking import PARENT_TAG
from pipelines.train import train
from tests.factories import sine_panel

MODEL = "killed"
NOW = datetime(2024, 2, 1, 4, tzinfo=UTC)
_SEED = 20_240_201

Call = Callable[[Path], Any]


def environment_of(home: Path) -> Environment:
    """Gives the environment of a home."""
    return Environment(
        home=home,
        tracking_uri=f"sqlite:///{home / 'mlflow.db'}",
        ledger_url=f"sqlite:///{home / 'ledger' / 'ledger.db'}",
    )


def config_of(home: Path) -> PipelineConfig:
    """Gives the config of the model that is retrained there: tiny, with several checkpoints."""
    return PipelineConfig(
        name=MODEL,
        source=SourceConfig(path=home / "waves.csv"),
        model=ModelConfig(horizon=12, context_length=48, d_model=16, num_heads=2, num_layers=1, d_ff=16),
        training=TrainingConfig(
            max_steps=60, steps_per_validation=10, batch_size=64, learning_rate=5e-3, num_threads=1
        ),
        split=SplitConfig(num_validation_folds=1, num_test_folds=2),
        export=False,
        retrain=RetrainConfig(cron="0 3 * * *"),
    )


def make_home(home: Path, store: Path | None = None) -> None:
    """Makes a home with a table and with the databases that everything else is written to; those of MLflow by copy."""
    (home / "spool").mkdir(parents=True)
    sine_panel(3, 400, noise=0.8, missing_share=0.03).to_frame().to_csv(home / "waves.csv", index=False)
    environment = environment_of(home)
    if store is not None:
        shutil.copy(store, home / "mlflow.db")
    tracking.connect(environment).search_experiments()
    shutil.copy(home / "mlflow.db", home / "spool" / "mlflow.db")
    with opened_ledger(environment):
        pass


def retrained(home: Path) -> dict[str, Any]:
    """Retrains once; gives the slots that were carried on."""
    report = retrain_slot(environment_of(home), config_of(home), lambda: NOW)
    return {"states": [str(slot.state) for slot in report.slots], "ids": [slot.slot_id for slot in report.slots]}


def trained_alone(home: Path) -> None:
    """Trains and promotes without slots: the control."""
    environment, config = environment_of(home), config_of(home)
    client = tracking.connect(environment)
    loaded = load(config.source, config.table)
    promote(environment, client, config, loaded.panel, train(environment, client, config, loaded).version)


def looked_at(home: Path) -> dict[str, Any]:
    """Gives what is in a home: runs by status, versions with their digests, the champion, slots, folders left over.

    Of what stands below or beside the runs of trainings and promotions only what has not ended is counted.
    """
    environment = environment_of(home)
    client = tracking.connect(environment)
    experiment = client.get_experiment_by_name(MODEL)
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id])
    versions = client.search_model_versions(f"name='{MODEL}'")
    champion = registry.find_alias(client, MODEL, registry.CHAMPION)
    with opened_ledger(environment) as ledger:
        found = Slots(ledger).of_model(MODEL, 100)
    return {
        "runs": Counter(run.info.status for run in runs if run.info.status != "FINISHED" or _is_own(run)),
        "versions": {str(version.version): _weights(client, str(version.version)) for version in versions},
        "champion": None if champion is None else str(champion.number),
        "slots": [(slot.slot_id, str(slot.state)) for slot in found],
        "left": [*Spool(environment).slot_ids(), *(str(path.name) for path in home.rglob(".*.partial-*"))],
        "spooled_runs": len(Spool(environment).runs(found[0].slot_id, MODEL)) if found else 0,
    }


def _is_own(run: Any) -> bool:
    return PARENT_TAG not in run.data.tags and run.data.tags.get("stage") != TREND


def _weights(client: Any, number: str) -> str:
    """Gives the SHA-256 of the weights of a version, once its bundle was verified."""
    registry.load(registry.Version(MODEL, int(number)), ())
    folder = Path(client.get_model_version_download_uri(MODEL, number).removeprefix("file://")) / VERSION_PATH
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def forked(call: Call, home: Path, kill_after: float | None = None) -> Any:
    """Gives what a call gives in a process of its own, None where it is killed after so many seconds."""
    result = home.with_suffix(".json")
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _run(call, home, result)
    if kill_after is not None:
        _wait(child, kill_after)
        os.kill(child, signal.SIGKILL)  # it is not collected yet, so that the number is still its own
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert kill_after is not None, "nobody has killed it"
        return None
    assert os.WEXITSTATUS(status) == 0, (home / "failed.txt").read_text()
    return json.loads(result.read_text())


def _run(call: Call, home: Path, result: Path) -> None:
    """Ends this process with what a call gives in a file."""
    import traceback

    code = 1
    try:
        result.write_text(json.dumps(call(home)))
        code = 0
    except Exception:  # noqa: BLE001
        (home / "failed.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _wait(child: int, seconds: float) -> None:
    """Waits so long, or until the child has ended, without collecting it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(min(0.01, seconds))


def measure(num_kills: int, num_control: int) -> dict[str, Any]:
    """Kills so many retrainings, and so many trainings that stand alone."""
    random = np.random.default_rng(_SEED)
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        forked(lambda _: make_home(template), Path(folder) / "making")
        whole, seconds = _timed(template, Path(folder) / "whole")
        (weights,) = whole["versions"].values()
        problems: Counter[str] = Counter()
        states: Counter[str] = Counter()
        for number in range(num_kills):
            home = _copied(template, Path(folder) / f"killed-{number}")
            forked(retrained, home, kill_after=float(random.uniform(0, seconds)))
            between = forked(looked_at, home)
            states[between["slots"][0][1] if between["slots"] else "none"] += 1
            problems.update(_problems_between(between))
            first, again = forked(retrained, home), forked(retrained, home)
            problems.update(_problems_after(forked(looked_at, home), weights, first, again))
            print(f"{number + 1} kills, {dict(states)}, problems {dict(problems)}", file=sys.stderr, flush=True)
            shutil.rmtree(home)
        control = sum(_control(template, Path(folder) / "control", seconds) for _ in range(num_control))
    return {
        "kills": num_kills,
        "seconds_unkilled": round(seconds, 2),
        "killed_in_state": dict(states),
        "problems": dict(problems),
        "control": {"kills": num_control, "runs_left_running": control},
    }


def _timed(template: Path, home: Path) -> tuple[dict[str, Any], float]:
    """Gives what an unkilled retraining leaves, and the seconds that it takes."""
    _copied(template, home)
    begun = time.monotonic()
    assert forked(retrained, home)["states"] == ["promoted"]
    return forked(looked_at, home), time.monotonic() - begun


def _copied(template: Path, home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    return Path(shutil.copytree(template, home))


def _problems_between(found: dict[str, Any]) -> list[str]:
    """Gives what is wrong right after a kill: the state has to be old or new."""
    is_old = found["champion"] is None and len(found["versions"]) <= 1
    is_new = found["champion"] == "1" and list(found["versions"]) == ["1"]
    return [] if is_old or is_new else ["neither old nor new"]


def _problems_after(found: dict[str, Any], weights: str, first: Any, again: Any) -> list[str]:
    """Gives what is wrong once another retraining was there."""
    promises = {
        "not finished": [state for _, state in found["slots"]] == ["promoted"] and found["champion"] == "1",
        "other weights": list(found["versions"].values()) == [weights],
        "another version": list(found["versions"]) == ["1"],
        "a run RUNNING": "RUNNING" not in found["runs"],
        "something left": not found["left"] and not found["spooled_runs"],
        "done twice": first == again,
    }
    return [name for name, is_kept in promises.items() if not is_kept]


def _control(template: Path, home: Path, seconds: float) -> int:
    """Gives how many runs are RUNNING after a training by itself was killed, and another has ended."""
    _copied(template, home)
    forked(trained_alone, home, kill_after=seconds / 3)
    forked(trained_alone, home)
    return int(forked(looked_at, home)["runs"].get("RUNNING", 0))


def main() -> None:
    """Prints the record; --short kills 6 retrainings instead of 60."""
    run_command(
        "retrain_kills", __doc__, lambda short: measure(*((6, 1) if short else (60, 3))), ("mlflow", "sqlalchemy")
    )


if __name__ == "__main__":
    main()
