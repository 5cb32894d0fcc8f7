"""The endpoints of rolling forecasts: routes answer by them at once, and jobs later."""

from __future__ import annotations

from service.answers import anomalies, backtest
from service.answers.asked import anomalies_asked, backtest_asked
from service.answers.endpoint import AnswerEndpoint
from service.answers.schemas import AnomalyRequest, BacktestRequest

ANOMALIES = AnswerEndpoint(AnomalyRequest, anomalies_asked, anomalies.encoded)
BACKTEST = AnswerEndpoint(BacktestRequest, backtest_asked, backtest.encoded)
