"""What stands around a fit: stopping, what is shown and reported, and what of the process it borrows."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar

from forecaster.model.network import Network
from forecaster.training.checkpoints import LAST

# Lightning advises worker processes for any loader; gathering windows is faster than handing them over.
_ADVICE = (
    ".*does not have many workers.*",
    ".*`IterableDataset` has `__len__`.*",
    ".*Checkpoint directory.*",
    ".*LeafSpec.*is deprecated.*",
)

_KEPT_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class MovableCheckpoint(ModelCheckpoint):
    """Keeps the best weights of a run, and knows them again when its folder has been moved in the meantime.

    Lightning would forget them, and take the best of what is trained from there on.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what an earlier process kept, at the places where it lies now."""
        here = Path(str(self.dirpath))
        moved = {key: str(here / Path(state_dict[key]).name) for key in _KEPT_PATHS if state_dict[key]}
        scores = {str(here / Path(path).name): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": scores, "dirpath": self.dirpath})


def last_checkpoint(folder: Path) -> MovableCheckpoint:
    """Keeps 'last' at the end of every epoch, so that a resumed run begins with a whole one.

    The `save_last` of what keeps the best would not: Lightning (2.6) writes it only where there is a new best.
    """
    return MovableCheckpoint(
        folder, Path(LAST).stem, monitor=None, save_on_train_epoch_end=True, enable_version_counter=False
    )


class ResumableEarlyStopping(EarlyStopping):
    """Early stopping that remembers, when a run is resumed, that it had stopped already."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the run before its first step if patience had run out, or the loss was not finite any more."""
        if self.wait_count >= self.patience or self.stopped_epoch:
            trainer.should_stop = True


class ReportMetrics(Callback):
    """Hands losses and learning rate of each epoch to a function of (metrics, optimiser step).

    Those of the second network of an ensemble are named 'member_1/validation_loss', and so on.
    """

    def __init__(self, report: Callable[[Mapping[str, float], int], None]) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reports what Lightning has collected by the end of the epoch, its training loss included."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        prefix = f"member_{pl_module.member}/" if pl_module.member else ""
        named = {f"{prefix}{name}": value for name, value in {**metrics, "learning_rate": rate}.items()}
        self.report(named, trainer.global_step)


class ReportNetwork(Callback):
    """Hands a copy of the first network, as it is about to be validated, to a function of (network, optimiser step).

    What that raises ends the training. The copy is on the CPU, and in evaluation mode.
    """

    def __init__(self, report: Callable[[Network, int], None]) -> None:
        self.report = report

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reports the network; one that averages its weights has the average in place by now."""
        if pl_module.member == 0:
            network: Network = copy.deepcopy(pl_module.get_submodule("network")).cpu().eval()  # type: ignore[assignment]
            self.report(network, trainer.global_step)


def progress_bar(show: bool) -> list[Callback]:
    """Gives the progress bar as a list of callbacks, empty when nothing is to be shown."""
    return [RichProgressBar(leave=False)] if show else []


@contextmanager
def process_settings(seed: int, num_threads: int | None) -> Iterator[None]:
    """Seeds torch and sets its threads for the time of a fit; afterwards torch is as it was."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        with torch.random.fork_rng():
            torch.set_num_threads(num_threads or threads)
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences, for the time of a fit, advice that does not apply and Lightning's hardware banner."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
