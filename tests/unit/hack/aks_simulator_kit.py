"""Shared by the simulator's tests: a simulator on a free port, real SDK clients for it, and a clock to move by hand."""

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice.aio import ContainerServiceClient as AioContainerServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.api.json import Json
from hack.aks_simulator.context import Context
from hack.aks_simulator.scenario import Scenario, parse_scenario
from hack.aks_simulator.server import build_app
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.sizes import offered_sizes

SIZES = offered_sizes()
GROUP, CLUSTER = Settings().resource_group, Settings().cluster
NEVER_EXPIRES = 4102444800
START = 1_750_000_000.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class StaticBearer(SansIOHTTPPolicy[Any, Any]):
    """Authenticates without TLS, as the SDK's own policy refuses to."""

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = "Bearer sim"


class AsyncCredential:
    """A credential for the asyncio client."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("sim", NEVER_EXPIRES)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "AsyncCredential":
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Nothing to close."""


class SyncCredential:
    """A credential for the blocking client."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("sim", NEVER_EXPIRES)


def context(now: float = START, document: Json | None = None, *, attached: bool = False) -> Context:
    """A context at an instant, under a scenario."""
    scenario = parse_scenario(document) if document else Scenario()
    return Context(Settings(nodes_attached=attached), scenario, SIZES, now)


def simulator(
    document: Json | None = None, *, speed: float = 100.0, state_file: Path | None = None, clock: Clock | None = None
) -> Simulator:
    """A simulator without a cluster; create takes 0.08 s at the default speed."""
    scenario = parse_scenario(document) if document else Scenario()
    settings = Settings(speed=speed)
    if clock:
        return Simulator(settings, SIZES, scenario, state_file=state_file, clock=clock)
    return Simulator(settings, SIZES, scenario, state_file=state_file)


@asynccontextmanager
async def serving(served: Simulator, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The simulator on a port; yields its URL."""
    runner = web.AppRunner(build_app(served), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def aio_client(url: str, **options: Any) -> AioContainerServiceClient:
    """The real asyncio SDK client, pointed at the simulator over plain HTTP."""
    usual: dict[str, Any] = {"authentication_policy": StaticBearer(), "polling_interval": 0.02, "retry_total": 0}
    credential: Any = AsyncCredential()
    return AioContainerServiceClient(credential, Settings().subscription, base_url=url, **usual | options)


def sync_client(url: str, **options: Any) -> ContainerServiceClient:
    """The real blocking SDK client, pointed at the simulator over plain HTTP."""
    usual: dict[str, Any] = {"authentication_policy": StaticBearer(), "polling_interval": 0.02, "retry_total": 0}
    credential: Any = SyncCredential()
    return ContainerServiceClient(credential, Settings().subscription, base_url=url, **usual | options)


def pool_body(**properties: Any) -> Any:
    """A request body like the provisioner's: one GPU VM."""
    usual = {
        "count": 1,
        "vmSize": "Standard_NC24ads_A100_v4",
        "type": "VirtualMachineScaleSets",
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "nodeLabels": {"kaito.sh/workspace": "phi"},
        "nodeTaints": ["sku=gpu:NoSchedule"],
    }
    return {"properties": {key: value for key, value in (usual | properties).items() if value is not None}}


def self_signed(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 and the server context that uses it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "aks-simulator")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = directory / "cert.pem", directory / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, secret)
    return chain, tls
