"""The program of a worker: trains along with the process that called `fit`, and keeps nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import distributed

from forecaster.data.store import open_store
from forecaster.training.callbacks import process_settings, quiet_lightning
from forecaster.training.cluster import Place, join, meeting_point
from forecaster.training.member import Job, train_member
from forecaster.training.workers import ORDER, PANEL, Order, arrival_key


def work(folder: Path, number: int, port: int) -> None:
    """Trains all members of the job in `folder` as process `number`, with those who meet at `port`."""
    order = Order.model_validate_json((folder / ORDER).read_bytes())
    training = order.config.training
    place = Place(number, training.num_processes)
    job = Job(open_store(folder / PANEL), order.config, folder, order.start)
    store = meeting_point(place, port)
    store.set(arrival_key(number), "")
    join(store, place)
    try:
        with quiet_lightning(), process_settings(training.seed, order.num_threads):
            for member in range(training.num_members):
                train_member(job, member, place)
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
