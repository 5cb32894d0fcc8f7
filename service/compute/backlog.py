"""The work that is wanted, and how long it is expected to take, from what such work has taken."""

from __future__ import annotations

from typing import TypeGuard
from weakref import WeakKeyDictionary

from forecaster.predictor import Predictor
from service.compute.work import Rows, Task

_SECONDS_PER_ROW = 0.005  # before anything is measured
_WEIGHT_OF_NEWEST = 0.2
_NUM_SIZES = 32


class Backlog:
    """Counts tasks from when they are wanted until they are not; windows that may share passes by their sum.

    To be used from the event loop, but for `learn`, which the inference thread calls.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._costs: WeakKeyDictionary[Predictor, tuple[Costs, Costs]] = WeakKeyDictionary()
        self._num_shared: dict[Predictor, int] = {}  # windows
        self._num_alone = 0  # tasks
        self._alone_seconds = 0.0

    @property
    def seconds(self) -> float:
        """How long all of it is expected to take."""
        seconds = self._alone_seconds
        for predictor, num_rows in self._num_shared.items():
            seconds += self._costs_of(predictor, True).expected(num_rows, self._max_rows)
        return seconds

    def add(self, task: Task) -> float:
        """Counts a task; gives what it is to be taken away with."""
        if _shares_passes(task):
            self._num_shared[task.predictor] = self._num_shared.get(task.predictor, 0) + task.num_rows
            return 0.0
        seconds = self._costs_of(task.predictor, isinstance(task, Rows)).expected(task.num_rows, task.num_rows)
        self._num_alone += 1
        self._alone_seconds += seconds
        return seconds

    def take_away(self, task: Task, seconds: float) -> None:
        """Counts a task no more that `add` has given so many seconds for."""
        if _shares_passes(task):
            left = self._num_shared[task.predictor] - task.num_rows
            if left:
                self._num_shared[task.predictor] = left
            else:
                del self._num_shared[task.predictor]
        else:
            self._num_alone -= 1  # with the last of them goes what rounding has left
            self._alone_seconds = self._alone_seconds - seconds if self._num_alone else 0.0

    def learn(self, task: Task, num_rows: int, seconds: float) -> None:
        """Takes in how long a pass of so many windows has taken that began with a task."""
        self._costs_of(task.predictor, isinstance(task, Rows)).learn(num_rows, seconds)

    def _costs_of(self, predictor: Predictor | None, is_windows: bool) -> Costs:
        kinds = None if predictor is None else self._costs.get(predictor)
        if kinds is None:
            kinds = Costs(), Costs()
            if predictor is not None:
                self._costs[predictor] = kinds
        functions, windows = kinds
        return windows if is_windows else functions


def _shares_passes(task: Task) -> TypeGuard[Rows]:
    return isinstance(task, Rows) and not task.is_alone


class Costs:
    """What one kind of work of one model has taken, by how many windows are computed at once, to a factor of two.

    A window alone takes many times as long as one among many: no one mean tells both.
    """

    def __init__(self) -> None:
        self._seconds_per_row: list[float | None] = [None] * _NUM_SIZES  # by the bit length of the number of windows

    def expected(self, num_rows: int, max_rows: int) -> float:
        """Gives the seconds of so many windows, in passes of `max_rows` and one of what is left."""
        num_full, rest = divmod(num_rows, max_rows)
        return num_full * self._of_pass(max_rows) + (self._of_pass(rest) if rest else 0.0)

    def learn(self, num_rows: int, seconds: float) -> None:
        """Takes in what a pass has taken."""
        size, newest = num_rows.bit_length(), seconds / num_rows
        known = self._seconds_per_row[size]
        self._seconds_per_row[size] = newest if known is None else known + _WEIGHT_OF_NEWEST * (newest - known)

    def _of_pass(self, num_rows: int) -> float:
        size = num_rows.bit_length()
        found = self._seconds_per_row[size]
        if found is not None:
            return num_rows * found
        known = {one: seconds for one, seconds in enumerate(self._seconds_per_row) if seconds is not None}
        if not known:
            return num_rows * _SECONDS_PER_ROW
        nearest = min(known, key=lambda one: abs(one - size))
        num_like_it = min(num_rows, 1 << (nearest - 1))  # what more windows take is seen when there are more
        return num_like_it * known[nearest] + (num_rows - num_like_it) * min(known[nearest], _SECONDS_PER_ROW)
