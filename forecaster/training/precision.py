"""Which number format training multiplies in, decided by what the hardware does natively."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

WantedPrecision = Literal["auto", "float32", "bfloat16"]
LightningPrecision = Literal["32-true", "bf16-mixed"]

_CPU_INFO = Path("/proc/cpuinfo")
_NATIVE_FLAGS = {"avx512_bf16", "amx_bf16"}


def lightning_precision(wanted: WantedPrecision) -> LightningPrecision:
    """Gives Lightning's name for the wanted precision.

    'auto' takes bfloat16 where the hardware multiplies it natively: a GPU of compute capability 8 or later, a
    CPU with AVX-512 bfloat16 or AMX. There it trains faster to the same loss (docs/experiments.md); elsewhere it
    would be emulated, and slower.
    """
    if wanted == "auto":
        cuda = torch.cuda.is_available()
        native = torch.cuda.is_bf16_supported(including_emulation=False) if cuda else _cpu_has_bfloat16()
        return "bf16-mixed" if native else "32-true"
    return "bf16-mixed" if wanted == "bfloat16" else "32-true"


def _cpu_has_bfloat16() -> bool:
    if not _CPU_INFO.is_file():
        return False
    return not _NATIVE_FLAGS.isdisjoint(_CPU_INFO.read_text().split())
