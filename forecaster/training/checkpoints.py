"""The folder of a training: whose it is, and the weights that lie in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from forecaster.config import ModelConfig
from forecaster.errors import TrainingError
from forecaster.model.network import Network
from forecaster.whole_file import write_whole

LAST = "last.ckpt"

_CONFIG = "config.json"
_PREFIX = "network."  # of the module that checkpoints are of


def claim(folder: Path, identity: str) -> None:
    """Marks `folder` as belonging to this training; TrainingError when it belongs to another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _CONFIG
    if path.exists() and path.read_text() != identity:
        raise TrainingError(
            f"{folder} holds checkpoints of another config or of other data; take another folder or remove it",
            code="checkpoint-mismatch",
        )
    if not path.exists():
        write_whole(path, identity.encode())


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints beside the files whose place they take.

    Lightning writes them to the system's temporary folder, from where they are copied if that is another file system:
    a kill then leaves a file in parts.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Writes a file, which is there whole or as it was before."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), content.getbuffer())


def loaded(config: ModelConfig, path: Path) -> tuple[Network, int]:
    """Gives the network of a checkpoint, on the CPU, and the optimiser steps behind it."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    network = Network(config)
    network.load_state_dict({name.removeprefix(_PREFIX): value for name, value in checkpoint["state_dict"].items()})
    return network.eval(), int(checkpoint["global_step"])
