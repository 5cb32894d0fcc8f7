"""The table of bad surroundings: the command line, and what it answers."""

from __future__ import annotations

from tests.pipelines.bad_commands import PASSWORD, BadCommand, usage
from tests.pipelines.bad_files import ELSEWHERE, USAGE

CLOSED = "http://127.0.0.1:1"


def surroundings(what: str, exit_code: int, code: str, message: str, **environment: str) -> BadCommand:
    return BadCommand(what, exit_code, code, message, ("rollback", "--model", "waves"), environment)


def serve(what: str, message: str, **environment: str) -> BadCommand:
    return BadCommand(what, USAGE, "invalid-config", message, ("serve",), environment)


SURROUNDINGS = (
    surroundings(
        "an MLflow server that does not answer",
        ELSEWHERE,
        "registry-error",
        "MLflow cannot be reached: API request",
        MLFLOW_TRACKING_URI=CLOSED,
    ),
    surroundings(
        "the same, with a password in its address",
        ELSEWHERE,
        "registry-error",
        "http://***@127.0.0.1:1/",
        MLFLOW_TRACKING_URI=f"http://u:{PASSWORD}@127.0.0.1:1",
    ),
    surroundings(
        "a database of MLflow that does not answer",
        ELSEWHERE,
        "registry-error",
        "Connection refused",
        MLFLOW_TRACKING_URI=f"postgresql+psycopg2://u:{PASSWORD}@127.0.0.1:1/mlflow",
    ),
    surroundings(
        "an address of MLflow that is none",
        ELSEWHERE,
        "registry-error",
        "unsupported URI 'nonsense://x'",
        MLFLOW_TRACKING_URI="nonsense://x",
    ),
    surroundings(
        "a folder as address of MLflow", ELSEWHERE, "registry-error", "MLflow refused", MLFLOW_TRACKING_URI="empty"
    ),
    surroundings(
        "a database of the ledger that does not answer",
        ELSEWHERE,
        "ledger-unavailable",
        "the tables of the ledger cannot be made",
        FORECASTER_LEDGER_URL=f"postgresql+psycopg2://u:{PASSWORD}@127.0.0.1:1/ledger",
    ),
    BadCommand(
        "the same, before a training that is to be promoted",
        ELSEWHERE,
        "ledger-unavailable",
        "the tables of the ledger cannot be made",
        ("train", "--data", "hours.csv"),
        {"FORECASTER_LEDGER_URL": f"postgresql+psycopg2://u:{PASSWORD}@127.0.0.1:1/ledger"},
    ),
    surroundings(
        "a file as FORECASTER_HOME",
        USAGE,
        "invalid-config",
        "FORECASTER_HOME hours.csv cannot be a folder",
        FORECASTER_HOME="hours.csv",
    ),
    surroundings(
        "a FORECASTER_HOME that cannot be made",
        USAGE,
        "invalid-config",
        "cannot be a folder",
        FORECASTER_HOME="/proc/forecaster",
    ),
    surroundings(
        "a time limit that is no number",
        USAGE,
        "invalid-config",
        "MLFLOW_HTTP_REQUEST_TIMEOUT must be a whole number, got 'soon'",
        MLFLOW_HTTP_REQUEST_TIMEOUT="soon",
    ),
    BadCommand(
        "a signing key that is not there",
        USAGE,
        "invalid-config",
        "the signing key none.pem is missing",
        ("train", "--data", "hours.csv"),
        {"FORECASTER_SIGNING_KEY_FILE": "none.pem"},
    ),
    surroundings(
        "public keys of trainers that are none",
        USAGE,
        "invalid-config",
        "FORECASTER_VERIFYING_KEYS holds something else than public keys",
        FORECASTER_VERIFYING_KEYS="ed25519:abc",
    ),
    BadCommand(
        "a model that is not signed, where public keys are given",
        ELSEWHERE,
        "not-signed",
        "the bundle has no signature.json",
        ("predict", "--data", "hours.csv", "--model", "waves"),
        {"FORECASTER_VERIFYING_KEYS": f"ed25519:{0:064x}"},
    ),
    BadCommand(
        "`forecaster doctor` without MLflow",
        ELSEWHERE,
        "",
        "FAIL  registry",
        ("doctor",),
        {"MLFLOW_TRACKING_URI": CLOSED},
    ),
    serve("a port of the service that is no number", "port: Input should be a valid integer", FORECASTER_PORT="http"),
    serve("a limit of the service below its range", "max_series: Input should be greater", FORECASTER_MAX_SERIES="0"),
    serve(
        "a service without authentication on an address for others",
        "authentication: Value error, may be off on a loopback address only, and host is 0.0.0.0",
        FORECASTER_AUTHENTICATION="false",
        FORECASTER_HOST="0.0.0.0",  # noqa: S104 - refused
    ),
    serve(
        "a pepper of the keys that could be guessed",
        "key_pepper: Value error, has fewer than 32 characters",
        FORECASTER_KEY_PEPPER="changeme",
    ),
    serve(
        "a secret of the webhook that could be guessed",
        "webhook_secret: Value error, has fewer than 32 characters",
        FORECASTER_WEBHOOK_SECRET="changeme",  # noqa: S106 - refused
    ),
    serve(
        "public keys for the service that are none",
        "verifying_keys: Value error, holds something else than public keys",
        FORECASTER_VERIFYING_KEYS="ed25519:abc",
    ),
    serve(
        "a registry of the service that is none",
        "the registry that registry_uri or home names cannot be used",
        FORECASTER_REGISTRY_URI="nonsense://x",
    ),
    serve(
        "a file as home of the service",
        "the registry that registry_uri or home names cannot be used",
        FORECASTER_HOME="hours.csv",
    ),
    usage("a port of the service out of range", "99999 is not in the range", "serve", "--port", "99999"),
)
