"""A change of the webhook's authority, and the loss of its Secret, while the webhook is asked."""

import asyncio
import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from controller.api.json import Json
from controller.api.resources import SECRETS
from controller.runtime.errors import NotFound
from hack.devcluster.programs import NAMESPACE
from hack.nodeagent.addresses import local_of
from tests.cluster.harness import eventually
from tests.manifests.load import Tally, admissions
from tests.manifests.striking import running
from tests.system.harness import PATIENCE_SECONDS, WEBHOOK, System, workspace
from webhook.certificates.issuing import new_authority
from webhook.certificates.keeper import TARGETS

SECRET = "kaito-webhook-ca"
HOST = f"{WEBHOOK}.{NAMESPACE}.svc"
PORT = 9443
LONG_AGO = timedelta(days=3)
"""Longer than a change of authority ever waits for anything."""


async def change_the_authority(system: System, rate: float) -> None:
    """A Secret that is lost, then all steps of a change, without a failed admission.

    The waits between the steps, twenty minutes and a day, are shortened by setting their beginning back. In place of
    the first one the test waits until so much was asked that the API server must have noticed.
    """
    async with admissions(system.cluster, workspace("default", "other"), rate) as tally:
        before = await secret(system)
        await system.client.delete(SECRETS, SECRET, namespace=NAMESPACE)
        await becomes(system, lambda data: data == before)

        next_one = new_authority(datetime.now(UTC), timedelta(days=365))
        await write(system, {"next.crt": next_one.certificate, "next.key": next_one.key})
        await becomes(system, lambda data: "published-at" in data)
        await asked_on(tally, round(5 * rate))
        await write(system, {"published-at": long_ago()})
        await becomes(system, lambda data: decoded(data["ca.crt"]) == next_one.certificate and "retired.crt" in data)
        await eventually(lambda: signed_by(system, next_one.certificate), PATIENCE_SECONDS)
        await write(system, {"promoted-at": long_ago()})
        await becomes(system, lambda data: data.keys() == {"ca.crt", "ca.key"})
        await eventually(lambda: trusted(system, next_one.certificate), PATIENCE_SECONDS)
        await asked_on(tally, round(5 * rate))
    print(f"figure: the Secret lost and the authority changed: {tally.figures}")
    assert tally.failures == []


async def secret(system: System) -> dict[str, str]:
    """The data of the authority's Secret; empty while it does not exist."""
    try:
        return dict((await system.client.get(SECRETS, SECRET, namespace=NAMESPACE)).get("data") or {})
    except NotFound:
        return {}


async def write(system: System, data: dict[str, bytes]) -> None:
    """Changes entries of the Secret, as an administrator would."""
    patch: Json = {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}
    await system.client.merge(SECRETS, SECRET, patch, namespace=NAMESPACE)


async def becomes(system: System, wanted: Callable[[dict[str, str]], bool]) -> None:
    """Waits until the Secret is as wanted."""

    async def check() -> str:
        data = await secret(system)
        return "" if data and wanted(data) else f"the Secret holds {sorted(data)}"

    await eventually(check, PATIENCE_SECONDS)


async def asked_on(tally: Tally, more: int) -> None:
    """Waits until so many more Workspaces were let in."""
    wanted = tally.admitted + more

    async def check() -> str:
        return "" if tally.admitted >= wanted or tally.failures else f"{tally.admitted} of {wanted} were let in"

    await eventually(check, PATIENCE_SECONDS)


async def signed_by(system: System, authority: bytes) -> str:
    """Empty once every replica serves with a certificate of this authority, and of no other."""
    context = ssl.create_default_context(cadata=authority.decode())
    for pod in await running(system, WEBHOOK):
        address = local_of(pod["status"]["podIP"])
        try:
            _, writer = await asyncio.open_connection(address, PORT, ssl=context, server_hostname=HOST)
        except OSError as error:
            return f"{pod['metadata']['name']}: {error}"
        writer.close()
    return ""


async def trusted(system: System, authority: bytes) -> str:
    """Empty once both configurations trust this authority and no other."""
    for resource in TARGETS:
        found = await system.client.get(resource, WEBHOOK)
        if decoded(found["webhooks"][0]["clientConfig"]["caBundle"]) != authority:
            return f"{resource.kind} trusts others"
    return ""


def decoded(text: str) -> bytes:
    """What an entry of a Secret holds."""
    return base64.b64decode(text)


def long_ago() -> bytes:
    """A moment as the Secret notes it."""
    return (datetime.now(UTC) - LONG_AGO).isoformat().encode()
