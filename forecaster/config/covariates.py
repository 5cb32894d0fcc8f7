"""Which covariates a network reads."""

from __future__ import annotations

from pydantic import Field

from forecaster.config.base import Config


class CovariateConfig(Config):
    """The covariates a network reads, in this order; taken from the data that it is fitted on."""

    past: tuple[str, ...] = Field((), description="Numbers known up to the cutoff.")
    known: tuple[str, ...] = Field((), description="Numbers known over the horizon as well.")
    calendar: tuple[str, ...] = Field((), description="Features made from the timestamps, by name.")
    holidays: str | None = Field(None, description="Country (ISO 3166-1 alpha-2) whose public holidays are a feature.")
    timezone: str | None = Field(
        None, description="Whose clock the calendar goes by. Default: that of the data it is fitted on."
    )
    static: tuple[str, ...] = Field((), description="Numbers that hold for a whole series.")
    categories: dict[str, tuple[str, ...]] = Field(
        {}, description="Texts that hold for a whole series: name -> those met in training; number 1 is the first."
    )

    @property
    def is_empty(self) -> bool:
        """True where there is no covariate at all."""
        return not (self.past or self.known or self.calendar or self.holidays or self.static or self.categories)
