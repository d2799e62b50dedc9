"""Keeps the authority in its Secret, a fresh leaf in the listener, and the trust bundle in the configurations.

Every replica runs one; they need no leader. What one of them writes, the others see through their informers.
"""

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
from controller.runtime.errors import AlreadyExists, NotFound
from controller.runtime.limiter import RateLimiter
from controller.runtime.logs import fields, get_logger
from controller.runtime.metrics import CERTIFICATE_READ_ERRORS, CERTIFICATE_READS
from controller.runtime.reconciler import Controller, Result
from webhook.certificates.authority import Authority, Lifetimes, advance, decode, encode, next_step_due
from webhook.certificates.injection import bundle_patch, trusts
from webhook.certificates.issuing import Names, new_leaf, validity
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
        if not self.serving.ready:
            return "no serving certificate yet"
        expiry = self.serving.expiry
        return "the serving certificate has expired" if expiry is not None and expiry <= self._now() else ""

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
            self._renew_leaf(authority)
        except Exception:
            CERTIFICATE_READ_ERRORS.inc()
            raise
        await self._publish(authority)
        return Result(self._seconds_to_next(authority))

    async def _settled_authority(self) -> Authority:
        """The authority after every step that is due."""
        stored = self._secrets.get(self._secret, self._namespace) or await self._read_secret()
        if stored is None:
            return await self._create()
        authority = decode(stored.get("data") or {})
        step = advance(authority, self._now(), self._lifetimes, self._is_published)
        while step is not None:
            log.info("the authority moves on", extra=fields(replaced=authority is None, bundle=len(step.bundle)))
            stored = await self._client.replace(SECRETS, {**stored, "data": encode(step)})
            authority, step = step, advance(step, self._now(), self._lifetimes, self._is_published)
        assert authority is not None, "advance makes an authority where there is none"
        return authority

    async def _create(self) -> Authority:
        fresh = advance(None, self._now(), self._lifetimes, self._is_published)
        assert fresh is not None, "advance makes an authority where there is none"
        metadata = {"name": self._secret, "namespace": self._namespace}
        body = {"apiVersion": "v1", "kind": SECRETS.kind, "metadata": metadata, "data": encode(fresh)}
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            # Another replica was first: its authority is ours.
            return await self._settled_authority()
        log.info("authority created", extra=fields(secret=f"{self._namespace}/{self._secret}"))
        return fresh

    async def _read_secret(self) -> Json | None:
        try:
            return await self._client.get(SECRETS, self._secret, namespace=self._namespace)
        except NotFound:
            return None

    def _renew_leaf(self, authority: Authority) -> None:
        current, renewal = authority.current, self.serving.renewal
        if self.serving.issuer == current.certificate and renewal is not None and self._now() < renewal:
            return
        leaf = new_leaf(current, self._names, self._now(), self._lifetimes.leaf)
        self.serving.install(leaf, current.certificate)
        ends = validity(leaf.certificate).ends
        CERTIFICATE_READS.inc()
        CERTIFICATE_EXPIRY.labels("leaf").set(ends.timestamp())
        CERTIFICATE_EXPIRY.labels("authority").set(validity(current.certificate).ends.timestamp())
        log.info("serving certificate issued", extra=fields(names=",".join(self._names.dns), ends=ends.isoformat()))

    async def _publish(self, authority: Authority) -> None:
        stale = [resource for resource in self._targets if self._patch_for(resource, authority.bundle)]
        if not stale:
            return
        # What is about to be published must be the newest state, not what the informer last saw of it.
        stored = await self._read_secret()
        newest = decode((stored or {}).get("data") or {}) or authority
        for resource in stale:
            operations = self._patch_for(resource, newest.bundle)
            if operations:
                await self._client.json_patch(resource, self._configuration, operations)
                log.info("trust bundle published", extra=fields(kind=resource.kind, name=self._configuration))

    def _patch_for(self, resource: Resource, bundle: bytes) -> list[Json]:
        target = self._targets[resource].get(self._configuration)
        return bundle_patch(target, bundle) if target is not None else []

    def _is_published(self, certificate: bytes) -> bool:
        targets = [informer.get(self._configuration) for informer in self._targets.values()]
        return all(trusts(target, certificate) for target in targets if target is not None)

    def _seconds_to_next(self, authority: Authority) -> float:
        due = next_step_due(authority, self._lifetimes)
        renewal = self.serving.renewal
        moment = min(due, renewal) if renewal is not None else due
        return min(max((moment - self._now()).total_seconds(), 1.0), LONGEST_WAIT)
