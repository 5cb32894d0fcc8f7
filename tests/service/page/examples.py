"""The examples of the page, from the tables of the demo. `python -m tests.service.page.examples` rewrites them."""

from __future__ import annotations

from pathlib import Path

import service.page
from pipelines import examples

FOLDER = Path(service.page.__file__).parent / "files"
_HOURS, _WEEKS = 56 * 24, 520


def weather() -> str:
    """The last eight weeks of temperatures, one column per airport, in UTC."""
    table = examples.weather()
    table = table[table["unique_id"].str.endswith("_temperature")]
    wide = table.pivot_table(index="ds", columns="unique_id", values="y").asfreq("h").tail(_HOURS)
    wide.index = wide.index.strftime("%Y-%m-%dT%H:%M:%SZ")
    return wide.to_csv(lineterminator="\n")


def co2() -> str:
    """The last ten years of weekly measurements, in long format."""
    table = examples.co2().tail(_WEEKS)
    return table.assign(ds=table["ds"].dt.strftime("%Y-%m-%d")).to_csv(index=False, lineterminator="\n")


EXAMPLES = {"weather.csv": weather, "co2.csv": co2}

if __name__ == "__main__":
    for name, text in EXAMPLES.items():
        (FOLDER / name).write_text(text(), encoding="utf-8")
