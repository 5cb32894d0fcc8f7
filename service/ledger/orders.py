"""What a keeper is told, and the names of what lies in the folder of a ledger."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

LEDGER = "ledger"  # the folder in the home of a service
JOURNAL, LOCK, SKILL, ADAPTION = "journal", "keeper.lock", "skill.json", "adaption.json"
JOBS = "jobs.news"  # touched when there may be jobs to do
DAY = 86_400_000_000  # microseconds
RECENT_DAYS = 7.0  # how old forecasts are whose skill is compared with that of earlier ones


@dataclass(frozen=True)
class Orders:
    """Which ledger to keep, and how."""

    folder: str
    url: str  # of the database
    days: float  # that forecasts and values are kept
    adapts: bool = False  # whether factors are made of them

    @classmethod
    def read(cls, line: str) -> Orders:
        """Reads them as `write` gives them."""
        return cls(**json.loads(line))

    def write(self) -> str:
        """Gives a line."""
        return json.dumps(asdict(self)) + "\n"
