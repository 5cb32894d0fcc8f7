"""What the routes of one application share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.types import Scope

from service.compute.admission import Admission
from service.compute.batcher import Batcher
from service.compute.engine import Engine
from service.ledger.adaptions import Adaptions
from service.ledger.desk import Desk
from service.ledger.recorder import Recorder
from service.ledger.shelf import Shelf
from service.models.finetuned import FinetunedModels
from service.models.following import Refresh
from service.models.models import Models
from service.models.next_look import NextLook
from service.models.versions import Versions
from service.models.zero_shot import Offered, ZeroShot
from service.settings import Settings
from service.tables.tables import Tables
from service.telemetry.shadow import Shadow
from service.telemetry.telemetry import Telemetry


@dataclass(frozen=True)
class Service:
    """The parts of a running service; a route reaches them by `service_of`, and the keys by `security_of`."""

    settings: Settings
    models: Models
    batcher: Batcher
    engine: Engine
    admission: Admission
    telemetry: Telemetry
    shadow: Shadow
    tables: Tables
    recorder: Recorder
    shelf: Shelf
    versions: Versions
    adaptions: Adaptions
    desk: Desk
    finetuned: FinetunedModels
    zero_shot: ZeroShot
    next_look: NextLook = field(default_factory=NextLook)

    @property
    def offered(self) -> Offered:
        """All models that are served to everybody."""
        return Offered(self.models, self.zero_shot)

    async def refresh(self) -> Refresh:
        """Looks at the registry in a thread, and shows in the metrics what came of it and what serves."""
        try:
            refresh = await asyncio.to_thread(self.models.refresh)
            self.telemetry.show_refresh(refresh, self.models.state())
        finally:
            self.telemetry.show_models(self.offered.served)
        return refresh


def service_of(scope: Scope) -> Service:
    """Gives the service that a request was sent to."""
    found: Service = scope["app"].state.service
    return found
