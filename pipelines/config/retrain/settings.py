"""When a model is retrained, and what its data has to be like: the group `retrain` of a config."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from forecaster.config import Config

SignalName = Literal["live_relative_mase", "drift_input", "drift_error", "drift_coverage"]


class TriggerConfig(Config):
    """A signal that brings about a slot of its own when it rises too high."""

    signal: SignalName = Field(description="What is looked at.")
    above: float = Field(description="The value from which on the trigger fires, once.")
    clear_below: float = Field(description="The value that the signal has to fall below before it may fire again.")
    cool_down_days: float = Field(
        1.0,
        ge=0,
        le=36_500,
        description="Days that must have passed since the last training of the model, and since it last fired.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.clear_below > self.above:
            raise ValueError(f"clear_below is {self.clear_below:g}, above the {self.above:g} of above")
        return self


class ContractConfig(Config):
    """What the data has to be like before anything is trained on it. The last run is the last one that trained."""

    max_age_days: float | None = Field(None, gt=0, description="How old the newest value may be. Default: not asked.")
    max_lost_share: float = Field(0.1, ge=0, le=1, description="Share of the last run's series that may be missing.")
    max_jump: float = Field(
        10.0,
        gt=0,
        description="How far values newer than the last run may lie outside of its range, in widths of that.",
    )
    max_jumped_share: float = Field(0.05, ge=0, le=1, description="Share of the series that may do so.")


class RetrainConfig(Config):
    """When a model is retrained."""

    cron: str | None = Field(
        None, description="When slots are: five fields in UTC, such as '0 3 * * mon'. Default: as the command says."
    )
    min_new_values: int = Field(
        1, ge=0, description="Observed values newer than those of the last run, for a slot to be due."
    )
    triggers: tuple[TriggerConfig, ...] = Field((), description="Signals that bring about slots beside those of cron.")
    look_cron: str = Field("0 * * * *", description="When `schedule` looks at them.")
    contract: ContractConfig = ContractConfig()

    @field_validator("cron", "look_cron")
    @classmethod
    def _check_cron(cls, text: str | None) -> str | None:
        from pipelines.config.retrain.cron import Cron  # it imports the scheduler's library

        if text is not None:
            Cron(text)
        return text

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [trigger.signal for trigger in self.triggers]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"triggers names {repeated[0]} more than once")
        if not names and "look_cron" in self.model_fields_set:
            raise ValueError("look_cron is for triggers, and there are none")
        return self
