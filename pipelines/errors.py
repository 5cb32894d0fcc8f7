"""Errors of the pipelines, grown from the library's root.

ForecasterError
├── SourceError        a file, database or query cannot be read, or an output cannot be written
├── RegistryError      MLflow cannot be reached, or holds no such model, version or alias
├── NameTakenError     a model of that name is somebody else's
├── ComparisonError    runs hold no evaluation, or not of the same windows
├── BatchError         a run in shards cannot begin, or cannot go on
├── TuningError        a study belongs to another process, or nothing came of it
├── PromotionRefused   the policy says no; exit code 4
└── RetrainingError    a slot came to nothing, or waits; the exit code is that of its reason
"""

from __future__ import annotations

from forecaster.errors import DataError, ForecasterError


class SourceError(DataError):
    """A file, database or query cannot be read, or an output cannot be written."""

    code = "unreadable-source"


class RegistryError(ForecasterError):
    """MLflow cannot be reached, or holds no such model, version or alias."""

    code = "registry-error"


class NameTakenError(ForecasterError):
    """A model of that name is somebody else's."""

    code = "name-taken"


class TuningError(ForecasterError):
    """A study belongs to another process, or nothing came of it."""

    code = "tuning-error"


class BatchError(ForecasterError):
    """A run in shards cannot begin, or cannot go on."""

    code = "batch-failed"


class ComparisonError(DataError):
    """Runs hold no evaluation, or not of the same windows."""

    code = "not-comparable"


class PromotionRefused(ForecasterError):
    """The promotion policy says no."""

    code = "not-promoted"
    exit_code = 4


class RetrainingError(ForecasterError):
    """A slot of retraining came to nothing, or waits for MLflow."""

    code = "retraining-failed"

    def __init__(self, message: str, *, code: str, exit_code: int) -> None:
        super().__init__(message, code=code)
        self.exit_code = exit_code
