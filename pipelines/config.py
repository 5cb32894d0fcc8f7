"""The config of a pipeline: one validated model, filled from YAML, then flags. Reads the environment, alone here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from forecaster.config import (
    Config,
    DriftConfig,
    ForecasterConfig,
    ModelConfig,
    SplitConfig,
    TableConfig,
    TrainingConfig,
)
from forecaster.errors import ConfigError
from forecaster.home import check_home
from forecaster.signature import parse_public_keys
from pipelines.config_file import sentences, settings_of, validated
from pipelines.promotion.policy import PromotionPolicy
from pipelines.promotion.roll_back_policy import RollBackPolicy
from pipelines.retrain.settings import RetrainConfig
from pipelines.tune.allowed import applied, check_space
from pipelines.tune.settings import TuneConfig

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


class PipelineConfig(Config):
    """Everything one model's pipeline needs."""

    name: str = Field(pattern=MODEL_NAME, description="Name of the registered model.")
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

    @property
    def forecaster(self) -> ForecasterConfig:
        """The part that the library needs."""
        return ForecasterConfig(model=self.model, training=self.training, split=self.split)


class Environment(Config):
    """Where runs, models and working files live, and whose models they are."""

    home: Path = Field(Path("runs"), description="FORECASTER_HOME: working files, and the default store.")
    tracking_uri: str = Field("", description="MLFLOW_TRACKING_URI. Default: SQLite in `home`.")

    signing_key_file: Path | None = Field(
        None, description="FORECASTER_SIGNING_KEY_FILE: the private key that signs what is registered."
    )
    verifying_keys: tuple[str, ...] = Field(
        (), description="FORECASTER_VERIFYING_KEYS: public keys, one of which must have signed a version that is read."
    )
    ledger_url: str = Field(
        default_factory=lambda given: f"sqlite:///{given['home'].absolute() / 'ledger' / 'ledger.db'}",
        description="FORECASTER_LEDGER_URL. Default: SQLite in `home`.",
        repr=False,
    )
    code_commit: str | None = Field(
        None, description="FORECASTER_CODE_COMMIT: of the code, where it is no git checkout."
    )

    @classmethod
    def read(cls) -> Environment:
        """Reads the variables; ConfigError for public keys that are none, and a home that no URL can name."""
        home = Path(os.environ.get("FORECASTER_HOME") or "runs")
        try:
            check_home(home)
        except ValueError as error:
            raise ConfigError(f"FORECASTER_HOME {error}") from None
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.absolute() / 'mlflow.db'}"
        key_file = os.environ.get("FORECASTER_SIGNING_KEY_FILE")
        ledger_url = os.environ.get("FORECASTER_LEDGER_URL")
        try:
            verifying = parse_public_keys(os.environ.get("FORECASTER_VERIFYING_KEYS", ""))
        except ValueError as error:
            raise ConfigError(f"FORECASTER_VERIFYING_KEYS {error}") from None
        return cls(
            home=home,
            tracking_uri=uri,
            signing_key_file=Path(key_file) if key_file else None,
            verifying_keys=verifying,
            **({"ledger_url": ledger_url} if ledger_url else {}),
            code_commit=os.environ.get("FORECASTER_CODE_COMMIT") or None,
        )


class Launch(Config):
    """Which of the processes that torchrun has started this one is, as it tells them."""

    number: int = Field(ge=0, description="RANK")
    num_processes: int = Field(ge=1, description="WORLD_SIZE: on all machines together.")
    number_here: int = Field(ge=0, description="LOCAL_RANK")
    num_here: int = Field(ge=1, description="LOCAL_WORLD_SIZE")

    @classmethod
    def read(cls) -> Launch | None:
        """Reads the variables; None where torchrun has not started this process."""
        if os.environ.get("TORCHELASTIC_RUN_ID") is None:
            return None
        names = {"number": "RANK", "num_processes": "WORLD_SIZE"}
        names |= {"number_here": "LOCAL_RANK", "num_here": "LOCAL_WORLD_SIZE"}
        found = {field: os.environ.get(name, "") for field, name in names.items()}
        try:
            return cls(**{field: int(text) for field, text in found.items()})
        except ValueError as error:
            given = ", ".join(f"{name}={found[field]!r}" for field, name in names.items())
            raise ConfigError(f"torchrun is to say which process this is, it says {given[:200]}") from error


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
    return validated(PipelineConfig, tree, path)


def with_values(config: PipelineConfig, values: Mapping[str, Any]) -> PipelineConfig:
    """Gives a config with other values by dotted name, and nothing to tune; ConfigError where it refuses them."""
    try:
        return applied(config, values)
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(error))) from error
