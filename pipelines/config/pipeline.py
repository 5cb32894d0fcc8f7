"""The config of a pipeline: one validated model, filled from YAML, then flags."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from forecaster.config import (
    Config,
    DriftConfig,
    ForecasterConfig,
    ModelConfig,
    SplitConfig,
    TableConfig,
    TrainingConfig,
)
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.errors import ConfigError
from pipelines.config.promotion import PromotionPolicy
from pipelines.config.retrain.settings import RetrainConfig
from pipelines.config.roll_back import RollBackPolicy
from pipelines.config.tune.allowed import applied, check_space
from pipelines.config.tune.settings import TuneConfig
from pipelines.config_file import sentences, settings_of, validated

MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"


class SourceConfig(Config):
    """Where the table comes from: a file, or a database and a query; and what is known beside it."""

    path: Path | None = Field(None, description="A .csv, .csv.gz or .parquet file.")
    url: str | None = Field(None, description="An SQLAlchemy URL.", repr=False)
    query: str | None = Field(None, description="The SELECT to run at `url`.")
    future: Path | None = Field(None, description="A file with the known columns of the steps after each series' end.")
    static: Path | None = Field(None, description="A file with one row per series: what holds for a whole series.")

    @property
    def is_store(self) -> bool:
        """True where the path is a folder; what cannot be looked at is none, and reading it says why."""
        with suppress(OSError):
            return self.path is not None and self.path.is_dir()
        return False


class StartConfig(Config):
    """What training begins with."""

    kind: Literal["scratch", "warm_start", "fine_tune"] = Field(
        "scratch", description="Random weights; those of a bundle; those of a bundle at a lower rate."
    )
    reference: str | None = Field(
        None, description="The bundle: NAME, NAME@alias, NAME/7 or a folder; zero-shot: the pretrained encoder."
    )
    learning_rate_factor: float = Field(0.1, gt=0, le=1, description="Of training.learning_rate, in fine_tune.")
    trained_blocks: int | None = Field(
        None, ge=0, description="Last blocks that fine_tune trains, with what follows them. Default: everything."
    )
    tuned_share: float = Field(0.5, gt=0, le=1, description="Of what fine_tune changes in the weights: what is kept.")
    other_series: bool = Field(
        False,
        description="True: the bundle was trained on other series than these, so that it has seen none of their test "
        "folds whatever the times. Else a bundle trained up to later times than a test fold begins at is refused.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "scratch") != (self.reference is None):
            problem = "is missing" if self.reference is None else "is for warm_start and fine_tune"
            raise ValueError(f"kind is {self.kind!r}: reference (--from) {problem}")
        given = {"learning_rate_factor", "trained_blocks", "tuned_share"} & self.model_fields_set
        if given and self.kind != "fine_tune":
            raise ValueError(f"{min(given)} is for fine_tune, kind is {self.kind!r}")
        return self


BaselineName = Literal["auto_ets", "auto_theta", "auto_arima", "ridge"]


class BacktestConfig(Config):
    """On which folds `backtest` tests, and what beside the seasonal naive it tests on them."""

    num_folds: int | None = Field(None, ge=1, le=100_000, description="Default: as many as promotion compares on.")
    step: int | None = Field(
        None, ge=1, description="Steps between two cutoffs. Default: split.step, else the horizon."
    )
    gap: int = Field(
        0, ge=0, description="Steps between the last visible step and the first that is scored, of the horizon."
    )
    refit: bool = Field(
        False,
        description="True: models are trained again for each fold, on what it may see. Else the registered weights are "
        "tested as they are, on folds that they have not seen.",
    )
    baselines: tuple[BaselineName, ...] = ()


def _not_taken(name: str) -> str:
    if name == ZERO_SHOT:
        raise ValueError(f"{ZERO_SHOT} is the encoder in the box: name the model otherwise (--model)")
    return name


class PipelineConfig(Config):
    """Everything one model's pipeline needs."""

    name: Annotated[str, AfterValidator(_not_taken)] = Field(
        pattern=MODEL_NAME, description="Name of the registered model."
    )
    source: SourceConfig = SourceConfig()
    table: TableConfig = TableConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()
    start: StartConfig = StartConfig()
    promotion: PromotionPolicy = PromotionPolicy()
    roll_back: RollBackPolicy = RollBackPolicy()
    retrain: RetrainConfig = RetrainConfig()
    backtest: BacktestConfig = BacktestConfig()
    tune: TuneConfig = TuneConfig()
    drift: DriftConfig = DriftConfig()
    figures: bool = Field(True, description="Draw figures for analysts into each run; takes seconds.")
    export: bool = Field(True, description="Write the network as a graph for ONNX Runtime, which serves it faster.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_space(self, self.tune)
        return self

    @property
    def num_folds(self) -> int:
        """Folds that versions are compared on; 0: there is nothing to compare them on."""
        return self.promotion.num_folds or self.split.num_test_folds

    def check_folds(self) -> None:
        """ConfigError where what is trained by this config could not be compared on folds that it has not seen."""
        wanted, unseen = self.num_folds, self.split.num_test_folds
        if wanted == 0:
            raise ConfigError(f"{self.name}: split.num_test_folds is 0: there would be nothing to compare versions on")
        if wanted > unseen:
            raise ConfigError(
                f"{self.name}: promotion.num_folds is {wanted}, but split.num_test_folds is {unseen}: "
                "training would see what versions are compared on"
            )

    @property
    def forecaster(self) -> ForecasterConfig:
        """The part that the library needs."""
        return ForecasterConfig(model=self.model, training=self.training, split=self.split)


def load_config(path: Path | None, overrides: Mapping[str, Any]) -> PipelineConfig:
    """Builds the config from a YAML file and overrides by dotted name ('model.horizon'), which win.

    Without a name the model is named after the data file. Raises ConfigError
    naming each field that is unknown or out of range.
    """
    tree = settings_of(path, overrides)
    source = tree.get("source")
    path_of_data = source.get("path") if isinstance(source, dict) else None
    if "name" not in tree and isinstance(path_of_data, str | Path):
        tree["name"] = Path(path_of_data).name.split(".")[0]
    return validated(PipelineConfig, tree, path, overrides)


def with_values(config: PipelineConfig, values: Mapping[str, Any]) -> PipelineConfig:
    """Gives a config with other values by dotted name, and nothing to tune; ConfigError where it refuses them."""
    try:
        return applied(config, values)
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(error))) from error
