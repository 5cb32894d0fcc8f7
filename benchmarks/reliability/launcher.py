"""The service under watch: an audit hook counts what no request may make it do; negative controls break it on purpose.

Run in place of `forecaster serve`. Once the file `armed` is in the home, these count as violations: finding a class by
a pickle; starting a program other than the reader of Parquet files and the keeper of the ledger; compiling or executing
what is not code of a file on the allow-list; connecting to anybody; opening a file outside the home, the interpreter,
the time zones and this repository, or writing outside the home. At its end the process writes them to `audit.json` in
the home, as a count and the first of each kind. What those two programs do is not watched here.
"""

from __future__ import annotations

import argparse
import json
import os
import site
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn

from benchmarks.reliability.sabotage import SABOTAGES
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from service.ledger import recorder
from service.tables import readers

ARMED, REPORT = "armed", "audit.json"
_ROOT = Path(__file__).parents[2]
_NEVER = ("pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "ctypes.dlopen")
_ZONES = ("/usr/share/zoneinfo", "/etc/localtime", "/etc/timezone", "/proc/", "/sys/", "/dev/null", "/dev/urandom")


class Watch:
    """Counts events that must not be while the service is under attack."""

    def __init__(self, home: Path) -> None:
        self._home = str(home.resolve())
        library = sysconfig.get_paths()
        roots = (library["stdlib"], library["platstdlib"], *site.getsitepackages(), sys.prefix, str(_ROOT))
        self._readable = tuple({*roots, self._home, *_ZONES})
        self._is_armed = False
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def arm(self, mark: Path) -> None:
        """Waits for a file, and counts from then on."""
        while not mark.exists():
            time.sleep(0.02)
        self._is_armed = True

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Is called by the interpreter for each event."""
        if not self._is_armed:
            return
        look = _LOOKS.get(event)
        if event in _NEVER or (look is not None and look(self, arguments)):
            self.counts[event] += 1
            self.first.setdefault(event, repr(arguments)[:300])

    def write(self, file: Path) -> None:
        """Writes what was counted."""
        self._is_armed = False
        file.write_text(json.dumps({"counts": dict(self.counts), "first": self.first}))

    def opens_elsewhere(self, arguments: tuple[Any, ...]) -> bool:
        """Says whether a file is opened that is none of the service's business; descriptors are not files."""
        path, mode, flags = (*arguments, None, None)[:3]
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed, and nothing is raised
        writes = (isinstance(mode, str) and any(letter in mode for letter in "wax+")) or (
            isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
        )
        return not name.startswith((self._home, os.devnull) if writes else self._readable)

    def runs_strange_code(self, arguments: tuple[Any, ...]) -> bool:
        """Says whether code is executed that comes from no file of the interpreter or of this repository."""
        code = arguments[0]
        return not (isinstance(code, CodeType) and code.co_filename.startswith((*self._readable, "<frozen")))

    def compiles_strange_text(self, arguments: tuple[Any, ...]) -> bool:
        """Says whether a text is compiled that comes from no such file."""
        name = arguments[1]
        return not (isinstance(name, str) and name.startswith(self._readable))

    def starts_another_program(self, arguments: tuple[Any, ...]) -> bool:
        """Says whether a program is started that is neither of the two that the service needs."""
        executable, words = arguments[:2]
        return [executable, *words[1:]] not in (readers.command(), recorder.command())

    def connects(self, arguments: tuple[Any, ...]) -> bool:
        """Is always True: the registry is a file of the home."""
        return True


_LOOKS: dict[str, Callable[[Watch, tuple[Any, ...]], bool]] = {
    "open": Watch.opens_elsewhere,
    "exec": Watch.runs_strange_code,
    "compile": Watch.compiles_strange_text,
    "socket.connect": Watch.connects,
    "subprocess.Popen": Watch.starts_another_program,
}


def _use_a_ledger() -> None:
    """Asks all questions once: SQLAlchemy writes code for the parts of a query when it first meets them."""
    ledger = Ledger("sqlite://")
    upgrade(ledger)
    ledger.is_made()
    ledger.forecast("none")
    ledger.skill("none", 0, 1)
    ledger.close()


def main() -> None:
    """Serves as `forecaster serve` does; --sabotage NAME breaks something first."""
    _use_a_ledger()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), action="append", default=[])
    chosen, rest = parser.parse_known_args()
    home = Path(os.environ["FORECASTER_HOME"])
    for name in chosen.sabotage:
        SABOTAGES[name]()
    watch = Watch(home)
    sys.addaudithook(watch.hook)
    threading.Thread(target=watch.arm, args=(home / ARMED,), daemon=True).start()
    sys.argv = ["forecaster", "serve", *rest]
    from forecaster.cli import main as run

    leave = os._exit

    def write_and_leave(status: int) -> NoReturn:
        watch.write(home / REPORT)
        leave(status)

    os._exit = write_and_leave  # the service ends by it
    run()


if __name__ == "__main__":
    main()
