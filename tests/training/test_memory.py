"""Memory: estimated near the measured peak, and a fit that cannot succeed is refused before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forecaster.config import ForecasterConfig
from forecaster.errors import TrainingError
from forecaster.model.network import Network
from forecaster.training import memory
from forecaster.training.fit import fit, resolve
from forecaster.training.memory import MemoryEstimate, available_bytes, memory_estimate
from tests.training.factories import PANEL, grouped, with_model, with_training


def estimate(config: ForecasterConfig) -> MemoryEstimate:
    return memory_estimate(resolve(PANEL, config), PANEL)


LARGE = with_training(with_model(d_model=64, num_layers=2, d_ff=128), batch_size=4096)


def test_activations_grow_with_the_part_of_a_batch_and_nothing_else_does() -> None:
    whole, half = estimate(LARGE), estimate(with_training(LARGE, accumulate_batches=2))
    assert half.activations == pytest.approx(whole.activations / 2, rel=0.01)
    assert half.weights == whole.weights
    assert half.windows == whole.windows
    of_steps = (whole.weights, whole.optimizer, whole.checkpoint, whole.activations, whole.windows)
    assert whole.total == sum((*of_steps, whole.processes, whole.skip))


def test_weights_take_four_bytes_and_the_optimiser_three_times_as_many() -> None:
    found = estimate(LARGE)
    num_parameters = sum(p.numel() for p in memory.Network(resolve(PANEL, LARGE).model).parameters())
    assert found.weights == 4 * num_parameters
    assert found.optimizer == 3 * found.weights
    assert estimate(with_training(LARGE, ema_decay=0.9)).optimizer == 4 * found.weights


def test_attention_across_a_group_grows_with_the_square_of_the_batch() -> None:
    panel = grouped(PANEL, [0, 0, 0])
    sizes = []
    for batch_size in (4096, 8192):
        config = with_training(with_model(channels="group"), batch_size=batch_size)
        sizes.append(memory_estimate(resolve(panel, config), panel).activations)
    assert 3.8 < sizes[1] / sizes[0] < 4.2


def test_each_process_takes_its_own() -> None:
    alone, two = estimate(LARGE), estimate(with_training(LARGE, num_processes=2))
    assert two.weights == 2 * alone.weights
    assert two.activations == pytest.approx(alone.activations, rel=0.01)
    assert two.processes > alone.processes == 0


def test_what_is_available_is_read_of_machine_and_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    assert available_bytes() is None
    (tmp_path / "meminfo").write_text("MemTotal:  900 kB\nMemAvailable:   500 kB\n")
    assert available_bytes() == 500 << 10
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert available_bytes() == 500 << 10
    (tmp_path / "memory.max").write_text("3000\n")
    assert available_bytes() == 2000


def available(num_bytes: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMORY_INFO", folder / "meminfo")
    monkeypatch.setattr(memory, "_CONTROL_GROUP", folder)
    (folder / "meminfo").write_text(f"MemAvailable: {num_bytes >> 10} kB\n")


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        (LARGE, r"lower batch_size \(4096\) or raise accumulate_batches \(1\)"),
        (with_training(with_model(d_model=256, d_ff=1024), batch_size=2), r"lower d_model \(256\), d_ff \(1024\)"),
    ],
)
def test_a_fit_beyond_memory_is_refused_with_numbers_and_a_way_out(
    config: ForecasterConfig, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available(1 << 20, tmp_path, monkeypatch)
    with pytest.raises(TrainingError, match=rf"would take about .* GB .* and 0\.00 GB are available.*{advice}"):
        fit(PANEL, config, tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_a_fit_that_barely_fits_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = resolve(PANEL, LARGE)
    available(int(1.1 * estimate(config).total), tmp_path, monkeypatch)
    memory.refuse_too_large(config, PANEL)
    assert [record.message for record in caplog.records] == ["memory_is_tight"]


MEASURED_FIT = """
import re, sys, tempfile
from pathlib import Path
from forecaster.model.network import Network
from forecaster.training.fit import fit, resolve
from forecaster.training.memory import memory_estimate
from tests.factories import sine_panel
from tests.training.factories import PANEL, with_model, with_training

def peak():  # of this program: ru_maxrss would begin at the size of the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

with tempfile.TemporaryDirectory() as folder:
    fit(PANEL, with_training(max_steps=1), Path(folder) / "warm-up")
    before = peak()
    model = dict(context_length=256, patch_length=8, d_model=64, num_heads=4, num_layers=3, d_ff=128, horizon=24)
    batch_size, precision = int(sys.argv[1]), sys.argv[2]
    config = with_training(with_model(**model), max_steps=3, batch_size=batch_size, precision=precision)
    panel = sine_panel(4, 2000, noise=0.1)
    config = resolve(panel, config)
    estimate = memory_estimate(config, panel)
    fit(panel, config, Path(folder) / "fit")
    print(estimate.total / (peak() - before))
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "precision"), [(64, "float32"), (512, "float32"), (512, "bfloat16")])
def test_the_estimate_is_near_the_measured_peak(batch_size: int, precision: str) -> None:
    command = [sys.executable, "-c", MEASURED_FIT, str(batch_size), precision]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    ratio = float(output.stdout.split()[-1])
    assert 1 / 2 < ratio < 2


def test_what_a_ridge_on_a_long_context_takes_is_counted() -> None:
    plain, over_ridge = (
        estimate(with_model(context_length=4096, patch_length=512, skip=skip)) for skip in ("none", "ridge")
    )
    assert plain.skip == 0
    assert over_ridge.skip > 8 * 8 * 4096**2  # the moments of six blocks and more
    assert over_ridge.total - over_ridge.skip == plain.total


def test_the_tables_of_theta_are_counted() -> None:
    config = with_model(context_length=1024, patch_length=128, skip="theta")
    held = sum(b.numel() * b.element_size() for b in Network(resolve(PANEL, config).model).skip.buffers())
    assert estimate(config).skip == pytest.approx(held, rel=1e-3)


@pytest.mark.parametrize("skip", ["ridge", "theta"])
def test_where_the_skip_takes_too_much_the_advice_is_about_it(
    skip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available(1 << 30, tmp_path, monkeypatch)
    config = with_model(context_length=16_384, patch_length=1_024, skip=skip)
    with pytest.raises(TrainingError, match=rf"skip '{skip}' alone takes most of it: lower context_length \(16384\)"):
        fit(PANEL, config, tmp_path / "fit")
