"""Training by processes that torchrun has started, on one machine or many: one tracks it, the others train along.

    torchrun --nnodes 2 --nproc-per-node 4 ... -m forecaster train ...

All read the same table and config, and share the home, where the checkpoints are.
"""

from __future__ import annotations

from forecaster.errors import ConfigError
from forecaster.training.cluster import ALONE, Place
from forecaster.training.fit import train_along
from forecaster.training.start import Start
from pipelines.config import Environment, Launch, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.start import refuse_seen_folds
from pipelines.train import checkpoints_of


def place_of(launch: Launch | None) -> Place:
    """Gives where a process stands among those that train."""
    if launch is None:
        return ALONE
    return Place(launch.number, launch.num_processes, launch.number_here, launch.num_here)


def shared_config(config: PipelineConfig, launch: Launch | None) -> PipelineConfig:
    """Gives the config by which all processes train; ConfigError where it asks for another number of them."""
    if launch is None:
        return config
    training, wanted = config.training, launch.num_processes
    if "num_processes" in training.model_fields_set and training.num_processes != wanted:
        raise ConfigError(
            f"training.num_processes is {training.num_processes}, torchrun has started {wanted}: leave it out"
        )
    shared = training.model_validate({**training.model_dump(), "num_processes": wanted})
    return config.model_copy(update={"training": shared})


def follow(environment: Environment, config: PipelineConfig, loaded: LoadedPanel, start: Start, place: Place) -> None:
    """Trains along with the first process, which is in `train`; keeps and tells nothing."""
    refuse_seen_folds(loaded.panel, config, start)
    folder = checkpoints_of(environment, config, loaded.panel, start)
    train_along(loaded.panel, config.forecaster, folder, place, start)
