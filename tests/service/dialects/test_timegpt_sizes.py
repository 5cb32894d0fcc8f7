"""How much of a history the SDK is told to send, before it says all that it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.dialects.timegpt.choice import Choices, frequencies_of
from service.dialects.timegpt.schemas import WindowSizes
from service.dialects.timegpt.sizes import sizes_of
from service.errors import UnknownModel
from service.models.models import Models
from service.settings import Settings
from tests.service.fakes import FakeClock, FakeRegistry


def sizes(folder: Path, registered: dict[str, dict[str, Any]], name: str, freq: str = "h", **settings: Any) -> Any:
    """Gives the sizes of a name where models are served that have these frequencies, contexts and horizons."""
    registry = FakeRegistry(folder / "registry")
    for model, changes in registered.items():
        registry.add(model, **changes)
    chosen = Settings(home=folder / "home", registry_uri="http://127.0.0.1:1", **settings)
    models = Models(chosen, registry, warm=lambda *_: None, clock=FakeClock())
    models.refresh()
    return sizes_of(Choices(models, chosen, None), name, frequencies_of(freq, has_starts=False), models.find)


def test_fine_tuned_models_of_which_nothing_is_known_yet_have_room(tmp_path: Path) -> None:
    found = sizes(tmp_path, {"hours": {"context_length": 24, "horizon": 5}}, "hours")
    assert found == WindowSizes(input_size=1024, horizon=5)


@pytest.mark.parametrize("name", ["hours", "timegpt-1"])
def test_no_model_of_the_frequency_looks_at_more_than_is_sent(tmp_path: Path, name: str) -> None:
    registered = {
        "hours": {"context_length": 24, "horizon": 5},
        "longer": {"context_length": 1200},
        "days": {"context_length": 1224, "frequency": "D"},
    }
    found = sizes(tmp_path, registered, name, timegpt_models="hours")
    assert found == WindowSizes(input_size=1200, horizon=5)


def test_of_several_that_a_name_could_mean_sizes_are_told_that_suit_all(tmp_path: Path) -> None:
    registered = {
        "hours": {"context_length": 24, "horizon": 7},
        "longer": {"context_length": 1200, "horizon": 5},
    }
    assert sizes(tmp_path, registered, "timegpt-2.1") == WindowSizes(input_size=1200, horizon=5)


def test_a_name_that_means_nothing_has_no_sizes(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model of that name"):
        sizes(tmp_path, {"hours": {}}, "gpt-1")
