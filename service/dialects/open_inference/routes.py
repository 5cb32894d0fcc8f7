"""The Open Inference Protocol, version 2, over HTTP/REST, under /oip: health, metadata and inference.

A model of the protocol is one in service, by the name that a forecast request has for it, for the key that has it a
fine-tuned one too; a version is that of the registry, of those in service. There is no binary data, and there are no
other extensions.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from importlib.metadata import version as version_of
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.dialects import descriptions
from service.dialects.answering import answer_in
from service.dialects.open_inference import reply
from service.dialects.open_inference.model_tensors import TensorSpec, inputs_of, outputs_of
from service.dialects.open_inference.request import Inference, in_tensors, inference_of
from service.errors import InvalidFields, InvalidHeader, NotReady, UnknownModel
from service.errors.dialects import OPEN_INFERENCE
from service.models.models import Models
from service.models.view import ServedModel
from service.requests.asked import Asked, FindModel, asked_of
from service.requests.body import checked_media_type, decoded
from service.requests.media import JSON
from service.requests.reply import Answer
from service.routes.health import check_alive, checked_ready
from service.routes.jobs import expires_of, owner_of

T = TypeVar("T")

_BINARY_HEADER = "inference-header-content-length"
_PLATFORM, _VERSION = "forecaster_bundle", version_of("forecaster")

health = APIRouter(prefix=f"{OPEN_INFERENCE}/v2", tags=["open inference"])
router = APIRouter(
    prefix=f"{OPEN_INFERENCE}/v2",
    tags=["open inference"],
    dependencies=[requires(Scope.FORECAST)],
    responses=descriptions.open_inference_errors(401, 403, 429),
)


@health.get("/health/live", responses=descriptions.open_inference_errors(503))
async def server_live(request: Request) -> dict[str, bool]:
    """Answers 200 while the process runs and its inference thread is not stuck, else 503."""
    check_alive(request)
    return {"live": True}


@health.get("/health/ready", responses=descriptions.open_inference_errors(503))
async def server_ready(request: Request) -> dict[str, bool]:
    """Answers 200 while all models that are wanted can forecast, else 503."""
    checked_ready(request)
    waiting = [str(one.spec) for one in service_of(request.scope).models.state().specs if one.served is None]
    if waiting:
        raise NotReady(f"no verified version is loaded of {', '.join(waiting[:10])}")
    return {"live": True, "ready": True}


@router.get("")
@router.get("/", include_in_schema=False)
async def server_metadata() -> dict[str, str | list[str]]:
    """Describes the server."""
    return {"name": "forecaster", "version": _VERSION, "extensions": []}


@router.get("/models/{name}", responses=descriptions.open_inference_errors(404, 503, 504))
async def model_metadata(request: Request, name: str) -> dict[str, Any]:
    """Describes a model and its tensors."""
    return await _answered(request, partial(_described, request, name, None))


@router.get("/models/{name}/versions/{version}", responses=descriptions.open_inference_errors(404, 503, 504))
async def version_metadata(request: Request, name: str, version: str) -> dict[str, Any]:
    """Describes a version of a model and its tensors."""
    return await _answered(request, partial(_described, request, name, version))


@router.get("/models/{name}/ready", responses=descriptions.open_inference_errors(404, 503, 504))
async def model_ready(request: Request, name: str) -> dict[str, str | bool]:
    """Answers 200 while a model can forecast."""
    return await _answered(request, partial(_ready, request, name, None))


@router.get("/models/{name}/versions/{version}/ready", responses=descriptions.open_inference_errors(404, 503, 504))
async def version_ready(request: Request, name: str, version: str) -> dict[str, str | bool]:
    """Answers 200 while a version of a model can forecast."""
    return await _answered(request, partial(_ready, request, name, version))


@router.post("/models/{name}/infer", responses=descriptions.INFER_ANSWERS, openapi_extra=descriptions.INFER_REQUEST)
async def infer(request: Request, name: str) -> Response:
    """Forecasts each series of the tensors."""
    return await answer_in(_Infer(request, name, None), request)


@router.post(
    "/models/{name}/versions/{version}/infer",
    responses=descriptions.INFER_ANSWERS,
    openapi_extra=descriptions.INFER_REQUEST,
)
async def infer_version(request: Request, name: str, version: str) -> Response:
    """Forecasts each series of the tensors with a version of a model."""
    return await answer_in(_Infer(request, name, version), request)


class _Infer:
    """One inference request."""

    def __init__(self, request: Request, name: str, version: str | None) -> None:
        """Looks at the head: InvalidHeader for binary data."""
        checked_media_type(request.headers, (JSON,), (), default=JSON)  # Triton's client declares nothing
        if _BINARY_HEADER in request.headers:
            raise InvalidHeader(f"{_BINARY_HEADER} announces binary data, which is not read: send data as JSON")
        self._service, self._owner, self._headers = service_of(request.scope), owner_of(request), request.headers
        self._name, self._version = name, version
        self._inference: Inference

    async def understood(self, body: bytes, expires: float) -> Asked:
        """Gives what the tensors ask; UnknownModel of what is not in service."""
        service = self._service

        async def ask(find: FindModel) -> Asked:
            served = _model_of(service.models, self._name, self._version, find)
            return await to_thread(self._understood, body, expires, served)

        try:
            return await service.finetuned.asking(service.models, self._owner, expires, ask)
        except InvalidFields as error:
            raise in_tensors(error) from error

    def encoded(self, asked: Asked, answer: Answer) -> bytes:
        """Gives the reply as JSON."""
        return reply.encoded(self._inference, answer)

    def headers(self, answer: Answer) -> dict[str, str]:
        """Gives none: the reply says it all."""
        return {}

    def _understood(self, body: bytes, expires: float, served: ServedModel) -> Asked:
        settings = self._service.settings
        self._inference = inference_of(decoded(self._headers, body, settings), served, settings)
        return asked_of(self._inference.request, expires, settings, lambda _: served)


async def _answered(request: Request, answer: Callable[[FindModel], T]) -> T:
    """Gives what is said of a model of everybody or of the key that asks."""
    service = service_of(request.scope)
    return await service.finetuned.told(service.models, owner_of(request), expires_of(request), answer)


def _model_of(models: Models, name: str, version: str | None, find: FindModel) -> ServedModel:
    """Gives what serves a name, or a version of it. UnknownModel where nothing does, NotReady where it is to come."""
    if version is None:
        return find(name)
    found = _versions(models, name, find)
    if version not in found:
        find(name)
        raise UnknownModel(f"version {version[:40]!r} of {name[:80]!r} is not in service; there are {sorted(found)}")
    return found[version]


def _versions(models: Models, name: str, find: FindModel) -> dict[str, ServedModel]:
    """Gives the versions in service of a model, or of what a name with an alias or a version stands for.

    A fine-tuned model, which only `find` knows, has one.
    """
    found = [one for one in models.served if name in (one.reference.name, str(one.spec))] or [find(name)]
    return {one.reference.version: one for one in found}


def _ready(request: Request, name: str, version: str | None, find: FindModel) -> dict[str, str | bool]:
    _model_of(service_of(request.scope).models, name, version, find)
    return {"name": name, "ready": True}


def _described(request: Request, name: str, version: str | None, find: FindModel) -> dict[str, Any]:
    models = service_of(request.scope).models
    predictor = _model_of(models, name, version, find).bundle.predictor
    return {
        "name": name,
        "versions": sorted(_versions(models, name, find), key=int),
        "platform": _PLATFORM,
        "inputs": _tensors(inputs_of(predictor)),
        "outputs": _tensors(outputs_of(predictor)),
    }


def _tensors(specs: dict[str, TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": spec.datatype, "shape": spec.shape} for name, spec in specs.items()]
