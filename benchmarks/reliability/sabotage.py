"""Ways to break the service on purpose: what a harness does not notice here, it would not notice anywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

CRASHING_ID = "\N{GREEK SMALL LETTER OMEGA}"


def crash() -> None:
    """Makes requests with an id that begins with an omega fail as no error on purpose does."""
    from service.routes import forecast

    module: Any = forecast
    understood = module.understood

    def broken(*arguments: Any) -> Any:
        asked = understood(*arguments)
        if asked.request.series[0].id.startswith(CRASHING_ID):
            raise KeyError(CRASHING_ID)
        return asked

    module.understood = broken


def run_program() -> None:
    """Makes each request with a time zone start a program."""
    from service.requests import translate

    module: Any = translate
    to_panel = module.to_panel

    def broken(request: Any, *arguments: Any) -> Any:
        if request.timezone is not None:
            subprocess.run([sys.executable, "-c", ""], check=False)
        return to_panel(request, *arguments)

    module.to_panel = broken


def echo() -> None:
    """Makes refusals of fields repeat what was sent, as a web framework does by default."""
    from service import errors
    from service.errors import InvalidFields

    def broken(error: Any) -> InvalidFields:
        problems = error.errors()
        fields = [{"field": "body", "message": repr(problem["input"])} for problem in problems]
        return InvalidFields(fields)

    errors.InvalidFields.from_validation = staticmethod(broken)  # type: ignore[method-assign]


def not_finite() -> None:
    """Makes forecasts of series with large values NaN, and nobody look at it."""
    from forecaster.predictor import Predictor
    from service.compute import engine

    answer = Predictor.answer

    def broken(self: Predictor, windows: Any, levels: tuple[float, ...]) -> Any:
        values = answer(self, windows, levels)
        values[windows.context.abs().nan_to_num().amax(dim=1).numpy() > 1e3] = float("nan")
        return values

    Predictor.answer = broken  # type: ignore[method-assign]
    module: Any = engine
    module._refuse_not_finite = lambda _: None


def undeclared() -> None:
    """Makes replies lack a field that the document of the interface promises."""
    from service.requests import reply

    head = reply.head
    reply.head = lambda answer: {"model": {"name": head(answer)["model"]["name"]}}


def rotate() -> None:
    """Makes the batcher hand each client the rows of its neighbour."""
    from service.compute.work import Rows

    compute = Rows.compute

    def broken(self: Rows, company: Sequence[Any]) -> list[Any]:
        parts = compute(self, company)
        return [*parts[1:], parts[0]]

    Rows.compute = broken  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    "crash": crash,
    "echo": echo,
    "not-finite": not_finite,
    "rotate": rotate,
    "run-program": run_program,
    "undeclared": undeclared,
}
