"""Compilation: without a compiler training goes on and says so; with one it gives the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forecaster.training import compiling
from forecaster.training.compiling import compiled, compiler_problem
from forecaster.training.fit import fit
from tests.training.factories import PANEL, same_weights, with_model, with_training


def test_without_a_compiler_the_function_itself_runs_and_the_reason_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiling, "compiler_problem", lambda: "no working compiler")
    assert compiled(torch.sin) is torch.sin
    assert [(record.message, record.fields) for record in caplog.records] == [
        ("not_compiled", {"reason": "no working compiler"})
    ]


def test_a_broken_tool_chain_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: object) -> object:
        def fail(*_: object) -> None:
            raise RuntimeError("c++: command not found\nmore")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    compiler_problem.cache_clear()
    try:
        assert compiler_problem() == "c++: command not found"
    finally:
        compiler_problem.cache_clear()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the compiler's own making
@pytest.mark.timeout(600)
def test_a_compiled_step_learns_what_a_plain_one_does_and_resumes(tmp_path: Path) -> None:
    if compiler_problem() is not None:
        pytest.skip("there is no compiler here")
    config = with_training(with_model(dropout=0.0), precision="float32", max_steps=10, ema_decay=0.5)
    plain = fit(PANEL, config, tmp_path / "plain")
    found = fit(PANEL, with_training(config, compile=True), tmp_path / "compiled")
    assert found.facts.validation_loss == pytest.approx(plain.facts.validation_loss, rel=1e-3)
    assert same_weights(found, fit(PANEL, with_training(config, compile=True), tmp_path / "compiled"))
