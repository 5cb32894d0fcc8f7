"""A revision of factors <-> the file by which the keeper tells the workers. The keeper imports no pandas for it."""

from __future__ import annotations

import orjson

from forecaster.ledger.records import Factors, Revision


def written(revision: Revision) -> bytes:
    """Gives a revision as the content of the file."""
    versions = [
        {"model": model, "version": version, "of_model": found.of_model, "by_series": found.by_series}
        for (model, version), found in revision.by_version.items()
    ]
    return orjson.dumps({"number": revision.number, "versions": versions})


def read(content: bytes) -> Revision:
    """Gives the revision of a file; ValueError, KeyError or TypeError for one that `written` did not make."""
    found = orjson.loads(content)
    by_version = {
        (one["model"], one["version"]): Factors(one["by_series"], one["of_model"]) for one in found["versions"]
    }
    return Revision(found["number"], by_version)
