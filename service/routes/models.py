"""GET /v1/model and /v1/models: what is served, what it can do, and what stands between it and the registry."""

from __future__ import annotations

from fastapi import APIRouter, Request

from forecaster.bundle import describe
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.models.following import Following
from service.models.view import ModelsState, ServedModel
from service.requests.asked import FindModel
from service.requests.covariates import covariate_names
from service.requests.parameters import KNOWN_PARAMETERS
from service.routes.jobs import expires_of, owner_of
from service.schemas import ModelDescription, ModelList, Refreshed, Refusal, RegistryState, WaitingModel

_ANY = "any"  # frequency

router = APIRouter(
    prefix="/v1",
    tags=["models"],
    dependencies=[requires(Scope.FORECAST)],
    responses=openapi.problems(401, 403, 429),
)

admin = APIRouter(
    prefix="/v1", tags=["models"], dependencies=[requires(Scope.ADMIN)], responses=openapi.problems(401, 403, 429)
)


@router.get("/model", dependencies=[KNOWN_PARAMETERS], responses=openapi.problems(400, 404, 422, 503, 504))
async def model(request: Request, name: str | None = None) -> ModelDescription:
    """Describes the model of that name (NAME, NAME@alias or NAME/7), or the only one in service.

    Fine-tuned models are described to the key that ordered them.
    """
    service = service_of(request.scope)

    def described(find: FindModel) -> ModelDescription:
        return _description(find(name), service.models.state())

    return await service.finetuned.told(service.offered, owner_of(request), expires_of(request), described)


@router.get("/models")
async def models(request: Request) -> ModelList:
    """Describes all models in service, names those that are not yet, and says whether the registry answers."""
    service = service_of(request.scope)
    state, encoder = service.models.state(), service.zero_shot.model
    served = [one.served for one in state.specs if one.served is not None]
    last = state.registry.last_success
    return ModelList(
        models=[_description(one, state) for one in (*served, *(() if encoder is None else (encoder,)))],
        waiting=[
            WaitingModel(spec=str(one.spec), desired=_desired(one.following), refused=_refusal(one.following, state.at))
            for one in state.specs
            if one.served is None
        ],
        registry=RegistryState(
            status=state.registry.status, seconds_since_success=None if last is None else state.at - last
        ),
    )


@admin.post("/models/refresh")
async def refresh(request: Request) -> Refreshed:
    """Looks at the registry now rather than in a while: what a pipeline calls after a promotion."""
    done = await service_of(request.scope).refresh()
    return Refreshed(
        registry=done.registry,
        swapped=[str(spec) for spec in done.swapped],
        failed={str(spec): code for spec, code in done.failed},
    )


def _description(served: ServedModel, state: ModelsState) -> ModelDescription:
    following = next((one.following for one in state.specs if one.spec == served.spec), Following())
    facts = {
        "spec": str(served.spec),
        "name": served.reference.name,
        "version": served.reference.version,
        "generation": served.generation,
        "serving_seconds": max(0.0, state.at - served.since),
        "desired": _desired(following),
        "refused": _refusal(following, state.at),
        "differing_libraries": dict(served.differing_libraries),
        "contract_changes": dict(served.contract_changes),
        "covariates": covariate_names(served.bundle.config.model.covariates),
        "reads_groups": served.bundle.config.model.channels == "group",
        **({"frequency": _ANY} if served.own_frequency is None else {}),
    }
    return ModelDescription.model_validate({**describe(served.bundle), **facts})


def _desired(following: Following) -> str | None:
    return following.desired.version if following.desired is not None else None


def _refusal(following: Following, now: float) -> Refusal | None:
    problem = following.problem()
    if problem is None:
        return None
    code, reason = problem
    trouble = following.trouble
    wait = max(0.0, trouble.retry_at - now) if trouble is not None else None
    return Refusal(version=_desired(following), code=code, reason=reason[:500], retry_in_seconds=wait)
