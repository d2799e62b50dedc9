"""Kubeconfig files: with a client certificate for the control plane, with a token file for our programs."""

from pathlib import Path
from typing import Any

import yaml

from hack.devcluster.layout import Layout, write_private


def with_certificate(layout: Layout, server: str, name: str) -> dict[str, Any]:
    """Who holds the certificate `name` of the cluster's PKI."""
    user = {"client-certificate": str(layout.certificate(name)), "client-key": str(layout.key(name))}
    return _kubeconfig(server, layout.certificate("ca"), name, user, "default")


def with_token_file(layout: Layout, server: str, name: str, namespace: str) -> dict[str, Any]:
    """A service account whose token stands in a file, so that it can be replaced while the program runs."""
    return _kubeconfig(server, layout.certificate("ca"), name, {"tokenFile": str(layout.token(name))}, namespace)


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a kubeconfig, readable by its owner only."""
    write_private(path, yaml.safe_dump(content, sort_keys=False))


def _kubeconfig(server: str, authority: Path, name: str, user: dict[str, str], namespace: str) -> dict[str, Any]:
    context = {"cluster": "devcluster", "user": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "devcluster", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "devcluster", "context": context}],
        "current-context": "devcluster",
    }
