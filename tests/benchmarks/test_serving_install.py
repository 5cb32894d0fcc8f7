"""The benchmark of the serving install: figures and limits by hand, sizes of a made environment, and its page."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.record import RESULTS
from benchmarks.serving.footprint import Footprint, Memory, Start
from benchmarks.serving.imports import Imports
from benchmarks.serving.install import ROOT, Install
from benchmarks.serving.install_page import page
from benchmarks.serving_install import PAGE, UNWANTED, figures, largest, meets_limits


def footprint(*rss: int) -> Footprint:
    return Footprint(Start(2.345, 2.0), "onnx", [Memory(one, one // 2, one // 4) for one in rss])


CASES = {
    ("auto", 1): footprint(390_000_000),
    ("eager", 1): footprint(350_000_000),
    ("onnx", 1): footprint(401_000_000),
    ("eager", 2): footprint(300_000_000, 280_000_000),
}
IMPORTS = Imports(2.5, 2.25, 280_000_000, {"torch": 1200.0})


def test_figures_are_megabytes_and_seconds_of_the_largest_worker() -> None:
    found = figures(1_400_000_000, 1_100_000_000, IMPORTS, CASES)
    assert found["install_mb"] == 1400
    assert found["image_mb"] == 1100
    assert found["rss_mb_eager"] == 350
    assert found["pss_mb_eager_2"] == 150
    assert found["uss_mb_eager_2"] == 75
    assert (found["import_seconds"], found["import_cpu_seconds"]) == (2.5, 2.25)
    assert found["ready_seconds"] == pytest.approx(2.345, abs=0.005)
    assert "rss_mb_eager_2" not in found


def test_limits_are_said_of_each_way_to_execute() -> None:
    found = meets_limits(figures(1, 1, IMPORTS, CASES))
    assert found == {"rss_mb_auto": True, "rss_mb_eager": True, "rss_mb_onnx": False, "ready_seconds": True}


def test_nothing_that_serving_asks_for_is_unwanted() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted, left = set(), ["serve"]
    while left:
        for line in extras[left.pop()]:
            name, _, of = re.fullmatch(r"([\w-]+)(\[(.+)\])?.*", line).groups()  # type: ignore[union-attr]
            if name == "forecaster":
                left += of.split(",")
            wanted.add(name.lower())
    assert "sqlalchemy" in wanted
    assert wanted & UNWANTED == set()


def test_sizes_count_compiled_modules_to_their_distribution(tmp_path: Path) -> None:
    install = made_install(tmp_path)
    assert install.sizes() == {"small": 100 + 30 + len(RECORD), "other": 7}
    assert install.size() == 137 + len(RECORD) + 5


def test_pruning_removes_tests_headers_and_programs_and_nothing_else(tmp_path: Path) -> None:
    install = made_install(tmp_path)
    gone = ["small/tests/test_it.py", "small/deep/tests/tests/data.csv", "torch/test/a", "torch/include/a/b.h"]
    gone += ["torch/bin/protoc"]
    kept = ["torch/bin/torch_shm_manager", "torch/testing/a.py", "torch/lib/a.so", "small/tests.py"]
    for name in [*gone, *kept]:
        (install.packages / name).parent.mkdir(parents=True, exist_ok=True)
        (install.packages / name).write_text("x")
    install.prune()
    assert [name for name in gone if (install.packages / name).exists()] == []
    assert [name for name in kept if not (install.packages / name).exists()] == []
    assert (install.packages / "small" / "__init__.py").exists()


def test_the_largest_come_with_their_pruned_size_and_the_sum() -> None:
    found = largest({"a": 3_000_000, "b": 5_000_000}, {"a": 3_000_000, "b": 1_000_000})
    assert list(found.items()) == [("b", (5.0, 1.0)), ("a", (3.0, 3.0)), ("all packages", (8.0, 4.0))]


def test_the_page_is_that_of_the_record() -> None:
    content = json.loads((RESULTS / "serving_install.json").read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(content)


RECORD = "small/__init__.py,,\nsmall-1.0.dist-info/METADATA,,\nsmall-1.0.dist-info/RECORD,,\n"
METADATA = "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"


def made_install(folder: Path) -> Install:
    """Makes an environment with one distribution: a module of some bytes, its compiled form, and a stray file."""
    packages = folder / "lib" / "python3.11" / "site-packages"
    (packages / "torch" / "bin").mkdir(parents=True)
    (packages / "small" / "__pycache__").mkdir(parents=True)
    (packages / "small-1.0.dist-info").mkdir()
    (packages / "small-1.0.dist-info" / "METADATA").write_text(METADATA)
    (packages / "small-1.0.dist-info" / "RECORD").write_text(RECORD)
    (packages / "small" / "__init__.py").write_text("#" * (100 - len(METADATA)))
    (packages / "small" / "__pycache__" / "__init__.cpython-311.pyc").write_text("c" * 30)
    (packages / "stray.txt").write_text("s" * 7)
    (folder / "pyvenv.cfg").write_text("h = p")
    return Install(folder)
