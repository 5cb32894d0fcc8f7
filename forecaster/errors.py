"""Every error this library raises on purpose, grown from one root.

ForecasterError
├── ConfigError             a setting is unknown, out of range or contradicts another
├── DataError               a table or an array cannot become a panel
│   ├── ColumnError         a column is missing, ambiguous or of the wrong kind
│   ├── ValueTypeError      a value is not a number, or is infinite or out of range
│   ├── TimestampError      timestamps are unparsable, duplicated, unsorted or off the grid
│   ├── FrequencyError      a frequency is unknown, mixed, or cannot be inferred
│   └── SeriesError         a series is empty, too short or has no value at all
├── RequestError            a forecast was asked for that the model cannot give
├── BundleError             a bundle folder is incomplete, malformed or of another schema
│   ├── IntegrityError      a file differs from the digest in the manifest
│   ├── SignatureError      no key that is trusted has signed the manifest
│   └── GoldenError         the model no longer reproduces its golden forecast
├── LedgerError             the ledger does not take in what it is given
│   └── LedgerUnavailableError  its database cannot be reached, read or written
├── ExportError             a network cannot be written as a graph for another runtime
├── LeakageError            an evaluation would look at data that a model was trained on
└── TrainingError           fitting could not start or did not end in usable weights

`code` is the stable name of the problem for machines (kebab case); the message is for people and
says which series or field, what was found and what is wanted.
"""

from __future__ import annotations

_LONGEST_REASON = 200


def reason_of(error: BaseException) -> str:
    """Gives the first line of what an error of another library says, cut short, or its type where it says nothing."""
    said = str(error).strip()
    return said.splitlines()[0][:_LONGEST_REASON] if said else type(error).__name__


class ForecasterError(Exception):
    """Root of all errors raised on purpose."""

    code: str = "forecaster-error"

    def __init__(self, message: str, *, code: str | None = None, settings: str = "") -> None:
        """`settings` says at the end what could be set; `without_settings` is for those who have no such settings."""
        super().__init__(message + settings)
        self.without_settings = message
        if code is not None:
            self.code = code


class ConfigError(ForecasterError):
    """A setting is unknown, out of range or contradicts another."""

    code = "invalid-config"


class DataError(ForecasterError):
    """A table or an array cannot become a panel."""

    code = "invalid-data"


class ColumnError(DataError):
    """A column is missing, ambiguous or of the wrong kind."""

    code = "invalid-column"


class ValueTypeError(DataError):
    """A value is not a number, or is infinite or out of range."""

    code = "invalid-value"


class TimestampError(DataError):
    """Timestamps are unparsable, duplicated, unsorted or off the grid."""

    code = "invalid-timestamp"


class FrequencyError(DataError):
    """A frequency is unknown, mixed between series, or cannot be inferred."""

    code = "invalid-frequency"


class SeriesError(DataError):
    """A series is empty, too short or has no observed value."""

    code = "invalid-series"


class RequestError(ForecasterError):
    """A forecast was asked for that the model cannot give."""

    code = "invalid-request"


class BundleError(ForecasterError):
    """A bundle folder is incomplete, malformed or written by another schema version."""

    code = "invalid-bundle"


class IntegrityError(BundleError):
    """A file differs from the digest that the manifest records for it."""

    code = "digest-mismatch"


class SignatureError(BundleError):
    """No key that is trusted has signed the manifest."""

    code = "bad-signature"


class GoldenError(BundleError):
    """The loaded model does not reproduce the golden forecast it was saved with."""

    code = "golden-mismatch"


class LedgerError(ForecasterError):
    """The ledger does not take in what it is given."""

    code = "ledger-refusal"


class LedgerUnavailableError(LedgerError):
    """The ledger's database cannot be reached, read or written; it may be later."""

    code = "ledger-unavailable"


class ExportError(ForecasterError):
    """A network cannot be written as a graph for another runtime."""

    code = "not-exported"


class LeakageError(ForecasterError):
    """An evaluation would look at data that a model was trained on."""

    code = "leakage"


class TrainingError(ForecasterError):
    """Fitting could not start, or did not end in usable weights."""

    code = "training-failed"
