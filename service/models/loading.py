"""Loading a version: from the cache where it has it whole, else by a download; verified and warmed up either way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forecaster.bundle import Bundle
from forecaster.errors import BundleError, IntegrityError, SignatureError
from service.models.cache import BundleCache
from service.models.registry import ReadsRegistry, RegistryUnavailable, VersionRef
from service.models.verified import EAGER, Execution, check_reference, verified_bundle

log = logging.getLogger("service.models.loading")


@dataclass(frozen=True)
class Loaded:
    """A verified bundle, and the folder that it was downloaded to unless it came from the cache."""

    bundle: Bundle
    draft: Path | None


class Loader:
    """Loads verified bundles. Raises BundleError for what is refused, RegistryUnavailable for what cannot be had."""

    def __init__(
        self,
        registry: ReadsRegistry,
        cache: BundleCache,
        warm: Callable[[Bundle, Path], None],
        execution: Execution = EAGER,
        trusted: tuple[str, ...] = (),
    ) -> None:
        """`trusted`: public keys, one of which must have signed a bundle; none: signatures are not looked at."""
        self._execution = execution
        self._trusted = trusted
        self._registry = registry
        self._cache = cache
        self._warm = warm

    @contextmanager
    def load(self, reference: VersionRef) -> Iterator[Loaded]:
        """Lends a version; what was downloaded lies in its draft until the end of the loan."""
        check_reference(reference)
        try:
            cached = self.cached(reference)
        except SignatureError as error:  # it may have been signed since, which changes neither version nor digest
            self._drop(reference, error)
            cached = None
        if cached is not None:
            yield Loaded(cached, None)
            return
        with self._downloaded(reference) as folder:
            yield Loaded(self._ready(folder, reference), folder)

    def cached(self, reference: VersionRef) -> Bundle | None:
        """Gives a version from the cache, None where it has none; a spoiled one is dropped.

        Raises BundleError for what else is wrong with it. One that nobody trusted has signed stays where it is: while
        the registry is down, it must not be lost by a setting that is corrected a moment later.
        """
        folder = self._cache.folder(reference)
        if not folder.exists() and not folder.is_symlink():
            return None
        try:
            return self._ready(folder, reference)
        except IntegrityError as error:
            self._drop(reference, error)
            return None

    def _drop(self, reference: VersionRef, error: BundleError) -> None:
        log.warning("cache_spoiled", extra={"fields": {"model": reference.name, "reason": str(error)}})
        self._cache.drop(reference)

    @contextmanager
    def _downloaded(self, reference: VersionRef) -> Iterator[Path]:
        """Lends the downloaded folder; elsewhere than in the cache where that may be full."""
        with self._cache.draft(reference.name) as draft:
            try:
                folder = self._registry.download(reference, draft)
            except RegistryUnavailable:
                if not self._cache.has_little_room():
                    raise
            else:
                yield folder
                return
        with self._cache.draft_elsewhere() as elsewhere:
            yield self._registry.download(reference, elsewhere)

    def _ready(self, folder: Path, reference: VersionRef) -> Bundle:
        bundle = verified_bundle(folder, reference, self._execution, self._trusted)
        self._warm(bundle, folder)
        return bundle
