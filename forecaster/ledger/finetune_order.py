"""What the service asks of whoever trains: a model to begin with, how far to go, and a panel.

order + panel ── packed ──> bytes of a job ── unpacked ──> order + panel, memory-mapped

A zip archive of a JSON document and the files of a store (`forecaster.data.store`). The same order has the same bytes.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from pydantic import Field

from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.data.store import StoreWriter, open_store
from forecaster.errors import LedgerError

FINETUNE = "finetune"  # the kind of its jobs
TAG = "forecaster.finetuned_by_job"  # of registered models and runs; its value is the id of the job

_ORDER, _STORE = "order.json", "store"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that an archive knows


class FinetuneOrder(Config):
    """What to train, beginning with which version of which model."""

    name: str
    base: str
    base_version: int = Field(ge=1)
    max_steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    trained_blocks: int | None = Field(None, ge=0)
    num_test_folds: int = Field(ge=0)


def packed(order: FinetuneOrder, panel: Panel) -> bytes:
    """Gives an order and its panel as bytes."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="forecaster-order-") as folder, zipfile.ZipFile(content, "w") as archive:
        with StoreWriter(Path(folder) / _STORE, panel.axis) as writer:
            writer.append(panel)
        archive.writestr(zipfile.ZipInfo(_ORDER, _EPOCH), order.model_dump_json())
        for path in sorted((Path(folder) / _STORE).iterdir()):
            archive.writestr(zipfile.ZipInfo(f"{_STORE}/{path.name}", _EPOCH), path.read_bytes())
    return content.getvalue()


def unpacked(content: bytes, folder: Path) -> tuple[FinetuneOrder, Panel]:
    """Gives an order and its panel, whose files lie in `folder` from then on; LedgerError for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            order = FinetuneOrder.model_validate_json(archive.read(_ORDER))
            archive.extractall(folder)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise LedgerError(f"this is no order of a training: {error}") from error
    return order, open_store(folder / _STORE)
