"""What the environment says: where runs and models live, and which process this is. Reads it, for all pipelines."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from forecaster.config import Config
from forecaster.errors import ConfigError
from forecaster.home import check_home
from forecaster.signature import parse_public_keys


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
