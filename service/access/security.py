"""Who may do what: the key of a request -> a principal, or a refusal; and what a principal may spend.

`guards.py` asks before a byte of the body is read. The principal then pays for what it asks:
`security_of(scope).charge(principal, points, horizon)`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette import types
from starlette.datastructures import Headers

from service.access.deliveries import Deliveries
from service.access.key_ring import KeyRing, Rejection
from service.access.keys import KeyFiles, Scope
from service.access.rate import CostAboveBurst, Rate, RateLimiter
from service.errors import BadDelivery, CostTooHigh, Forbidden, NotCounted, RateLimited, ServiceError, Unauthorized
from service.settings import Settings

log = logging.getLogger("service.access.security")

_MAX_CLIENTS = 4096  # addresses whose failures are remembered
_MAX_SPENDERS = 100_000  # keys whose spending is remembered
_CHEAPER = "ask for fewer series, a shorter history or fewer steps"


@dataclass(frozen=True)
class Principal:
    """Who asks. `owner` is whom its jobs and fine-tuned models belong to; `rate` None: it may spend without limit."""

    key_id: str
    owner: str
    scopes: frozenset[Scope]
    rate: Rate | None = None


ANYBODY = Principal("anonymous", "anonymous", frozenset(Scope))


class Security:
    """Knows the keys, who has failed how often, and what each key has spent."""

    def __init__(
        self, ring: KeyRing | None, default_rate: Rate, failure_rate: Rate, deliveries: Deliveries | None = None
    ) -> None:
        """Without a ring everybody may do everything; without `deliveries` none is good."""
        self._ring = ring
        self._deliveries = deliveries
        self._default_rate = default_rate
        self._failure_rate = failure_rate
        self._failures = RateLimiter(_MAX_CLIENTS)
        self._spending = RateLimiter(_MAX_SPENDERS)

    @classmethod
    def of(cls, settings: Settings) -> Security:
        """Builds it as the settings say; ConfigError where files of keys cannot be used."""
        ring = KeyRing(KeyFiles.of(settings)) if settings.authentication else None
        spending = Rate(burst=settings.rate_burst, per_minute=settings.rate_per_minute)
        failures = Rate(burst=settings.max_auth_failures, per_minute=settings.max_auth_failures)
        return cls(ring, spending, failures, Deliveries.of(settings))

    @property
    def takes_deliveries(self) -> bool:
        """Whether there is a secret that a webhook may be signed with."""
        return self._deliveries is not None

    def authenticate(self, authorization: str | None, client_host: str | None) -> Principal:
        """Gives who shows this `Authorization` header. Raises Unauthorized, or RateLimited after many failures.

        A good key is never held back: others may share its address, behind a proxy even everybody.
        """
        if self._ring is None:
            return ANYBODY
        found = self._ring.check(_bearer(authorization))
        if isinstance(found, Rejection):
            fields = {"reason": found.reason, "key_id": found.key_id}
            refusal = Unauthorized("send a good API key as Authorization: Bearer fk_...")
            raise self._refusal(refusal, client_host, "authentication_failed", fields)
        return Principal(found.id, found.owner, frozenset(found.scopes), found.rate or self._default_rate)

    def authorize(self, scope: Scope, authorization: str | None, client_host: str | None) -> Principal:
        """Gives who shows this header if it may do that. Raises Forbidden beside what `authenticate` raises."""
        principal = self.authenticate(authorization, client_host)
        if scope not in principal.scopes:
            log.warning("scope_missing", extra={"fields": {"key_id": principal.key_id, "scope": scope.value}})
            raise Forbidden(f"this key lacks the scope {scope.value}")
        return principal

    def accept_delivery(self, headers: Headers, body: bytes, client_host: str | None) -> None:
        """Returns for a delivery that MLflow has signed. Raises BadDelivery, or RateLimited after many failures."""
        reason = "unwanted" if self._deliveries is None else self._deliveries.reason_against(headers, body)
        if reason is not None:
            refusal = BadDelivery("this is no delivery that was signed with the secret of this service just now")
            raise self._refusal(refusal, client_host, "delivery_refused", {"reason": reason})

    def charge(self, principal: Principal, points: int, horizon: int, advice: str = _CHEAPER) -> None:
        """Takes the cost of a request from what its key may spend. Raises RateLimited, or CostTooHigh with advice."""
        if principal.rate is None:
            return
        cost = points * horizon
        try:
            wait = self._spending.take(principal.key_id, cost, principal.rate)
        except CostAboveBurst as error:
            raise CostTooHigh(
                f"{points} points x {horizon} steps cost {cost}, this key may spend {error.burst:.0f} at once: {advice}"
            ) from error
        if wait > 0:
            raise RateLimited("this key has spent what it may: points x steps are counted", wait)

    def spent(self, principal: Principal) -> float:
        """Gives what a principal has spent of its burst, in points x steps; NotCounted where it has no limit."""
        if principal.rate is None:
            raise NotCounted("this service asks for no keys, and counts by key")
        return self._spending.spent(principal.key_id, principal.rate)

    def _refusal(
        self, refusal: ServiceError, client_host: str | None, event: str, fields: dict[str, str | None]
    ) -> ServiceError:
        """Gives what the client is told; beyond the limit nothing is logged, or logs could be flooded."""
        wait = self._failures.take(_network(client_host), 1, self._failure_rate)
        if wait > 0:
            return RateLimited("too many requests without a good key", wait, code="too-many-failures")
        log.warning(event, extra={"fields": {**fields, "client": client_host}})
        return refusal


def _bearer(authorization: str | None) -> str | None:
    """Gives the key in a header; None where there is no header of that scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else None


def _network(client_host: str | None) -> str:
    """Gives the name that failures count under: an IPv4 address, or the 64 bits that one owner of IPv6 has."""
    try:
        address = ip_address(client_host or "")
    except ValueError:
        return "unknown"
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)


def security_of(scope: types.Scope) -> Security:
    """Gives the security of the service that a request was sent to."""
    found: Security = scope["app"].state.security
    return found
