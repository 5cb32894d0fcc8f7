"""The real data sets that benchmarks read: each as the table that a user would pass, cut as its protocol says."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forecaster.config import SplitConfig

DEFAULT_FOLDER = Path(__file__).parent.parent.parent / "shared" / "data"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Gives the arguments that every benchmark on real data takes."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DEFAULT_FOLDER, help="folder of the data sets")
    arguments.add_argument("--save", action="store_true", help="write the record to docs/results")
    return arguments


@dataclass(frozen=True)
class LongHorizon:
    """A wide table, standardised by its training rows, cut into training, validation and test rows.

    0 ... train_end ... validation_end ... len(table)
    """

    name: str
    table: pd.DataFrame
    train_end: int
    validation_end: int

    def split(self, horizon: int) -> SplitConfig:
        """Gives the folds of the protocol: every window whose target lies in the validation, or the test rows."""
        return SplitConfig(
            num_validation_folds=self.validation_end - self.train_end - horizon + 1,
            num_test_folds=len(self.table) - self.validation_end - horizon + 1,
            step=1,
        )


def etth1(folder: Path) -> LongHorizon:
    """Electricity transformer, hourly, 7 variates: 12 months to train on, 4 to validate, 4 to test."""
    table = pd.read_csv(folder / "ETTh1.csv", parse_dates=["date"]).head(14_400)
    return LongHorizon("etth1", _standardised(table, 8_640), 8_640, 11_520)


def exchange(folder: Path) -> LongHorizon:
    """8 daily exchange rates: 70 % to train on, 10 % to validate, 20 % to test."""
    table = pd.read_csv(folder / "exchange_rate.csv")
    train_end, num_test = int(0.7 * len(table)), int(0.2 * len(table))
    return LongHorizon("exchange", _standardised(table, train_end), train_end, len(table) - num_test)


def m3(folder: Path) -> pd.DataFrame:
    """M3 competition: unique_id, ds (counted steps), y, period, and split (train or test)."""
    return _long(folder / "m3.parquet").drop(columns="category")


def m4_hourly(folder: Path) -> pd.DataFrame:
    """M4 hourly: unique_id, ds (counted steps), y and split (train or test)."""
    return _long(folder / "m4_hourly.parquet")


def nn5(folder: Path) -> pd.DataFrame:
    """NN5 daily cash withdrawals: unique_id, ds (counted steps), y (NaN in gaps) and split (train or test)."""
    return _long(folder / "nn5.parquet").drop(columns="period")


def price(folder: Path) -> pd.DataFrame:
    """Hourly day-ahead prices of 4 markets: unique_id, ds, y, two forecasts known ahead, and weekday flags."""
    return pd.read_csv(folder / "electricity_price.csv", parse_dates=["ds"])


def _long(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path).rename(columns={"step": "ds"})
    texts = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(texts, "str"))


def _standardised(table: pd.DataFrame, train_end: int) -> pd.DataFrame:
    """Gives the table with the numbers of each column at mean 0 and deviation 1 over its first rows."""
    numbers = table.select_dtypes("number")
    head = numbers.iloc[:train_end]
    scaled = (numbers - head.mean()) / head.std(ddof=0)
    return table.assign(**{str(name): scaled[name] for name in scaled})
