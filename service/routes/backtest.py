"""POST /v1/backtest: forecasts of what has happened already, with scores."""

from __future__ import annotations

from service.access.guards import Guarded
from service.access.keys import Scope
from service.answers.asked import backtest_asked
from service.answers.backtest import encoded
from service.answers.endpoint import AnswerEndpoint
from service.answers.operations import BACKTEST
from service.answers.schemas import BacktestRequest
from service.routes.named import NamedRoute

ENDPOINT = AnswerEndpoint(BacktestRequest, backtest_asked, encoded)
ROUTE = NamedRoute(BACKTEST, Guarded(ENDPOINT, Scope.FORECAST), methods=["POST"])
