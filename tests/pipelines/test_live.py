"""A champion is rolled back by the forecasts that were served and what then happened."""

from __future__ import annotations

import numpy as np

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Kind
from pipelines.config import RollBackPolicy
from pipelines.ledger import opened_ledger
from pipelines.promotion.champions import Cause, Champions
from pipelines.promotion.live import roll_back_if_worse
from tests.ledger.factories import HOUR, given, given_series, observed
from tests.pipelines.conftest import Model

DAY = 24 * HOUR
POLICY = RollBackPolicy(min_forecasts=2)
NUM_DAYS = 4


class Served:
    """Serves a forecast of two series each twelve hours, by the version that is champion, with errors of a size."""

    def __init__(self, ledger: Ledger, model: Model) -> None:
        self._ledger, self._model, self._draw = ledger, model, np.random.default_rng(0)
        self.now = 1_000 * DAY

    def days(self, version: int, error: float, number: int = NUM_DAYS) -> None:
        for _ in range(2 * number):
            self.now += DAY // 2
            hour = self.now // HOUR
            for name in ("a", "b"):
                off = error * self._draw.uniform(0.9, 1.1)
                one = given_series(name, hour, (10.0, 20.0))
                facts = {"model": self._model.name, "version": str(version), "created": self.now - 1}
                self._ledger.add([given(f"{self._model.name}{name}{hour}", one, **facts)])
                values = observed([10.0 + off, 20.0 + off], hour, name, model=self._model.name)
                self._ledger.add(observed=[values])


def test_a_champion_whose_forecasts_are_worse_gives_way_and_does_not_come_back(model: Model) -> None:
    environment, client = model.home.environment, model.home.client
    with opened_ledger(environment) as ledger:
        served = Served(ledger, model)

        def judged() -> Kind | None:
            move = roll_back_if_worse(environment, client, model.name, POLICY, lambda: served.now)
            return None if move is None else move.kind

        door = Champions(client, ledger, lambda: served.now)
        assert judged() is None  # nobody is champion
        door.replace(model.version(1), None, Cause("the first one"))
        served.days(1, error=2.0)
        assert judged() is None  # nobody was before it
        door.replace(model.version(2), model.version(1), Cause("better on the folds"))
        served.days(2, error=3.0, number=1)
        assert judged() is None  # not yet enough is known
        served.days(2, error=3.0)
        assert judged() == Kind.AUTOMATIC
        assert model.aliases() == {"champion": 1}
        assert "above the band" in model.history()[-1].reason
        served.days(1, error=9.0)
        assert judged() is None  # what was rolled back to is not rolled back
        door.replace(model.version(3), model.version(1), Cause("new training"))
        served.days(3, error=9.0)
        assert judged() is None  # as bad as its predecessor was of late
        assert [move.kind.value for move in model.history()] == ["promote", "promote", "automatic roll back", "promote"]


def test_who_does_not_want_it_and_what_a_person_chose_is_left_alone(model: Model) -> None:
    environment, client = model.home.environment, model.home.client
    with opened_ledger(environment) as ledger:
        served = Served(ledger, model)
        door = Champions(client, ledger, lambda: served.now)
        door.move(model.version(1), Cause("the first one"))
        served.days(1, error=2.0)
        door.move(model.version(2), Cause("better"))
        served.days(2, error=9.0)
        off = POLICY.model_copy(update={"is_automatic": False})
        assert roll_back_if_worse(environment, client, model.name, off, lambda: served.now) is None
        model.by_hand("champion", 3)
        served.days(3, error=9.0)
        assert roll_back_if_worse(environment, client, model.name, POLICY, lambda: served.now) is None
        assert model.aliases()["champion"] == 3
