"""The control plane: command lines, configuration files and readiness of its five processes.

Default admission plug-ins, RBAC and Node authorization, service account tokens, TLS on every connection. The only
shortcuts are those a cluster without a second machine needs: no leader election, no fsync, no endpoint for the
`kubernetes` Service (nothing here runs inside a Pod).
"""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from hack.devcluster import kubeconfig
from hack.devcluster.api import Api
from hack.devcluster.component import Component, Probe
from hack.devcluster.layout import Layout, write_private
from hack.devcluster.pki import write_cluster_pki
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.request import Request
from hack.devcluster.stages import NODE_ANNOTATION, NODE_ANNOTATION_VALUE, NODE_LEASE_SECONDS, kwok_stages

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "127.96.0.0/16"
"""On the loopback interface, so that a process can listen at the address of a Service (hack/nodeagent)."""
ISSUER = "https://kubernetes.default.svc.cluster.local"
"""The issuer of service account tokens, and their default audience."""

_NEVER = "24h"
_ROOMY = {"GOGC": "400", "GOMEMLIMIT": "4GiB"}
"""A young API server holds little, and would collect garbage at every turn: a sixth of its time."""
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
_AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")]},
}


def write_files(layout: Layout, server: str, speed: float) -> None:
    """Write PKI, kubeconfigs and configuration files."""
    write_cluster_pki(layout)
    kubeconfig.write(layout.kubeconfig, kubeconfig.with_certificate(layout, server, "admin"))
    for name in ("kube-controller-manager", "kube-scheduler", "kwok", "aks-simulator"):
        kubeconfig.write(layout.client_kubeconfig(name), kubeconfig.with_certificate(layout, server, name))
    _write_yaml(layout.configuration / "audit-policy.yaml", _AUDIT_POLICY)
    _write_yaml(layout.configuration / "authentication.yaml", _AUTHENTICATION)
    _write_yaml(layout.configuration / "kwok.yaml", *kwok_stages(speed))


def etcd(layout: Layout, binaries: Path, ports: Ports) -> Component:
    """The store; `clients` is the port of its API."""
    clients, peers = ports.take(), ports.take()
    url, peer_url = f"https://{LOOPBACK}:{clients}", f"https://{LOOPBACK}:{peers}"
    certificate, key, authority = (str(path) for path in (*_pair(layout, "etcd"), layout.certificate("etcd-ca")))
    argv = (
        str(binaries / "etcd"),
        "--name=devcluster",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=devcluster={peer_url}",
        f"--cert-file={certificate}",
        f"--key-file={key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
        f"--peer-cert-file={certificate}",
        f"--peer-key-file={key}",
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    probe = _https_probe(f"{url}/health", layout.certificate("etcd-ca"), _pair(layout, "etcd-client"))
    return Component("etcd", argv, probe, {"clients": clients, "peers": peers})


def kube_apiserver(layout: Layout, binaries: Path, port: int, etcd_port: int, api: Api) -> Component:
    """The API server."""
    pki, configuration = layout.pki, layout.configuration
    argv = (
        str(binaries / "kube-apiserver"),
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--tls-cert-file={layout.certificate('kube-apiserver')}",
        f"--tls-private-key-file={layout.key('kube-apiserver')}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--etcd-servers=https://{LOOPBACK}:{etcd_port}",
        f"--etcd-cafile={layout.certificate('etcd-ca')}",
        f"--etcd-certfile={layout.certificate('etcd-client')}",
        f"--etcd-keyfile={layout.key('etcd-client')}",
        "--authorization-mode=Node,RBAC",
        f"--authentication-config={configuration / 'authentication.yaml'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={layout.key('service-account')}",
        f"--service-account-key-file={layout.certificate('service-account')}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--requestheader-client-ca-file={layout.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        f"--audit-policy-file={configuration / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        "--allow-privileged=true",
    )

    async def probe() -> str:
        status, text = await api.request("GET", "/readyz")
        return "" if status == 200 else _brief(status, text)

    return Component("kube-apiserver", argv, probe, {"https": port}, _ROOMY)


def kube_controller_manager(layout: Layout, binaries: Path, port: int, request: Request) -> Component:
    """All default controllers, each with a service account of its own."""
    config = layout.client_kubeconfig("kube-controller-manager")
    argv = (
        str(binaries / "kube-controller-manager"),
        *_secured(layout, "kube-controller-manager", port, config),
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        # At the default of 20 requests a second, making forty controllers' service accounts takes four seconds.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--service-account-private-key-file={layout.key('service-account')}",
        f"--root-ca-file={layout.certificate('ca')}",
        f"--cluster-signing-cert-file={layout.certificate('ca')}",
        f"--cluster-signing-key-file={layout.key('ca')}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        *([] if request.heartbeats else [f"--node-monitor-grace-period={_NEVER}"]),
    )
    return Component("kube-controller-manager", argv, _healthz(layout, port), {"https": port})


def kube_scheduler(layout: Layout, binaries: Path, port: int) -> Component:
    """The default scheduler."""
    config = layout.client_kubeconfig("kube-scheduler")
    argv = (
        str(binaries / "kube-scheduler"),
        *_secured(layout, "kube-scheduler", port, config),
        "--leader-elect=false",
        # At the default of 50 requests a second, a thousand Pods wait twenty seconds for their Nodes.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    )
    return Component("kube-scheduler", argv, _healthz(layout, port), {"https": port})


def kwok(layout: Layout, binaries: Path, port: int, request: Request) -> Component:
    """The kubelet of simulated Nodes."""
    argv = (
        str(binaries / "kwok"),
        f"--kubeconfig={layout.client_kubeconfig('kwok')}",
        f"--config={layout.configuration / 'kwok.yaml'}",
        f"--manage-nodes-with-annotation-selector={NODE_ANNOTATION}={NODE_ANNOTATION_VALUE}",
        f"--node-lease-duration-seconds={NODE_LEASE_SECONDS if request.heartbeats else 0}",
        f"--cidr={POD_CIDR}",
        f"--server-address={LOOPBACK}:{port}",
    )
    return Component("kwok", argv, http_probe(f"http://{LOOPBACK}:{port}/healthz"), {"http": port})


def http_probe(url: str) -> Probe:
    """Ready when a GET answers 200."""
    return _get_probe(url, None)


def https_probe(layout: Layout, url: str) -> Probe:
    """Ready when a GET over TLS, with the cluster's authority, answers 200."""
    return _https_probe(url, layout.certificate("ca"), None)


def _healthz(layout: Layout, port: int) -> Probe:
    return https_probe(layout, f"https://{LOOPBACK}:{port}/healthz")


def _https_probe(url: str, authority: Path, client: tuple[Path, Path] | None) -> Probe:
    tls = ssl.create_default_context(cafile=authority)
    if client:
        tls.load_cert_chain(*client)
    return _get_probe(url, tls)


def _get_probe(url: str, tls: ssl.SSLContext | None) -> Probe:
    timeout = aiohttp.ClientTimeout(total=3)

    async def probe() -> str:
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, ssl=tls or True) as response,
            ):
                return "" if response.status == 200 else _brief(response.status, await response.text())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{type(error).__name__}: {error}"

    return probe


def _secured(layout: Layout, name: str, port: int, config: Path) -> tuple[str, ...]:
    certificate, key = _pair(layout, name)
    return (
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--requestheader-client-ca-file={layout.certificate('front-proxy-ca')}",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
    )


def _pair(layout: Layout, name: str) -> tuple[Path, Path]:
    return layout.certificate(name), layout.key(name)


def _brief(status: int, text: str) -> str:
    failing = [line for line in text.splitlines() if "[-]" in line]
    return f"status {status}: {'; '.join(failing) or text[:300]}"


def _write_yaml(path: Path, *documents: dict[str, Any]) -> None:
    write_private(path, yaml.safe_dump_all(documents, sort_keys=False))
