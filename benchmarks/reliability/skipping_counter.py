"""The service with a counter that leaves out one count of a hundred: the negative control of what metrics tell.

python -m benchmarks.reliability.skipping_counter serve ...
"""

from __future__ import annotations

import sys
from itertools import count

from prometheus_client import Counter

from forecaster import cli

_EACH = 100


def skip_some() -> None:
    """Lets every hundredth call of `Counter.inc` do nothing."""
    calls, counted = count(1), Counter.inc

    def inc(self: Counter, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        if next(calls) % _EACH:
            counted(self, amount, exemplar)

    setattr(Counter, "inc", inc)  # noqa: B010 - an assignment would be typed as a bound method


if __name__ == "__main__":
    skip_some()
    cli.main(sys.argv[1:])
