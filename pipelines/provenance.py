"""Where a run and its model come from: code, packages, command line; as tags of the run and as facts of the bundle."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

from pipelines.config import Environment

_LIBRARIES = ("forecaster", "torch", "pytorch-lightning", "mlflow", "pandas", "numpy")


def run_tags(environment: Environment) -> dict[str, str]:
    """Gives git revision, Python version and command line as tags; URLs, which may hold passwords, are left out."""
    words = [Path(sys.argv[0]).name, *("<url>" if "://" in word else word for word in sys.argv[1:])]
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    tags = {"python": sys.version.split()[0], **versions, "command": " ".join(words)[:500]}
    commit = code_commit(environment)
    return tags if commit is None else {**tags, "git_revision": commit}


def code_commit(environment: Environment) -> str | None:
    """Gives the git commit of this code, with '-dirty' where a tracked file was changed since.

    Outside of a checkout that tracks it, it is what the environment says, if that says anything.
    """
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return environment.code_commit
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def packages_digest() -> str:
    """Gives 'sha256:...' of 'name==version' of every package installed, sorted, a line each: what really ran."""
    packages = importlib.metadata.distributions()
    lines = {f"{package.name.lower().replace('_', '-')}=={package.version}\n" for package in packages}
    return f"sha256:{hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()}"


def _git(*arguments: str) -> str | None:
    """Gives what git says about the folder of this code; None where it refuses or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            ["git", *arguments],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
