"""How figures of a report look: one size of type, one colour for each role, no frame where none is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.comparison import SEASONAL_NAIVE

INK, OWN, FAINT = "#1f2933", "#c2410c", "#9aa5b1"
_DOTS_PER_INCH = 110
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_OF_ROLE = {"champion": "#1d4ed8", SEASONAL_NAIVE: "#6b7280"}
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7c3aed", "#6b7280", "#0e7490", "#be185d", "#b45309")  # of runs
_FURTHER = ("#15803d", "#7c3aed", "#b45309", "#0e7490", "#be185d")


def colours(own: str, roles: Sequence[str]) -> dict[str, str]:
    """Gives each role a colour; the own one, the champion and the seasonal naive have the same in every figure."""
    known = {**_OF_ROLE, own: OWN}
    further = [role for role in roles if role not in known]
    return known | {role: _FURTHER[number % len(_FURTHER)] for number, role in enumerate(further)}


@contextmanager
def drawn(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Gives an empty figure of that size in inches, and saves it as PNG at the end of the block."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DOTS_PER_INCH)


def evenly(number: int, most: int) -> list[int]:
    """Gives places among `number` that lie equally far from each other, `most` of them or fewer, for labels."""
    return list(range(0, number, max(1, -(-number // most))))


def grid_lines(axis: Axes) -> None:
    """Draws faint horizontal lines behind what is drawn."""
    axis.grid(axis="y", color=FAINT, alpha=0.3, lw=0.6)
    axis.set_axisbelow(True)
