"""Settings of the service, and the only place of it that reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Read from variables that begin with FORECASTER_, or given by the command line."""

    model_config = SettingsConfigDict(
        env_prefix="FORECASTER_", env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    home: Path = Field(Path("runs"), description="Holds the default registry and the cache of bundles.")
    registry_uri: str = Field(
        "",
        validation_alias=AliasChoices("registry_uri", "FORECASTER_REGISTRY_URI", "MLFLOW_TRACKING_URI"),
        description="MLflow registry. Default: SQLite in `home`.",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names of the registered models to serve, comma-separated. Default: every one with the alias."
    )
    alias: str = "champion"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    refresh_seconds: float = Field(10.0, gt=0, description="How often the alias is looked up.")
    registry_timeout_seconds: int = Field(5, ge=1)
    max_body_bytes: int = Field(8 << 20, ge=1024)
    max_series: int = Field(1024, ge=1, description="Series in one request.")
    max_points: int = Field(1_000_000, ge=1, description="Points in one request, over all series.")
    workers: int = Field(1, ge=1, le=256, description="Processes that answer requests.")
    max_connections: int = Field(1000, ge=1, description="Open connections of one worker; more are turned away.")
    header_seconds: float = Field(10.0, gt=0, description="Until the headers of a request must be there.")
    body_seconds: float = Field(30.0, gt=0, description="Until the body must be there, from its headers on.")
    write_seconds: float = Field(30.0, gt=0, description="How long a client may leave an answer unread.")
    keep_alive_seconds: int = Field(5, ge=1, description="How long a connection may be idle between requests.")
    drain_grace_seconds: float = Field(0.0, ge=0, description="How long all is still served once it is to end.")
    drain_seconds: float = Field(8.0, gt=0, description="How long it then finishes what was begun.")
    num_threads: int = Field(1, ge=1, description="Threads of torch. More than one is slower on shared cores.")

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def resolved_registry_uri(self) -> str:
        """Gives the registry to use."""
        return self.registry_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"
