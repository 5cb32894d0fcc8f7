"""The files of the page: read, digested and compressed once, when somebody first asks for them."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

_FOLDER = Path(__file__).parent / "files"
_INDEX = "index.html"
# Chart.js, as chartkick ships it for Django.
_CHART_PACKAGE, _CHART_FILE = "chartkick", "django/static/chartkick/Chart.bundle.js"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """One file."""

    media_type: str
    content: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The content by gzip."""
        return gzip.compress(self.content, mtime=0)


@dataclass(frozen=True)
class PageFiles:
    """All that the page is made of. Its files lie under their digest, so that a browser may keep them for good."""

    digest: str
    files: Mapping[str, PageFile]

    def index(self, *, asks_for_key: bool) -> bytes:
        """Gives the page itself; it says whether the service asks for a key, so that no request has to fail for it."""
        text = self.files[_INDEX].content.decode("utf-8")
        asks = "yes" if asks_for_key else "no"
        return text.replace("{{files}}", f"page/{self.digest}").replace("{{asks-for-key}}", asks).encode("utf-8")


@cache
def page_files() -> PageFiles:
    """Reads the files, Chart.js among them."""
    contents = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir())}
    contents["chart.js"] = _chart_library().read_bytes()
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    files = {name: PageFile(_MEDIA_TYPES[Path(name).suffix], content) for name, content in contents.items()}
    return PageFiles(digest.hexdigest()[:16], files)


def _chart_library() -> Path:
    """Gives where Chart.js lies; its package is not imported."""
    spec = importlib.util.find_spec(_CHART_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the page draws with Chart.js, which is in {_CHART_PACKAGE}: install the extra serve"
        )
    return Path(spec.submodule_search_locations[0]) / _CHART_FILE
