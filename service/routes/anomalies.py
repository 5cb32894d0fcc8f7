"""POST /v1/anomalies: which values lie outside an interval of a forecast that was made before them."""

from __future__ import annotations

from service.access.guards import Guarded
from service.access.keys import Scope
from service.answers.anomalies import encoded
from service.answers.asked import anomalies_asked
from service.answers.endpoint import AnswerEndpoint
from service.answers.operations import ANOMALIES
from service.answers.schemas import AnomalyRequest
from service.routes.named import NamedRoute

ENDPOINT = AnswerEndpoint(AnomalyRequest, anomalies_asked, encoded)
ROUTE = NamedRoute(ANOMALIES, Guarded(ENDPOINT, Scope.FORECAST), methods=["POST"])
