"""MLflow's scoring protocol: what `mlflow models serve` answers for the same model, from the models in service.

    POST /invocations   the table of dataframe_split, dataframe_records, CSV or Parquet -> {"predictions": [...]}
    GET /ping, /health  200 once a model can forecast
    GET /version        that of MLflow

Parameters are those of a forecast and the name of the model: `params` beside a table in JSON, else the query.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version as version_of
from urllib.parse import quote

import orjson
import pandas as pd
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import PlainTextResponse, Response

from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.dialects import descriptions
from service.dialects.answering import answer_in
from service.dialects.mlflow.frames import OPTIONAL, Sheet, frame_of
from service.dialects.mlflow.tables import csv_sheet, invocation_of
from service.errors import InvalidFields
from service.errors.dialects import HEALTH, INVOCATIONS, PING, VERSION
from service.requests.asked import Asked, FindModel, asking
from service.requests.body import checked_media_type, decoded
from service.requests.media import CSV, JSON, PARQUET
from service.requests.reply import Answer
from service.routes.health import checked_ready
from service.routes.jobs import owner_of
from service.schemas import ForecastOptions
from service.tables import reply as table_reply
from service.tables.panel import to_panel
from service.tables.query import options_of, refuse_options
from service.tables.roles import ID, TIME

_MOST_NAMES, _LONGEST_NAME = 20, 40  # of columns that are not read

_MLFLOW = version_of("mlflow-skinny")

router = APIRouter(tags=["mlflow"])


@router.post(
    INVOCATIONS,
    dependencies=[requires(Scope.FORECAST)],
    responses=descriptions.INVOCATIONS_ANSWERS,
    openapi_extra=descriptions.INVOCATIONS_REQUEST,
)
async def invocations(request: Request) -> Response:
    """Forecasts each series of a table, as MLflow's scoring server does."""
    return await answer_in(Invocations(request), request)


@router.get(PING, response_class=PlainTextResponse, responses=descriptions.mlflow_errors(503))
@router.get(HEALTH, response_class=PlainTextResponse, responses=descriptions.mlflow_errors(503))
async def ping(request: Request) -> PlainTextResponse:
    """Answers 200 once a verified model can forecast, 503 before."""
    checked_ready(request)
    return PlainTextResponse("\n")


@router.get(
    VERSION,
    response_class=PlainTextResponse,
    dependencies=[requires(Scope.FORECAST)],
    responses=descriptions.mlflow_errors(401, 403, 429),
)
async def version() -> PlainTextResponse:
    """Gives the version of MLflow whose protocol this is."""
    return PlainTextResponse(_MLFLOW)


class Invocations:
    """One request of MLflow's protocol."""

    def __init__(self, request: Request) -> None:
        """Looks at the head: UnsupportedMediaType for a body of another kind."""
        self._headers, self._query = request.headers, request.scope["query_string"]
        self._service, self._owner = service_of(request.scope), owner_of(request)
        self._media_type = checked_media_type(request.headers, (JSON, CSV), (PARQUET,))
        self._unused: tuple[str, ...] = ()

    async def understood(self, body: bytes, expires: float) -> Asked:
        """Gives what a table asks."""
        service = self._service

        async def ask(find: FindModel) -> Asked:
            if self._media_type == PARQUET:
                return await self._of_parquet(body, expires, find)
            return await service.tables.beside(partial(self._understood, body, expires, find), expires)

        return await service.finetuned.asking(service.models, self._owner, expires, ask)

    def encoded(self, asked: Asked, answer: Answer) -> bytes:
        """Gives the forecast as MLflow writes a table: one object for each row."""
        frame = answer.forecast.to_frame(ID, TIME)
        if isinstance(frame[TIME].dtype, pd.DatetimeTZDtype) or frame[TIME].dtype.kind == "M":
            frame[TIME] = [stamp.isoformat() for stamp in frame[TIME]]
        return orjson.dumps({"predictions": frame.to_dict("records")})

    def headers(self, answer: Answer) -> dict[str, str]:
        """Gives which version answered, and what was not read of the table."""
        names = ", ".join(quote(name[:_LONGEST_NAME]) for name in self._unused[:_MOST_NAMES])
        return {**table_reply.headers_of(answer), **({"X-Unused-Columns": names} if names else {})}

    async def _of_parquet(self, body: bytes, expires: float, find: FindModel) -> Asked:
        tables = self._service.tables
        if find(_checked(options_of(self._query)).model).bundle.config.model.channels == "group":
            raise InvalidFields.of("body", "this model reads groups, which MLflow's have not: send CSV or JSON")
        asked = await tables.understood(PARQUET, self._headers, self._query, body, expires, find, optional=OPTIONAL)
        self._unused = () if asked.table is None else asked.table.unused
        return asked

    def _understood(self, body: bytes, expires: float, find: FindModel) -> Asked:
        settings = self._service.settings
        sheet, options = self._read(decoded(self._headers, body, settings))
        served = find(options.model)
        model = served.bundle.config.model
        table = frame_of(sheet, model, settings)
        self._unused = table.unused
        read = to_panel(table.frame, options, served.bundle.predictor.frequency, model)
        return asking(options, served, read, table.num_points, expires)

    def _read(self, content: bytes) -> tuple[Sheet, ForecastOptions]:
        if self._media_type == CSV:
            return csv_sheet(content), _checked(options_of(self._query))
        if self._query:
            refuse_options(self._query)
        found = invocation_of(content)
        return found.sheet, _checked(_options(found.params))


def _options(params: Mapping[str, object]) -> ForecastOptions:
    try:
        return ForecastOptions.model_validate(params)
    except ValidationError as error:
        raise InvalidFields.from_validation(error) from error


def _checked(options: ForecastOptions) -> ForecastOptions:
    """Refuses what the table that is answered has no place for."""
    for name in ("samples", "intervals"):
        if getattr(options, name):
            raise InvalidFields.of(name, "has no place in a table of MLflow's: ask for quantiles")
    if options.adapt:
        raise InvalidFields.of("adapt", "cannot be told of in a table of MLflow's: ask /v1/forecast")
    if options.segment is not None:
        raise InvalidFields.of(
            "segment", "is kept with a forecast, and those in MLflow's tables are not: ask /v1/forecast"
        )
    return options
