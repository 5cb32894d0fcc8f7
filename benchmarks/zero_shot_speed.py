"""How fast the pretrained encoder forecasts, beside an encoder-decoder of the sizes of chronos-bolt-tiny.

    python -m benchmarks.zero_shot_speed [--save] [--threads 2]

512 steps of history, 64 steps ahead, nine quantiles. The peer has random weights, which costs the same: 4 + 4 blocks of
width 256, patches of 16, a feed-forward layer of 1,024 and 4 heads, in plain PyTorch; its tokeniser and its scaling are
left out, which flatters it. Freed memory is kept as the command line and the service keep it, which serves both. Rounds
of both take turns; figures are medians of series a second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.record import machine_setup, record
from forecaster.config import DEFAULT_LEVELS
from forecaster.freed_memory import keep_freed_memory
from forecaster.pretrained import encoder_for
from forecaster.time.frequency import Frequency

_CONTEXT, _HORIZON, _PATCH = 512, 64, 16
_ROUNDS, _SECONDS = 7, 2.0


class Peer(nn.Module):
    """Patches -> encoder -> a decoder of one token -> all quantiles of all steps."""

    def __init__(self, width: int = 256, hidden: int = 1_024, num_heads: int = 4, num_blocks: int = 4) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2 * _PATCH, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.transformer = nn.Transformer(
            width, num_heads, num_blocks, num_blocks, hidden, dropout=0.0, batch_first=True, norm_first=True
        )
        self.start = nn.Parameter(torch.zeros(1, 1, width))
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, _HORIZON * len(DEFAULT_LEVELS))
        )

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        """Gives [B H Q] of contexts [B L]."""
        patches = context.unfold(1, _PATCH, _PATCH)
        tokens = self.embed(torch.cat([patches, torch.ones_like(patches)], dim=-1))
        last = self.transformer(tokens, self.start.expand(len(tokens), 1, -1))
        forecast: torch.Tensor = self.head(last[:, 0]).unflatten(-1, (_HORIZON, len(DEFAULT_LEVELS)))
        return forecast


def main() -> None:
    """Times both at batches of 1 and 32 and prints the record."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--save", action="store_true", help="write the record to docs/results")
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    peer = Peer().eval()
    predictor = encoder_for(Frequency("h"), _CONTEXT, horizon=_HORIZON).predictor
    figures: dict[str, float] = {}
    for batch in (1, 32):
        context = torch.randn(batch, _CONTEXT, dtype=torch.float64).cumsum(dim=1)
        observed, plain = torch.ones_like(context, dtype=torch.bool), context.to(torch.float32)
        found = _in_turns(
            {
                "encoder": lambda c=context, o=observed: predictor.quantiles(c, o, DEFAULT_LEVELS),
                "peer": lambda p=plain: peer(p),
            },
            batch,
        )
        figures |= {f"{name}_batch_{batch}": value for name, value in found.items()}
        figures[f"ratio_batch_{batch}"] = found["encoder"] / found["peer"]
    figures |= {"encoder_parameters": _count(predictor.network), "peer_parameters": _count(peer)}
    setup = machine_setup() | {"context": _CONTEXT, "horizon": _HORIZON, "chronos_bolt_tiny_published": [101, 520]}
    record("zero_shot_speed", {name: round(value, 3) for name, value in figures.items()}, setup, save=given.save)


def _in_turns(forecasters: dict[str, Callable[[], object]], batch: int) -> dict[str, float]:
    """Gives series a second of each, the median over rounds."""
    found: dict[str, list[float]] = {name: [] for name in forecasters}
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            for name, forecast in forecasters.items():
                forecast()
                began, count = time.perf_counter(), 0
                while time.perf_counter() - began < _SECONDS / len(forecasters):
                    forecast()
                    count += batch
                found[name].append(count / (time.perf_counter() - began))
    return {name: statistics.median(rates) for name, rates in found.items()}


def _count(network: nn.Module) -> float:
    return float(sum(weight.numel() for weight in network.parameters()))


if __name__ == "__main__":
    main()
