"""Settings of tables: how they are laid out and what may be repaired."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forecaster.config.base import Config
from forecaster.config.covariates import CovariateConfig


class TableConfig(Config):
    """How a table of series is laid out, and which repairs the caller allows."""

    layout: Literal["auto", "long", "wide"] = Field(
        "auto",
        description="long: one row per series and timestamp; wide: one column per series. "
        "auto reads a table that has the target column as long, any other as wide.",
    )
    id_column: str = Field(
        "unique_id", description="A long table without a column of the default name holds one unnamed series."
    )
    time_column: str | None = Field(
        None,
        description="Default: 'ds' in a long table; in a wide one the only column that holds timestamps, "
        "or none, in which case rows are counted as integer steps.",
    )
    target_column: str = "y"
    frequency: str | None = Field(None, description="A pandas offset alias, or 'step'. Inferred when absent.")
    expected_frequency: str | None = Field(
        None,
        description="What to read a table with that names no `frequency`, instead of inferring one: that of a model. "
        "A table in which no row follows another by one such step is refused.",
    )
    timezone: str | None = Field(
        None, description="IANA zone in which timestamps without an offset are read. Default: they stay naive."
    )
    duplicates: Literal["refuse", "first", "last", "mean"] = Field(
        "refuse", description="What to do with several rows for one timestamp of one series."
    )
    unsorted: Literal["refuse", "sort"] = Field(
        "refuse", description="What to do when the timestamps of a series do not ascend."
    )
    infinite: Literal["refuse", "missing"] = Field("refuse", description="What to do with +/- infinity.")
    past_columns: tuple[str, ...] = Field((), description="Numbers known up to the last row, beside the target.")
    known_columns: tuple[str, ...] = Field((), description="Numbers known ahead: they go on in the future table.")
    static_columns: tuple[str, ...] = Field(
        (), description="What holds for a whole series: numbers, or texts, which become categories."
    )
    category_columns: tuple[str, ...] = Field((), description="Static columns read as texts, whatever they look like.")
    ends: Literal["row", "value"] = Field(
        "row",
        description="Where a series ends: with its last row, or with its last value, so that the known columns of the "
        "rows after it are known ahead and need no future table.",
    )
    group_column: str | None = Field(
        None, description="Series of one value see each other. Default: none do in a long table, all in a wide one."
    )

    def expecting(self, frequency: str, covariates: CovariateConfig) -> TableConfig:
        """Gives this config for a table that a model of that frequency and those covariates is to forecast.

        Where it names no covariate columns of its own, they are the model's; what the model took for a category is
        one, though named as static alone. The group column is the caller's to name.
        """
        categories = self.category_columns or tuple(covariates.categories)
        static = self.static_columns or covariates.static
        columns = {
            "past_columns": self.past_columns or covariates.past,
            "known_columns": self.known_columns or covariates.known,
            "static_columns": tuple(name for name in static if name not in categories),
            "category_columns": categories,
        }
        return self.model_copy(update={"expected_frequency": frequency, **columns})
