"""Imports of a process that only forecasts; those of the service are tested with it."""

from __future__ import annotations

import gc
import subprocess
import sys

from forecaster.imports import collector_at_rest

STATE = "print(gc.isenabled(), gc.get_freeze_count() > 100)"
FAILING = """
import gc
from forecaster.imports import collector_at_rest
try:
    with collector_at_rest():
        print(gc.isenabled())
        import no_module_of_this_name
except ImportError:
    """


def printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_collector_works_again_where_an_import_fails() -> None:
    assert printed(FAILING + STATE) == ["False", "True True"]


def test_where_torch_is_there_already_the_collector_is_left_alone() -> None:
    import torch  # noqa: F401

    before = gc.get_freeze_count()
    with collector_at_rest():
        assert gc.isenabled()
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, before)


def test_a_collector_that_rests_already_goes_on_resting() -> None:
    code = "import gc; gc.disable()\nfrom forecaster.imports import collector_at_rest\n"
    assert printed(f"{code}with collector_at_rest(): pass\n{STATE}") == ["False False"]
