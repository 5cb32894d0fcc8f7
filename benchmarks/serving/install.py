"""The serving install: a virtual environment with `.[serve]` and nothing else, as the image of the service has it.

As in deploy/service.Dockerfile, torch is its CPU build at the version of constraints.txt, the trainer is not in the
package, and deploy/prune.sh removes what no running service opens.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SOURCES = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "forecaster", "service")
_SETTINGS_OF_PYTHON = "PYTHON"
_COMPILED = re.compile(r"(.*)/__pycache__/([^/]+)\.cpython-\d+\.pyc")


@dataclass(frozen=True)
class Install:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """The command `forecaster`."""
        return self.folder / "bin" / "forecaster"

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def size(self) -> int:
        """Gives the bytes of all its files, that of compiled modules included."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def sizes(self) -> Counter[str]:
        """Gives the bytes of each distribution, its compiled modules included."""
        owners = {
            str(file): distribution.name
            for distribution in distributions(path=[str(self.packages)])
            for file in distribution.files or ()
        }
        sizes: Counter[str] = Counter()
        for path in self.packages.rglob("*"):
            if path.is_file():
                owner = owners.get(_source(str(path.relative_to(self.packages))))
                sizes[owner or "other"] += path.stat().st_size
        return sizes

    def prune(self) -> None:
        """Removes what the image does without."""
        subprocess.run(["/bin/sh", str(ROOT / "deploy" / "prune.sh"), str(self.folder)], check=True)


def make_install(folder: Path) -> Install:
    """Makes the environment in `folder`, which must not exist; CalledProcessError where a package cannot be had."""
    sources = folder.with_name(f"{folder.name}-sources")
    sources.mkdir(parents=True)
    for name in _SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, sources / name)
    shutil.rmtree(sources / "forecaster" / "training")
    install = Install(folder)
    _uv("venv", "--python", _base_python(), str(folder))
    options = ["--compile-bytecode", "--link-mode", "copy", "--python", str(install.python)]
    _uv("pip", "install", *options, "-c", str(ROOT / "constraints.txt"), _torch(), f"{sources}[serve]")
    shutil.rmtree(sources)
    return install


def _torch() -> str:
    """Gives the requirement of torch's CPU build."""
    (line,) = re.findall(r"^torch==\S+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return f"{line}+cpu"


def _base_python() -> str:
    """Gives the interpreter that the running environment was made with."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_OF_PYTHON)}
    if "PIP_FIND_LINKS" in environment:  # as the Makefile does
        environment.setdefault("UV_FIND_LINKS", environment["PIP_FIND_LINKS"])
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([str(uv), "--quiet", *arguments], check=True, env=environment)


def _source(path: str) -> str:
    """Gives the path of the module that a path of its compiled form belongs to, other paths as they are."""
    found = _COMPILED.fullmatch(path)
    return f"{found[1]}/{found[2]}.py" if found else path
