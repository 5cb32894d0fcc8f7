"""The negative controls: the same service with one care taken out, `python -m benchmarks.reliability.careless CARE`.

unverified    what was downloaded serves, whatever it is
unpinned      an answer names the version that is current when it is written, not the one it was computed by
hoarding      versions that were replaced are kept
alone         a forecast that is replayed is computed without the company that it had
forgetful     what the ledger is given is written to its journal a little later
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors.torch import load_file

from forecaster.bundle import CALIBRATION, CONFIG, MANIFEST, WEIGHTS, Bundle
from forecaster.manifest import Manifest
from forecaster.runtime.choose import RuntimeChoice
from forecaster.stored_predictor import BundleConfig, predictor_of
from service.compute import engine
from service.ledger import journal
from service.models import loading, models
from service.models.registry import VersionRef
from service.requests import asked
from service.routes import forecast

_HELD = 20


def leave_unverified() -> None:
    """Takes out every check between download and service."""

    def ready(_: loading.Loader, folder: Path, reference: VersionRef) -> Bundle:
        config = BundleConfig.model_validate(json.loads((folder / CONFIG).read_bytes()))
        manifest = Manifest.model_validate(json.loads((folder / MANIFEST).read_bytes()))
        predictor = predictor_of(config, load_file(folder / WEIGHTS), load_file(folder / CALIBRATION))
        return Bundle(predictor, config, manifest, reference.digest, RuntimeChoice("eager"))

    loading.Loader._ready = ready  # type: ignore[method-assign]


def leave_unpinned() -> None:
    """Makes an answer name the model that is current when it is written."""
    find: list[asked.FindModel] = []
    understand, answer = forecast.understood, asked.Asked.answer

    def understood(*arguments: Any) -> asked.Asked:
        find[:] = [arguments[-1]]
        return understand(*arguments)

    def answer_as_now(self: asked.Asked, *said: Any, **more: Any) -> Any:
        return answer(replace(self, model=find[0](self.request.model)), *said, **more)

    forecast.understood = understood
    asked.Asked.answer = answer_as_now  # type: ignore[method-assign]


def hoard() -> None:
    """Keeps every model that ever served."""
    kept, swap = [], models.Models._swap

    def swap_and_keep(self: models.Models, *arguments: Any) -> None:
        kept.extend(self.served)
        swap(self, *arguments)

    models.Models._swap = swap_and_keep  # type: ignore[method-assign]


def leave_alone() -> None:
    """Replays by forward passes of the windows of one forecast."""
    again = engine.Engine.again

    async def alone(self: engine.Engine, predictor: Any, question: Any, _: Any, expires: float) -> Any:
        sizes = [len(places) for places in question.batches(self._batcher.max_rows)]
        return await again(self, predictor, question, sizes, expires)

    engine.Engine.again = alone  # type: ignore[method-assign]


def forget() -> None:
    """Writes entries of the journal only once there are twenty of them."""
    held: list[Any] = []
    append_all = journal.Journal.append_all

    def append_later(self: journal.Journal, entries: Sequence[Any]) -> None:
        held.extend(entries)
        while len(held) > _HELD:
            append_all(self, [held.pop(0)])

    journal.Journal.append_all = append_later  # type: ignore[method-assign]


CARES: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "unverified": leave_unverified,
        "unpinned": leave_unpinned,
        "hoarding": hoard,
        "alone": leave_alone,
        "forgetful": forget,
    }
)


def main() -> None:
    """Takes one care out and serves; the settings are those of the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("care", choices=sorted(CARES))
    CARES[parser.parse_args().care]()
    from forecaster.cli import main as command

    command(["serve"])


if __name__ == "__main__":
    main()
