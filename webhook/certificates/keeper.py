"""Keeps the authority in its Secret, a fresh leaf in the listener, and the trust bundle in the configurations.

Every replica runs one; they need no leader. What one of them writes, the others see through their informers.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from controller.api.json import Json
from controller.api.resources import (
    MUTATING_WEBHOOK_CONFIGURATIONS,
    SECRETS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    Resource,
)
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import AlreadyExists, Invalid, NotFound
from controller.runtime.limiter import RateLimiter
from controller.runtime.logs import fields, get_logger
from controller.runtime.metrics import CERTIFICATE_READ_ERRORS, CERTIFICATE_READS
from controller.runtime.reconciler import Controller, Result
from webhook.certificates.authority import (
    Authority,
    Lifetimes,
    decode,
    encode,
    is_intact,
    next_step_due,
    rebuilt,
    settled,
)
from webhook.certificates.injection import bundle_patch, trusts
from webhook.certificates.issuing import Names, new_leaf, validity
from webhook.certificates.pace import Pace
from webhook.certificates.serving import Serving
from webhook.counters import CERTIFICATE_EXPIRY

TARGETS: Final = (MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS)

LONGEST_WAIT: Final = 3600.0
"""Seconds between two looks at the clock: sleeping machines and corrected clocks are noticed."""

_KEY: Final = "certificates"

log = get_logger(__name__)


class Keeper:
    """The certificates of one replica.

    Args:
        client: to the API server.
        namespace: of the Secret.
        secret: its name.
        configuration: name of the mutating and of the validating webhook configuration.
        names: what the serving certificate is valid for.
        lifetimes: how long things last.
        now: the clock on the wall.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        secret: str,
        configuration: str,
        names: Names,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.serving = Serving()
        self._client = client
        self._namespace, self._secret, self._configuration = namespace, secret, configuration
        self._names = names
        self._lifetimes = lifetimes or Lifetimes()
        self._now = now
        self._secrets = Informer(client, SECRETS, namespace=namespace, fields=f"metadata.name={secret}")
        self._targets = {
            resource: Informer(client, resource, fields=f"metadata.name={configuration}") for resource in TARGETS
        }
        self._paces = {resource: Pace(f"{resource.kind} {configuration}") for resource in TARGETS}
        self._last: Authority | None = None
        limiter: RateLimiter[str] = RateLimiter(base=0.1, cap=30.0)
        self._controller = Controller(_KEY, self._reconcile, workers=1, deadline=30.0, limiter=limiter)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """What the program has to run for it."""
        return (self._secrets, *self._targets.values())

    async def run(self) -> None:
        """Works until cancelled."""
        for informer in self.informers:
            informer.on_change(lambda _old, _new: self._controller.enqueue(_KEY))
        self._controller.enqueue(_KEY)
        await self._controller.run()

    def certificate_problem(self) -> str:
        """Why TLS cannot be served; empty when it can."""
        return self.serving.problem(self._now())

    def trust_problem(self) -> str:
        """Why the API server would not trust this replica; empty when it does."""
        for resource, informer in self._targets.items():
            target = informer.get(self._configuration)
            if target is None:
                return f"{resource.kind} {self._configuration} does not exist"
            if not self.serving.issuer or not trusts(target, self.serving.issuer):
                return f"{resource.kind} {self._configuration} does not trust this replica's authority yet"
        return ""

    async def _reconcile(self, _key: str) -> Result:
        try:
            authority = await self._settled_authority()
            same = self.serving.issuer == authority.current.certificate
            if same or self._is_published(authority.current.certificate) or self.certificate_problem():
                self._renew_leaf(authority)
        except Exception:
            CERTIFICATE_READ_ERRORS.inc()
            raise
        wait = await self._publish(authority)
        if wait is None:
            return Result(0.0)
        # A leaf that works is given up only once callers trust who signs the next one.
        if not wait:
            self._renew_leaf(authority)
        return Result(wait or self._seconds_to_next(authority))

    async def _settled_authority(self) -> Authority:
        """The authority after every step that is due, as the Secret now holds it."""
        stored = self._secrets.get(self._secret, self._namespace) or await self._read_secret()
        data: dict[str, str] = (stored or {}).get("data") or {}
        origin = self._origin(data)
        if origin is None:
            origin = rebuilt(data, self._now(), self._lifetimes)
        authority = settled(origin, self._now(), self._lifetimes, self._is_published)
        if not is_intact(data, authority) and not await self._store(stored, authority):
            return await self._settled_authority()
        self._last = authority
        return authority

    def _origin(self, data: dict[str, str]) -> Authority | None:
        """What the Secret holds, completed by memory where it was deleted or damaged."""
        found, last = decode(data), self._last
        if found is None:
            return last
        lost = last is not None and last.current == found.current and not is_intact(data, found)
        return last if lost else found

    async def _store(self, stored: Json | None, authority: Authority) -> bool:
        """Writes the state; False when another replica was first to create the Secret."""
        metadata = {"name": self._secret, "namespace": self._namespace}
        shown = fields(secret=f"{self._namespace}/{self._secret}", restored=authority == self._last)
        if stored is not None:
            await self._client.replace(SECRETS, {**stored, "data": encode(authority)})
            log.info("authority written", extra=shown)
            return True
        body = {"apiVersion": "v1", "kind": SECRETS.kind, "metadata": metadata, "data": encode(authority)}
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            return False
        log.info("authority created", extra=shown)
        return True

    async def _read_secret(self) -> Json | None:
        try:
            return await self._client.get(SECRETS, self._secret, namespace=self._namespace)
        except NotFound:
            return None

    def _renew_leaf(self, authority: Authority) -> None:
        current, times = authority.current, self.serving.validity
        fresh = times is not None and times.accepted_from <= self._now() < times.renewal
        if self.serving.issuer == current.certificate and fresh:
            return
        leaf = new_leaf(current, self._names, self._now(), self._lifetimes.leaf)
        self.serving.install(leaf, current.certificate)
        ends = validity(leaf.certificate).ends
        CERTIFICATE_READS.inc()
        CERTIFICATE_EXPIRY.labels("leaf").set(ends.timestamp())
        CERTIFICATE_EXPIRY.labels("authority").set(validity(current.certificate).ends.timestamp())
        log.info("serving certificate issued", extra=fields(names=",".join(self._names.dns), ends=ends.isoformat()))

    async def _publish(self, authority: Authority) -> float | None:
        """Seconds until the bundle may be published again, 0 when it is; None when somebody else was faster."""
        stale = [resource for resource in self._targets if self._patch_for(resource, authority.bundle)]
        # What is about to be published must be the newest state, not what the informer last saw of it.
        stored = await self._read_secret() if stale else None
        newest = decode((stored or {}).get("data") or {}) or authority
        waits = [await self._publish_in(resource, newest.bundle) for resource in self._targets]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    async def _publish_in(self, resource: Resource, bundle: bytes) -> float | None:
        operations = self._patch_for(resource, bundle)
        if not operations:
            if self._targets[resource].get(self._configuration) is not None:
                self._paces[resource].seen = bundle
            return 0.0
        pace, version = self._paces[resource], self._version(resource)
        if version == pace.patched:
            return 0.0
        wait = pace.wait(bundle, asyncio.get_running_loop().time())
        if wait:
            return wait
        try:
            await self._client.json_patch(resource, self._configuration, operations)
        except Invalid as error:
            log.info("the trust bundle was changed meanwhile, looking again: %s", error)
            return None
        log.info("trust bundle published", extra=fields(kind=resource.kind, name=self._configuration))
        pace.seen, pace.patched = bundle, version
        return 0.0

    def _version(self, resource: Resource) -> str:
        target = self._targets[resource].get(self._configuration) or {}
        return str(target.get("metadata", {}).get("resourceVersion"))

    def _patch_for(self, resource: Resource, bundle: bytes) -> list[Json]:
        target = self._targets[resource].get(self._configuration)
        return bundle_patch(target, bundle) if target is not None else []

    def _is_published(self, certificate: bytes) -> bool:
        targets = [informer.get(self._configuration) for informer in self._targets.values()]
        return all(trusts(target, certificate) for target in targets if target is not None)

    def _seconds_to_next(self, authority: Authority) -> float:
        due = next_step_due(authority, self._lifetimes)
        times = self.serving.validity
        moment = min(due, times.renewal) if times is not None else due
        return min(max((moment - self._now()).total_seconds(), 1.0), LONGEST_WAIT)
