"""A comparison of runs as one page of HTML: no script, nothing fetched, pictures within, light or dark."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.errors import SourceError
from pipelines.report.drawing import COLOURS, INK, drawn, grid_lines
from pipelines.report.verdicts import RunComparison, best

_STYLE = """
:root { color-scheme: light dark;
  --ink: #1f2933; --paper: #ffffff; --line: #d5dbe1; --faint: #52606d; --good: #dcf5e3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --paper: #15191e; --line: #37414b; --faint: #a7b3bf; --good: #1d4429; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1080px;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
table { overflow-wrap: normal; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.faint, figcaption { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } th.number { text-align: right; }
td.best { background: var(--good); font-weight: 600; }
code { font-size: .85em; }
figure { margin: 1rem 0; } img { max-width: 100%; background: #ffffff; border-radius: 4px; }
"""


def check_page(path: Path) -> None:
    """Raises SourceError where a page could not be written to `path`, before any work is done."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise SourceError(f"report {path} must end in .html")
    if path.is_dir() or not path.parent.is_dir():
        raise SourceError(f"report {path} cannot be written: it is a folder, or its folder does not exist")


def write_page(comparison: RunComparison, path: Path) -> None:
    """Writes the page, all or nothing."""
    check_page(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".forecaster-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            draft.write_text(page(comparison), encoding="utf-8")
            draft.replace(path)
    except OSError as error:
        raise SourceError(f"report {path} cannot be written: {error.strerror}") from error


def page(comparison: RunComparison) -> str:
    """Gives the page as text."""
    first = comparison.runs[0]
    title = f"{len(comparison.runs)} runs compared: {first.tags.get('data', '')}, {_steps(comparison)} steps ahead"
    body = "\n".join(_sections(comparison, title))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html>\n<html lang="en"><head>{head}{viewport}</head>\n<body>\n{body}\n</body></html>\n'


def _sections(comparison: RunComparison, title: str) -> Iterator[str]:
    first = comparison.runs[0]
    yield f"<h1>{escape(title)}</h1>"
    windows, folds = len(first.windows), first.windows["fold"].nunique()
    data = f"{windows:,} windows of {folds} fold(s); data {first.tags.get('data_fingerprint', '')}"
    yield f'<p class="faint">{escape(data)}</p>'
    yield _table(comparison.run_table())
    yield "<h2>Which is better</h2>"
    yield "<ul>" + "".join(f"<li>{escape(verdict.text)}</li>" for verdict in comparison.verdicts()) + "</ul>"
    yield _metrics(comparison)
    yield "<h2>By step of the horizon</h2>" + _figure(_horizon_png(comparison), "error and coverage by step")
    yield "<h2>Fold by fold: MASE</h2>" + _table(comparison.fold_table())
    yield f"<h2>Series that {comparison.letters[-1]} changes most against A: MASE</h2>"
    yield _table(comparison.series_table())
    for letter, run in zip(comparison.letters, comparison.runs, strict=True):
        if run.forecasts is not None:
            yield f"<h2>Forecasts of {letter}</h2>" + _figure(run.forecasts, f"typical and worst windows of {run.name}")


def _metrics(comparison: RunComparison) -> str:
    """Gives the table of metrics, the best of each row marked."""
    table, letters = comparison.metric_table(), list(comparison.letters)
    rows = []
    for _, row in table.iterrows():
        values = [float(row[letter]) for letter in letters]
        place = best(row["metric"], values)
        cells = "".join(
            f'<td class="number{" best" if at == place else ""}">{value:.4f}</td>' for at, value in enumerate(values)
        )
        rows.append(f"<tr><td>{escape(row['metric'])}</td>{cells}</tr>")
    return _framed(["metric", *letters], rows, numbers=set(letters))


def _table(table: pd.DataFrame) -> str:
    numbers = {name for name in table.columns if pd.api.types.is_float_dtype(table[name])}
    rows = []
    for _, row in table.iterrows():
        cells = "".join(
            f'<td class="number">{row[name]:.4f}</td>' if name in numbers else f"<td>{escape(str(row[name]))}</td>"
            for name in table.columns
        )
        rows.append(f"<tr>{cells}</tr>")
    return _framed([str(name) for name in table.columns], rows, numbers)


def _framed(names: list[str], rows: list[str], numbers: set[str]) -> str:
    head = "".join(
        f'<th class="number">{escape(name)}</th>' if name in numbers else f"<th>{escape(name)}</th>" for name in names
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _figure(png: bytes, caption: str) -> str:
    source = base64.b64encode(png).decode()
    told = escape(caption)
    return f'<figure><img src="data:image/png;base64,{source}" alt="{told}"><figcaption>{told}</figcaption></figure>'


def _horizon_png(comparison: RunComparison) -> bytes:
    with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
        path = Path(folder) / "horizon.png"
        with drawn(path, 11, 3.8) as figure:
            axes = figure.subplots(1, 2)
            for axis, name in zip(axes, ("mase_by_step", "coverage_80_by_step"), strict=True):
                for number, run in enumerate(comparison.runs):
                    if name in run.curves:
                        curve = run.curves[name]
                        colour = COLOURS[number % len(COLOURS)]
                        axis.plot(np.arange(1, len(curve) + 1), curve, color=colour, label=comparison.letters[number])
                axis.set(xlabel="step of the horizon")
                axis.legend(loc="best")
                grid_lines(axis)
            axes[0].set_title("MASE")
            axes[0].set_ylim(bottom=0)
            axes[1].set_title("Share of actual values inside the 80 % interval")
            axes[1].axhline(0.8, color=INK, lw=1, ls=":")
            axes[1].set_ylim(0, 1)
        return path.read_bytes()


def _steps(comparison: RunComparison) -> int:
    return int(comparison.runs[0].tags.get("horizon", "0"))
