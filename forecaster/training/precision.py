"""Which number format training multiplies in, decided by what the hardware does fast."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

LightningPrecision = Literal["32-true", "bf16-mixed"]


def lightning_precision(wanted: Literal["auto", "float32", "bfloat16"]) -> LightningPrecision:
    """Gives Lightning's name for the wanted precision; 'auto' takes bfloat16 where it is native and pays.

    On a GPU that is compute capability 8 or later, on a CPU the AMX tile unit: with AVX-512 bfloat16
    alone the matrix products are faster, but the casts around small layers eat the gain.
    """
    if wanted == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else _has_amx()
        return "bf16-mixed" if native else "32-true"
    return "bf16-mixed" if wanted == "bfloat16" else "32-true"


def _has_amx() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and " amx_bf16" in flags.read_text()
