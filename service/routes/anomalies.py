"""POST /v1/anomalies: which values lie outside an interval of a forecast that was made before them."""

from __future__ import annotations

from service.access.guards import Guarded
from service.access.keys import Scope
from service.answers import endpoints, operations
from service.routes.named import NamedRoute

ROUTE = NamedRoute(operations.ANOMALIES, Guarded(endpoints.ANOMALIES, Scope.FORECAST), methods=["POST"])
