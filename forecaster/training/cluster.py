"""The processes that train together, as Lightning wants to hear of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    number_here: int | None = None  # among those of this machine, where several machines train together
    num_here: int | None = None

    @property
    def is_launched(self) -> bool:
        """True where a launcher started all processes of the group, this one included."""
        return self.num_here is not None

    @property
    def local_number(self) -> int:
        """Which of the processes of this machine this is: which of its GPUs it computes on."""
        return self.number if self.number_here is None else self.number_here

    @property
    def num_local(self) -> int:
        """How many processes of this machine train together; on all machines as many."""
        return self.num_processes if self.num_here is None else self.num_here


ALONE = Place()


def accelerator(place: Place) -> str:
    """Gives Lightning's name of what is computed on: as many GPUs as processes here where there are, else CPU cores."""
    if place.num_processes == 1:
        return "auto"
    return "gpu" if torch.cuda.is_available() and torch.cuda.device_count() >= place.num_local else "cpu"


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
    distributed.init_process_group(
        _backend(place), store=store, rank=place.number, world_size=place.num_processes, timeout=_PATIENCE
    )


@contextmanager
def launched(place: Place) -> Iterator[None]:
    """Is in the group of the processes that a launcher started; leaves it when all have come to the end of the block.

    Where they meet torch reads from what the launcher told it.
    """
    distributed.init_process_group(_backend(place), init_method="env://", timeout=_PATIENCE)
    try:
        yield
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def _backend(place: Place) -> str:
    return "cpu:gloo,cuda:nccl" if accelerator(place) == "gpu" else "gloo"


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
        return self._place.local_number

    def node_rank(self) -> int:
        return self._place.number // self._place.num_local
