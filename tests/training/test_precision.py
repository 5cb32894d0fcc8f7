"""The precision: asked for is given, automatic follows the hardware."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.training import precision
from forecaster.training.precision import lightning_precision


@pytest.mark.parametrize(("wanted", "given"), [("float32", "32-true"), ("bfloat16", "bf16-mixed")])
def test_what_is_asked_for_is_given(wanted: str, given: str) -> None:
    assert lightning_precision(wanted) == given  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "given"),
    [("fpu sse avx512_bf16", "bf16-mixed"), ("fpu amx_bf16 x", "bf16-mixed"), ("fpu avx512f", "32-true")],
)
def test_automatic_takes_bfloat16_where_the_cpu_has_it(
    flags: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert lightning_precision("auto") == given


def test_automatic_takes_float32_where_the_cpu_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "none")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert lightning_precision("auto") == "32-true"
