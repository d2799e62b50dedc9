"""The project's programs beside the control plane: one table of what differs from running in a Pod.

Command, arguments and environment come from the Deployments in `manifests/base`, so that what runs here is what the
manifests ship; the table only replaces addresses, credentials and the cloud.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.devcluster.component import Component
from hack.devcluster.control_plane import http_probe, https_probe
from hack.devcluster.layout import REPOSITORY, Layout
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.request import Request, Scope

Json = dict[str, Any]

NAMESPACE = "kaito-system"
"""Where the manifests put the programs and their service accounts."""

AZURE = {
    "subscription": "00000000-0000-0000-0000-000000000000",
    "resource-group": "devcluster",
    "cluster": "devcluster",
    "location": "eastus",
}
"""The AKS cluster the simulator plays, and the provisioner looks for."""

_GRACE_SECONDS = 10.0
_ARM_POLL_MILLISECONDS = 1000
_SHORTEST_ARM_POLL_MILLISECONDS = 100
# The provisioner's own defaults, divided by the speed like every simulated time.
_REQUEST_MILLISECONDS = 150_000
_SHORTEST_REQUEST_MILLISECONDS = 10_000
_SHORTEST_RETRY_MILLISECONDS = 100
_LAUNCH_RETRY_MILLISECONDS = 30_000
_LONGEST_RETRY_MILLISECONDS = 300_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one replica runs."""

    name: str
    kubeconfig: Path
    metrics_port: int
    health_port: int
    serving_port: int
    """0 for a program that only serves metrics and probes."""
    aks_url: str
    authority: Path
    speed: float


Options = Mapping[str, str]
"""Flag name without dashes to value."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of our programs: its name is that of its console script, Deployment and service account."""

    name: str
    scope: Scope
    """The smallest scope that starts it."""
    options: Callable[[Place], Options]
    """Flags of its own that differ here."""


def _webhook(place: Place) -> Options:
    return {
        "bind-address": f"{LOOPBACK}:{place.serving_port}",
        "certificate-dns-name": f"kaito-webhook.{NAMESPACE}.svc",
        "certificate-ip": LOOPBACK,
        # Endpoints of a real cluster follow readiness slowly; the balancer here needs a quarter of a second.
        "drain-period": "500ms",
        # Nor does anybody wait here until the API server has dropped its idle connections.
        "drain-limit": "500ms",
    }


def _provisioner(place: Place) -> Options:
    poll = max(_SHORTEST_ARM_POLL_MILLISECONDS, _ARM_POLL_MILLISECONDS / place.speed)
    return {
        "azure-endpoint": place.aks_url,
        "azure-ca-file": str(place.authority),
        "azure-credential": "none",
        "azure-subscription-id": AZURE["subscription"],
        "azure-resource-group": AZURE["resource-group"],
        "azure-cluster-name": AZURE["cluster"],
        "azure-location": AZURE["location"],
        "arm-poll-interval": f"{poll:.0f}ms",
        "request-deadline": f"{max(_SHORTEST_REQUEST_MILLISECONDS, _REQUEST_MILLISECONDS / place.speed):.0f}ms",
        "launch-retry-initial": f"{max(_SHORTEST_RETRY_MILLISECONDS, _LAUNCH_RETRY_MILLISECONDS / place.speed):.0f}ms",
        "launch-retry-max": f"{max(_SHORTEST_RETRY_MILLISECONDS, _LONGEST_RETRY_MILLISECONDS / place.speed):.0f}ms",
    }


def _nothing(_: Place) -> Options:
    return {}


WEBHOOK = "kaito-webhook"
PROGRAMS = (
    Program(WEBHOOK, Scope.WEBHOOK, _webhook),
    Program("kaito-controller", Scope.ALL, _nothing),
    Program("kaito-provisioner", Scope.ALL, _provisioner),
)
"""Everything of ours that runs as a process."""


def programs_of(scope: Scope) -> list[Program]:
    """The programs a scope starts."""
    return [program for program in PROGRAMS if scope.includes(program.scope)]


def replica(program: Program, deployment: Json, index: int, layout: Layout, cluster: "Surroundings") -> Component:
    """One process of a program, described by its Deployment and the table above."""
    served = ("metrics", "health", "serving") if program.name == WEBHOOK else ("metrics", "health")
    ports = {name: cluster.ports.take() for name in served}
    place = Place(
        name=f"{program.name}-{index}",
        kubeconfig=layout.client_kubeconfig(program.name),
        metrics_port=ports["metrics"],
        health_port=ports["health"],
        serving_port=ports.get("serving", 0),
        aks_url=cluster.aks_url,
        authority=layout.certificate("ca"),
        speed=cluster.request.speed,
    )
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    script, *leading = container.get("command") or [program.name]
    arguments = local_arguments([*leading, *container.get("args", [])], _common(place) | dict(program.options(place)))
    return Component(
        name=place.name,
        argv=(str(Path(sys.executable).with_name(script)), *arguments),
        probe=http_probe(f"http://{LOOPBACK}:{place.health_port}/readyz"),
        ports=ports,
        environment=local_environment(container.get("env", []), place.name),
        grace_seconds=_GRACE_SECONDS,
        # The balancer follows this probe: a replica that stops being ready must leave it soon.
        probe_seconds=0.25 if program.name == WEBHOOK else 1.0,
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the replicas of one cluster share."""

    request: Request
    ports: Ports
    aks_url: str


def local_arguments(declared: Sequence[str], local: Options) -> tuple[str, ...]:
    """The declared arguments (`--flag` or `--flag=value`) without those replaced here, then the local ones."""
    kept = [argument for argument in declared if argument.removeprefix("--").partition("=")[0] not in local]
    return (*kept, *(f"--{flag}={value}" for flag, value in local.items()))


def local_environment(declared: Iterable[Json], name: str) -> dict[str, str]:
    """The container's environment: literal values, and the references to the Pod's own name and namespace."""
    fields = {"metadata.name": name, "metadata.namespace": NAMESPACE}
    environment = {}
    for variable in declared:
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
        value = variable.get("value", fields.get(path))
        if value is not None:
            environment[variable["name"]] = value
    return environment


def _common(place: Place) -> dict[str, str]:
    return {
        "kubeconfig": str(place.kubeconfig),
        "namespace": NAMESPACE,
        "identity": place.name,
        "metrics-bind-address": f"{LOOPBACK}:{place.metrics_port}",
        "health-probe-bind-address": f"{LOOPBACK}:{place.health_port}",
        "log-format": "console",
    }


def aks_simulator(layout: Layout, request: Request, port: int) -> Component:
    """The simulator of the Azure side, with a certificate of the cluster's authority."""
    url = f"https://{LOOPBACK}:{port}"
    argv = (
        sys.executable,
        "-m",
        "hack.aks_simulator",
        f"--kubeconfig={layout.client_kubeconfig('aks-simulator')}",
        f"--listen={LOOPBACK}:{port}",
        f"--cert={layout.certificate('aks-simulator')}",
        f"--key={layout.key('aks-simulator')}",
        f"--speed={request.speed:g}",
        f"--state={layout.configuration / 'aks-simulator.json'}",
        *(f"--{flag}={value}" for flag, value in AZURE.items()),
        *([f"--scenario={request.scenario}"] if request.scenario else []),
    )
    environment = {"PYTHONPATH": str(REPOSITORY)}
    probe = https_probe(layout, f"{url}/_sim/state")
    return Component("aks-simulator", argv, probe, {"https": port}, environment, grace_seconds=3.0)
