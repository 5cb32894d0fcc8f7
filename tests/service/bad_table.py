"""All tables of bad requests as one."""

from __future__ import annotations

from tests.service import (
    bad_answers,
    bad_choices,
    bad_deliveries,
    bad_explain,
    bad_headers,
    bad_jobs,
    bad_options,
    bad_protocol,
    bad_report,
    bad_requests,
    bad_tables,
    bad_timegpt,
    bad_times,
)
from tests.service.bad_protocol import BadBytes
from tests.service.bad_requests import BadRequest

REFUSED: tuple[BadRequest, ...] = (
    *bad_requests.DOCUMENTS,
    *bad_requests.VALUES,
    *bad_requests.SERIES,
    *bad_times.TIMES,
    *bad_choices.CHOICES,
    *bad_options.COVARIATES,
    *bad_options.OPTIONS,
    *bad_explain.EXPLANATIONS,
    *bad_answers.ANSWERS,
    *bad_jobs.JOBS,
    *bad_jobs.FINETUNES,
    *bad_timegpt.TIMEGPT,
    *bad_report.REPORTS,
    *bad_headers.ENCODINGS,
    *bad_headers.DEADLINES,
    *bad_headers.KEYS,
    *bad_deliveries.DELIVERIES,
    *bad_protocol.MEDIA,
    *bad_protocol.ROUTES,
    *bad_tables.STREAMS,
    *bad_tables.FILES,
    *bad_tables.COLUMNS,
    *bad_tables.QUERIES,
)
ACCEPTED: tuple[BadRequest, ...] = (
    *bad_requests.ACCEPTED,
    *bad_options.ACCEPTED,
    *bad_headers.ACCEPTED,
    *bad_tables.ACCEPTED,
)
BYTES: tuple[BadBytes, ...] = bad_protocol.BYTES
ROWS: tuple[BadRequest | BadBytes, ...] = (*REFUSED, *ACCEPTED, *BYTES)
