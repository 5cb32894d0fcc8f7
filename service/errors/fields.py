"""Fields of a body that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.errors.base import ServiceError
from service.schemas import TIME_KINDS

MAX_FIELDS = 20
_MAX_PATH, _MAX_MESSAGE = 200, 200
_MESSAGES = {
    "extra_forbidden": "is unknown",
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "string_pattern_mismatch": "is not an ISO 8601 time",
}


class InvalidFields(ServiceError):
    """Fields are missing, unknown, of the wrong type or out of range; `fields` says which."""

    status, code = 422, "invalid-fields"

    def __init__(self, fields: Sequence[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{field['field']}: {field['message']}" for field in fields[:3]))
        self.fields = list(fields[:MAX_FIELDS])

    @classmethod
    def of(cls, field: str, message: str) -> InvalidFields:
        """Names one field, such as series.0.target, and what is wrong with it."""
        return cls([{"field": field[:_MAX_PATH], "message": message[:_MAX_MESSAGE]}])

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidFields:
        """Names fields and reasons, and never repeats the input."""
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        return cls([_field(problem) for problem in problems[:MAX_FIELDS]])


def _field(problem: ErrorDetails) -> dict[str, str]:
    path = ".".join(str(part) for part in problem["loc"] if part not in TIME_KINDS) or "body"
    message = _MESSAGES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return {"field": path[:_MAX_PATH], "message": message[:_MAX_MESSAGE]}


class MissingCovariate(InvalidFields):
    """A series lacks a covariate that the model reads; `fields` says which."""

    code = "missing-covariate"
