"""Bits flipped and files cut off in a bundle with a graph: what the service refuses to load (T16).

Each flip is of one random bit of a random file, the manifest among them; files are cut off at every 4 KiB and one byte
before their end. The controls load weights, and open the graph, as MLflow and ONNX Runtime do without digests.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import write_untrained
from tests.service.integrity import (
    flip_and_load,
    flip_and_load_without_digests,
    flip_and_open_graph,
    reference_of,
    truncate_at_and_load,
)

_STEP_BYTES = 4096


@dataclass(frozen=True)
class Damage:
    """How many bits are flipped, before the service and before the controls."""

    num_flips: int
    num_control_flips: int


FULL = Damage(1000, 200)
SHORT = Damage(100, 24)


def cuts_of(size: int, step: int = _STEP_BYTES) -> list[int]:
    """Gives the lengths that a file of `size` bytes is cut off at: none, each multiple of `step`, all but one byte."""
    return sorted({*range(0, size, step), size - 1})


def measure(damage: Damage, seed: int = 0) -> dict[str, object]:
    """Damages a bundle, one place at a time, and counts what is refused."""
    rng = random.Random(seed)  # noqa: S311 - damage that can be repeated
    with tempfile.TemporaryDirectory(prefix="forecaster-bundle-") as home:
        bundle = Path(home) / "bundle"
        write_untrained(bundle, has_graph=True)
        before = reference_of(bundle)
        files = sorted(bundle.iterdir())
        flips = sum(flip_and_load(bundle, rng) for _ in range(damage.num_flips))
        cuts = [truncate_at_and_load(path, length) for path in files for length in cuts_of(path.stat().st_size)]
        weights = sum(flip_and_load_without_digests(bundle, rng) for _ in range(damage.num_control_flips))
        graphs = sum(flip_and_open_graph(bundle, rng) for _ in range(damage.num_control_flips))
        assert reference_of(bundle) == before, "the bundle was not mended"
        sizes = {path.name: path.stat().st_size for path in files}
    return {
        "file_bytes": sizes,
        "bit_flips": damage.num_flips,
        "bit_flips_refused": flips,
        "truncations": len(cuts),
        "truncations_refused": sum(cuts),
        "control_bit_flips": damage.num_control_flips,
        "control_weights_refused": weights,
        "control_graphs_refused": graphs,
    }


def main() -> None:
    """Prints the record; --short flips 100 bits instead of 1000."""
    run_command("integrity", __doc__, lambda short: measure(SHORT if short else FULL), ["onnxruntime", "safetensors"])


if __name__ == "__main__":
    main()
