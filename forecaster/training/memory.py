"""How much memory a training will take, told before it starts."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from forecaster.config import ForecasterConfig
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses
from forecaster.errors import TrainingError
from forecaster.model.network import Network
from forecaster.model.skips.known_part import num_known_numbers
from forecaster.model.skips.ridge import ridge_bytes
from forecaster.model.skips.theta import theta_bytes
from forecaster.training.datamodule import WindowDataModule
from forecaster.training.member import member_data
from forecaster.training.precision import WantedPrecision, lightning_precision
from forecaster.types import WindowBatch

log = logging.getLogger(__name__)

_MEMORY_INFO = Path("/proc/meminfo")
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_PER_PROCESS = 400 << 20  # what Python and torch take in each worker
_TIGHT = 0.75  # of what is available
_PROBES = (2, 4, 6)  # windows; three counts tell constant, linear and quadratic parts apart
_TRANSIENT = 2.1  # measured: what a step holds at its peak, over what it keeps for the backward pass
_WRITTEN = 2  # copies of a checkpoint in memory while it is written


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training takes beyond what the process holds before it.

    Within a factor of 2 of the measured peak from 50 MB up; most often within 1.3, above it or below.
    """

    weights: int
    optimizer: int  # gradients, two moments, the average if there is one, in all processes
    checkpoint: int  # while it is written
    activations: int  # of one part of a step, in all processes
    windows: int  # the windows of a step, in all processes
    skip: int  # tables of theta, or what it takes to fit a ridge
    processes: int  # started beside this one

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(getattr(self, field.name) for field in fields(self))


def memory_estimate(config: ForecasterConfig, panel: Panel) -> MemoryEstimate:
    """Estimates the memory of a fit by what a few windows of the panel take; config resolved as `resolve` does.

    The network is run forward on 2, 4 and 6 windows and what it keeps is counted: a parabola in the windows, as
    attention across a group grows with their square.
    """
    training = config.training
    with torch.random.fork_rng():
        network = Network(config.model)
        data = member_data(panel, config, training)
        batch = _some_windows(data)
        kept = [_kept_bytes(network, batch.rows(slice(0, n)), training.precision) for n in _PROBES]
    part = math.ceil(training.batch_size / (training.accumulate_batches * training.num_processes))
    activations = int(np.polyval(np.polyfit(_PROBES, kept, 2), part))
    parameters = sum(p.numel() * p.element_size() for p in network.parameters())
    copies = 3 if training.ema_decay is None else 4
    processes = training.num_processes
    return MemoryEstimate(
        weights=parameters * processes,
        optimizer=copies * parameters * processes,
        checkpoint=_WRITTEN * copies * parameters,
        activations=int(_TRANSIENT * max(activations, kept[0])) * processes,
        windows=_window_bytes(batch) * training.batch_size * processes,
        skip=_skip_bytes(config),
        processes=_PER_PROCESS * (processes - 1),
    )


def refuse_too_large(config: ForecasterConfig, panel: Panel) -> None:
    """Raises TrainingError where a fit would need more memory than is available; logs a warning where it is tight."""
    available = available_bytes()
    if available is None:
        return
    if _skip_bytes(config) > available:  # told before a network is made, which may hold as much
        raise _too_large(_skip_bytes(config), available, _skip_advice(config))
    estimate = memory_estimate(config, panel)
    if estimate.total > available:
        parts = (
            f"{_gb(estimate.activations)} for activations, {_gb(_of_weights(estimate))} for weights and optimiser, "
            f"{_gb(estimate.windows)} for windows, {_gb(estimate.skip)} for the skip; "
        )
        raise _too_large(estimate.total, available, parts + _advice(config, estimate))
    if estimate.total > _TIGHT * available:
        found = {"estimated_bytes": estimate.total, "available_bytes": available}
        log.warning("memory_is_tight", extra={"fields": found})


def available_bytes() -> int | None:
    """Gives the bytes that this machine, or the container around the process, has left; None where it does not say."""
    free = [_free_in_machine(), _free_in_container()]
    known = [value for value in free if value is not None]
    return min(known) if known else None


def _too_large(wanted: int, available: int, details: str) -> TrainingError:
    return TrainingError(
        f"training would take about {_gb(wanted)} of memory and {_gb(available)} are available: {details}",
        code="not-enough-memory",
    )


def _advice(config: ForecasterConfig, estimate: MemoryEstimate) -> str:
    by_batch, by_weights = estimate.activations + estimate.windows, _of_weights(estimate)
    if estimate.skip > max(by_batch, by_weights):
        return _skip_advice(config)
    if by_batch >= by_weights:
        training = config.training
        return (
            f"lower batch_size ({training.batch_size}) or raise accumulate_batches ({training.accumulate_batches}), "
            "which changes nothing but the time"
        )
    return f"lower d_model ({config.model.d_model}), d_ff ({config.model.d_ff}) or num_layers"


def _skip_advice(config: ForecasterConfig) -> str:
    model = config.model
    return (
        f"the skip {model.skip!r} alone takes most of it: lower context_length ({model.context_length}) or horizon "
        f"({model.horizon}), or take skip 'none'"
    )


def _skip_bytes(config: ForecasterConfig) -> int:
    """Gives what the skips of all networks hold, or what it takes to fit the one that they share."""
    model = config.model
    length = model.context_length or 0
    if model.skip == "ridge":
        num_known = num_known_numbers(len(model.covariates.known), length, model.season_length)
        return ridge_bytes(length, model.horizon, num_known)
    return theta_bytes(length) * config.training.num_members if model.skip == "theta" else 0


def _of_weights(estimate: MemoryEstimate) -> int:
    """Gives the bytes that grow with the network and not with the batch."""
    return estimate.weights + estimate.optimizer + estimate.checkpoint


def _some_windows(data: WindowDataModule) -> WindowBatch:
    """Gives as many training windows as the largest probe, repeated where there are fewer."""
    numbers = np.arange(max(_PROBES)) % data.training.num_windows
    addresses = data.training.locate(numbers)
    return data.windows.gather(WindowAddresses(addresses.series, addresses.cutoffs))


def _kept_bytes(network: Network, batch: WindowBatch, precision: WantedPrecision) -> int:
    """Gives the bytes that a forward pass keeps for the backward pass, weights excluded, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    half = lightning_precision(precision) == "bf16-mixed"
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with torch.autocast("cpu", torch.bfloat16, enabled=half), hooks:
        network.train().loss(batch)
    return sum(storage.nbytes() for storage in kept.values())


def _window_bytes(batch: WindowBatch) -> int:
    """Gives the bytes of one window, twice: as it is gathered and as the network pads and scales it."""
    steps = batch.context.shape[1] + batch.target.shape[1]
    num_columns = 1
    if batch.covariates is not None:
        parts = (batch.covariates.past.values, batch.covariates.known.values, batch.covariates.calendar)
        num_columns += sum(part.shape[-1] for part in parts) + (batch.covariates.elapsed is not None)
    return 2 * steps * num_columns * (8 + 1)


def _free_in_machine() -> int | None:
    if not _MEMORY_INFO.is_file():
        return None
    lines = dict(line.split(":", 1) for line in _MEMORY_INFO.read_text().splitlines() if ":" in line)
    return int(lines["MemAvailable"].split()[0]) << 10 if "MemAvailable" in lines else None


def _free_in_container() -> int | None:
    """Reads the limit of a control group (version 2)."""
    limit, used = _CONTROL_GROUP / "memory.max", _CONTROL_GROUP / "memory.current"
    if not (limit.is_file() and used.is_file()) or limit.read_text().strip() == "max":
        return None
    return max(0, int(limit.read_text()) - int(used.read_text()))


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"
