"""The objects a provisioner under test works on, its rights, and what it wrote."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import yaml

from controller.api.claims import NODE_CLAIM, ClaimKind
from controller.api.json import Json
from controller.api.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NODE_CLAIMS, Resource
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from hack.devcluster import manifests
from tests.cluster.harness import Cluster, eventually

ROOT = Path(__file__).parents[2]
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)
CRD = yaml.safe_load((ROOT / "crds" / "nodeclaim" / "karpenter.sh_nodeclaims.yaml").read_text(encoding="utf-8"))
ROLE = ROOT / "manifests" / "base" / "provisioner" / "cluster-role.yaml"


def claim_body(kind: ClaimKind, name: str, namespace: str, sizes: Iterable[str], spec: Json) -> Json:
    """A claim for one GPU node, as a workspace controller makes it."""
    requirements = [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": list(sizes)}]
    family = {"karpenter.sh/nodepool": "kaito"} if kind is NODE_CLAIM else {"karpenter.sh/provisioner-name": "default"}
    node_class = {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"}
    return {
        "apiVersion": kind.resource.api_version,
        "kind": kind.resource.kind,
        "metadata": {
            "name": name,
            "labels": {
                **family,
                "kaito.sh/workspace": "phi",
                "kaito.sh/workspacenamespace": namespace,
                "apps": name,
            },
        },
        "spec": {
            "requirements": requirements,
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "80Gi"}},
            **({"nodeClassRef": node_class} if kind is NODE_CLAIM else {"machineTemplateRef": {"name": name}}),
            **spec,
        },
    }


async def account(cluster: Cluster, namespace: str) -> Path:
    """A kubeconfig with the very rights the manifests grant, and a Lease of its own."""
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "provisioner", "namespace": namespace}
    role = yaml.safe_load(ROLE.read_text(encoding="utf-8"))
    role["metadata"]["name"] = namespace
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}
    await cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "provisioner", "namespace": namespace}},
        role,
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{namespace}-provisioner"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": namespace},
            "subjects": [subject],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": "provisioner", "namespace": namespace},
            "rules": [leases],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "provisioner", "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "provisioner"},
            "subjects": [subject],
        },
    )
    return await cluster.token_kubeconfig(namespace, "provisioner")


async def install_node_claims(cluster: Cluster) -> None:
    """Installs the NodeClaim CRD and waits until it is served."""
    await manifests.apply(cluster.layout, [CRD])


async def remove_node_claims(client: Client) -> None:
    """Removes the NodeClaim CRD and waits until it is gone."""

    async def absent() -> str:
        try:
            await client.list(NODE_CLAIMS)
        except NotFound:
            return ""
        return "NodeClaims are still served"

    try:
        await client.delete(CUSTOM_RESOURCE_DEFINITIONS, "nodeclaims.karpenter.sh")
    except NotFound:
        return
    await eventually(absent)


async def run_guarded_pod(client: Client, namespace: str, pool: str, *, grace: int = 1) -> None:
    """A pod on the pool's node that a disruption budget keeps from leaving; its grace is in seconds."""
    meta = {"name": "web", "namespace": namespace}
    spec = {
        "terminationGracePeriodSeconds": grace,
        "nodeSelector": {"apps": pool},
        "tolerations": [{"key": "sku", "operator": "Exists"}],
        "containers": [{"name": "web", "image": "web"}],
    }
    selector = {"matchLabels": {"app": "web"}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    deployment = {"replicas": 1, "selector": selector, "template": template}
    await client.create(
        DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment}
    )
    budget = {"minAvailable": 1, "selector": selector}
    await client.create(
        BUDGETS, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget}
    )

    async def available() -> str:
        found = await client.get(DEPLOYMENTS, "web", namespace=namespace)
        return "" if found.get("status", {}).get("availableReplicas") == 1 else "the pod is not available"

    await eventually(available)


def writes_of(audit_log: Path, account: str) -> list[str]:
    """Requests of a service account that change something, Leases excepted, in the order they were made."""
    found = []
    for line in audit_log.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            entry = json.loads(line)
            if entry["user"]["username"] != account or entry["verb"] in ("get", "list", "watch"):
                continue
            if "/leases" not in entry["requestURI"]:
                found.append(f"{entry['verb']} {entry['requestURI']}")
    return found
