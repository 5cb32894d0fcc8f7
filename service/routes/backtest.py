"""POST /v1/backtest: forecasts of what has happened already, with scores."""

from __future__ import annotations

from service.access.guards import Guarded
from service.access.keys import Scope
from service.answers import endpoints, operations
from service.routes.named import NamedRoute

ROUTE = NamedRoute(operations.BACKTEST, Guarded(endpoints.BACKTEST, Scope.FORECAST), methods=["POST"])
