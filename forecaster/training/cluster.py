"""The processes that train together, as Lightning wants to hear of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import torch
from pytorch_lightning.plugins.environments import ClusterEnvironment  # type: ignore[attr-defined]
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

# Longest that one process waits for the others; what happens between two exchanges takes seconds.
_PATIENCE = timedelta(minutes=30)
_ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """Which of how many processes this one is; number 0 keeps the checkpoints and reports."""

    number: int = 0
    num_processes: int = 1


ALONE = Place()


def accelerator(num_processes: int) -> str:
    """Gives Lightning's name of what is computed on: as many GPUs as processes where there are, else CPU cores."""
    if num_processes == 1:
        return "auto"
    return "gpu" if torch.cuda.is_available() and torch.cuda.device_count() >= num_processes else "cpu"


def strategy(place: Place) -> str | Strategy:
    """Gives how gradients come together: not at all alone, else as the mean over processes."""
    if place.num_processes == 1:
        return "auto"
    # Weights and buffers are handed out by the first process once: in validation the processes do not go in step.
    return _TogetherStrategy(cluster_environment=_Cluster(place), forward_sync_buffers=False)


def meeting_point(place: Place, port: int = 0) -> TCPStore:
    """Opens, in the first process at a free port, or visits, in the others, what processes find each other by."""
    is_first = place.number == 0
    return TCPStore(_ADDRESS, port, place.num_processes, is_master=is_first, wait_for_workers=False, timeout=_PATIENCE)


def join(store: TCPStore, place: Place) -> None:
    """Enters the process group, once all are there."""
    backend = "cpu:gloo,cuda:nccl" if accelerator(place.num_processes) == "gpu" else "gloo"
    distributed.init_process_group(
        backend, store=store, rank=place.number, world_size=place.num_processes, timeout=_PATIENCE
    )


class _TogetherStrategy(DDPStrategy):
    """Distributed data parallel between processes that are there and joined already."""

    def _configure_launcher(self) -> None:
        """Leaves Lightning without a launcher: it would start processes, and set threads and the environment."""


class _Cluster(ClusterEnvironment):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return _ADDRESS

    @property
    def main_port(self) -> int:
        raise AssertionError("the process group is joined before Lightning asks")

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._place.num_processes

    def set_world_size(self, size: int) -> None:
        assert size == self._place.num_processes

    def global_rank(self) -> int:
        return self._place.number

    def set_global_rank(self, rank: int) -> None:
        assert rank == self._place.number

    def local_rank(self) -> int:
        return self._place.number

    def node_rank(self) -> int:
        return 0
