"""What is shown while a network is fitted, and what Lightning is told to keep to itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.callbacks import Callback, RichProgressBar

# Lightning advises worker processes for any loader; gathering windows is faster than handing them over.
_ADVICE = (
    ".*does not have many workers.*",
    ".*`IterableDataset` has `__len__`.*",
    ".*Checkpoint directory.*",
    ".*LeafSpec.*is deprecated.*",
)


def progress_bar(show: bool) -> list[Callback]:
    """Gives the progress bar as a list of callbacks, empty when nothing is to be shown."""
    return [RichProgressBar(leave=False)] if show else []


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
