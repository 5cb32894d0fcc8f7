"""The public door: every exported name exists, lives where it says, and importing the package is cheap."""

from __future__ import annotations

import inspect
import subprocess
import sys

import forecaster


def test_all_names_every_public_object_and_nothing_else() -> None:
    assert list(forecaster.__all__) == sorted(forecaster.__all__)
    assert dir(forecaster) == list(forecaster.__all__)
    assert set(forecaster.__all__) == set(forecaster._HOMES)


def test_every_exported_name_is_documented_and_comes_from_its_home() -> None:
    for name in forecaster.__all__:
        exported = getattr(forecaster, name)
        assert exported.__module__ == forecaster._HOMES[name]
        assert inspect.getdoc(exported)


def test_importing_the_package_loads_neither_torch_nor_pandas_nor_a_wing() -> None:
    heavy = ("torch", "pandas", "mlflow", "fastapi", "service", "pipelines")
    code = f"import sys, forecaster; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_library_can_be_used_without_lightning() -> None:
    code = (
        "import sys; sys.modules['pytorch_lightning'] = None\n"
        "from forecaster import Forecaster, Predictor, load_bundle; print('ok')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "ok\n"
