"""Settings of the service, and the only place of it that reads the environment."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from forecaster.config.pretraining import ZERO_SHOT
from forecaster.errors import ConfigError
from forecaster.home import check_home
from forecaster.signature import parse_public_keys
from service.model_spec import ALIAS, ModelSpec

SHORTEST_SECRET = 32  # characters

_DATABASE = "mlflow.db"
_PREFIX = "FORECASTER_"
_OF_OTHERS = frozenset({"SIGNING_KEY_FILE", "CODE_COMMIT", "TESTS_NEED_BROWSER"})  # the pipelines and the tests

Adapt = Literal["off", "asked", "always"]


class Settings(BaseSettings):
    """Read from variables that begin with FORECASTER_, or given by the command line."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    home: Path = Field(Path("runs"), description="Holds the default registry and the cache of bundles.")
    registry_uri: str = Field(
        "",
        validation_alias=AliasChoices("registry_uri", "FORECASTER_REGISTRY_URI", "MLFLOW_TRACKING_URI"),
        description="MLflow registry. Default: SQLite in `home`.",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Models to serve, comma-separated: NAME (follows `alias`), NAME@alias or NAME/7. "
        "Default: every one with the alias.",
    )
    timegpt_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Models, comma-separated, that clients of TimeGPT mean by its own names: the one of the frequency "
        "asked for. Default: all that serve, but no challenger, and zero-shot for all other frequencies.",
    )
    zero_shot: bool = Field(
        True,
        description=f"Serve the pretrained encoder in the box as `{ZERO_SHOT}`, and while there is no other model.",
    )
    alias: str = Field("champion", pattern=f"^{ALIAS}$", description="The alias that a bare name follows.")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    authentication: bool = Field(True, description="Ask for API keys. May be off on a loopback address only.")
    keys_file: Path | None = Field(None, description="API keys. Default: keys.json in `home`.")
    key_pepper: SecretStr | None = Field(None, description="Hashed with each key. Default: the file pepper in `home`.")
    rate_per_minute: float = Field(
        5e8, gt=0, allow_inf_nan=False, description="Points x horizon that a key may ask for in a minute."
    )
    rate_burst: float = Field(5e8, gt=0, allow_inf_nan=False, description="Points x horizon of one key at once.")
    max_auth_failures: int = Field(30, ge=1, description="Refused keys in a minute of one address; then comes 429.")
    verifying_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Public keys of trainers, comma-separated. With any, a version that none of them has signed is "
        "refused.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="What MLflow signs its webhook with. Without one, there is no /v1/models/webhook."
    )
    webhook_secret_file: Path | None = Field(None, description="A file with that secret, instead.")
    refresh_seconds: float = Field(10.0, gt=0, description="How often the alias is looked up.")
    registry_timeout_seconds: int = Field(4, ge=1, description="How long one look-up may take, all models together.")
    retry_refused_seconds: float = Field(300.0, gt=0, description="When a version that was refused is tried again.")
    max_body_bytes: int = Field(8 << 20, ge=1024)
    max_series: int = Field(1024, ge=1, description="Series in one request.")
    max_points: int = Field(1_000_000, ge=1, description="Points in one request, over all series.")
    max_windows: int = Field(
        10_000, ge=1, description="Forecasts that one backtest or search for anomalies may make, over all series."
    )
    max_numbers: int = Field(
        2_000_000, ge=1, description="Numbers that they may come to: forecasts x steps x quantile levels."
    )
    shadow_share: float = Field(
        0.0, ge=0, le=1, description="Share of requests that also go to NAME@challenger, where `models` lists it too."
    )
    max_requests: int = Field(512, ge=1, description="Requests under way at once; more are refused with 503.")
    max_batch: int = Field(32, ge=1, description="Series in one forward pass.")
    max_queue_seconds: float = Field(
        1.0, gt=0, description="Work that may wait, by how long it is expected to take; more is refused with 503."
    )
    deadline_seconds: float = Field(
        30.0,
        gt=0,
        description="How long a request may take from its first byte on; X-Request-Deadline-Ms may ask for less.",
    )
    stuck_seconds: float = Field(90.0, gt=0, description="A forward pass that takes longer makes /livez fail.")
    workers: int = Field(1, ge=1, le=256, description="Processes that answer requests.")
    hang_seconds: float = Field(
        30.0, gt=0, description="Of several workers, one whose event loop stands still for longer is replaced."
    )
    max_connections: int = Field(1000, ge=1, description="Open connections of one worker; more are turned away.")
    header_seconds: float = Field(10.0, gt=0, description="Until the headers of a request must be there.")
    body_seconds: float = Field(30.0, gt=0, description="Until the body must be there, from its headers on.")
    write_seconds: float = Field(
        30.0, gt=0, description="How long a client may take to read an answer, or each MiB of it."
    )
    keep_alive_seconds: int = Field(5, ge=1, description="How long a connection may be idle between requests.")
    drain_grace_seconds: float = Field(0.0, ge=0, description="How long all is still served once it is to end.")
    drain_seconds: float = Field(8.0, gt=0, description="How long it then finishes what was begun.")
    ledger_share: float = Field(
        1.0, ge=0, le=1, description="Share of forecasts that are kept, with an id to fetch them."
    )
    ledger_url: SecretStr | None = Field(
        None,
        description="Database of what was forecast and what then happened, a URL of SQLAlchemy. "
        "Default: SQLite in `home`.",
    )
    ledger_days: float = Field(90.0, gt=0, le=36_500, description="How long forecasts and values are kept.")
    ledger_journal_bytes: int = Field(
        1 << 30,
        ge=1 << 24,
        description="What may wait for that database; beyond it, forecasts are answered without id.",
    )
    adapt: Adapt = Field(
        "asked",
        description="Whether intervals of forecasts are adapted to how earlier ones came true: never, where a request "
        "asks for it, or unless one asks for none.",
    )
    max_jobs: int = Field(32, ge=1, le=10_000, description="Jobs of one kind that a key may have under way.")
    job_days: float = Field(
        7.0, gt=0, le=36_500, description="How long jobs and their results are kept; `ledger_days` where that is less."
    )
    job_seconds: float = Field(3600.0, gt=0, description="How long one job may be computed.")
    max_finetuned: int = Field(10, ge=0, description="Fine-tuned models that a key may have.")
    max_finetune_steps: int = Field(2000, ge=1, description="Steps of training that one of them may take.")
    max_finetuned_held: int = Field(4, ge=1, description="Of them, how many a worker holds in memory at once.")
    traces: Literal["auto", "otlp", "none"] = Field(
        "auto",
        validation_alias=AliasChoices("traces", "FORECASTER_TRACES", "OTEL_TRACES_EXPORTER"),
        description="Whether traces of requests are sent by OTLP. auto: where an endpoint for them is given.",
    )
    otlp_endpoint: str = Field(
        "",
        validation_alias=AliasChoices(
            "otlp_endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
        description="Where traces go; read by OpenTelemetry, like all variables OTEL_...",
    )
    otlp_protocol: str = Field(
        "http/protobuf",
        validation_alias=AliasChoices(
            "otlp_protocol", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        ),
        description="The one that is spoken.",
    )
    runtime: Literal["auto", "eager", "onnx"] = Field(
        "auto", description="What executes models: PyTorch (eager), ONNX Runtime, or the faster of the two when loaded."
    )
    num_threads: int = Field(1, ge=1, description="Threads of a forward pass. More than one is slower on shared cores.")

    @field_validator("models", "timegpt_models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("verifying_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return parse_public_keys(value) if isinstance(value, str) else value

    @field_validator("models", "timegpt_models")
    @classmethod
    def _can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ModelSpec.parse(text, followed="")
        return value

    @field_validator("zero_shot")
    @classmethod
    def _check_name_is_free(cls, value: bool, info: ValidationInfo) -> bool:
        named = (ModelSpec.parse(text, followed="").name for text in info.data.get("models", ()))
        if value and ZERO_SHOT in named:
            raise ValueError(
                f"cannot be on while `models` lists a registered {ZERO_SHOT}: it is the name of the encoder in the box"
            )
        return value

    def model_specs(self) -> tuple[ModelSpec, ...]:
        """Gives the specs that `models` allows, each once; none where every model with the alias is served."""
        return tuple(dict.fromkeys(ModelSpec.parse(text, self.alias) for text in self.models))

    @field_validator("authentication")
    @classmethod
    def _check_listens_here_alone(cls, value: bool, info: ValidationInfo) -> bool:
        host = info.data.get("host")
        if not value and host is not None and not _is_loopback(host):
            raise ValueError(f"may be off on a loopback address only, and host is {host}")
        return value

    @field_validator("key_pepper", "webhook_secret")
    @classmethod
    def _check_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"has fewer than {SHORTEST_SECRET} characters; make one with: openssl rand -hex 32")
        return value

    @field_validator("home")
    @classmethod
    def _check_home(cls, value: Path) -> Path:
        check_home(value)
        return value

    @field_validator("ledger_url")
    @classmethod
    def _check_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            from forecaster.ledger.address import check_address  # imports SQLAlchemy, as whoever opens it will

            check_address(value.get_secret_value())
        return value

    @field_validator("webhook_secret_file")
    @classmethod
    def _check_is_the_only_one(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("webhook_secret") is not None:
            raise ValueError("is given beside webhook_secret: one of them is enough")
        return value

    @property
    def sends_traces(self) -> bool:
        """True where traces of requests are asked for."""
        return self.traces == "otlp" or (self.traces == "auto" and self.otlp_endpoint != "")

    def resolved_keys_file(self) -> Path:
        """Gives the file of API keys to use."""
        return self.keys_file or self.home / "keys.json"

    def resolved_ledger_url(self) -> str:
        """Gives the database of the ledger to use."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'ledger' / 'ledger.db'}"

    @property
    def job_kept_seconds(self) -> float:
        """How long a job is kept."""
        return min(self.job_days, self.ledger_days) * 86_400

    @property
    def registry_is_new(self) -> bool:
        """True where the registry is the SQLite of the home, and nothing was ever written to it."""
        return not self.registry_uri and not (self.home / _DATABASE).exists()

    def resolved_registry_uri(self) -> str:
        """Gives the registry to use."""
        return self.registry_uri or f"sqlite:///{self.home.absolute() / _DATABASE}"


def read_settings(given: dict[str, Any]) -> Settings:
    """Gives the settings of flags (None: not given) and environment; ConfigError names what is out of range."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        sentences = [f"{problem['loc'][0]}: {problem['msg']}" for problem in problems]
        raise ConfigError(f"{'; '.join(sentences)} (flags and variables FORECASTER_...)") from error


def unknown_variables() -> list[str]:
    """Names the variables of the environment that are meant for settings, by their prefix, and that nobody reads."""
    known = {f"{_PREFIX}{name}" for name in (*map(str.upper, Settings.model_fields), *_OF_OTHERS)}
    return sorted(name for name in os.environ if name.upper().startswith(_PREFIX) and name.upper() not in known)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
