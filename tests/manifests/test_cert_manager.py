"""The webhook with a certificate of somebody else, and without the rights it then has no use for.

The test stands in for cert-manager and its injector: it makes the Secret, and tells the API server whom to trust.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.api.json import Json
from tests.cluster.harness import Cluster, eventually
from tests.manifests.asking import documents, refused
from tests.manifests.building import FOREIGN
from tests.manifests.installation import NODE, node, uninstall, upon
from tests.manifests.rights import asked, forbidden
from tests.system.harness import workspace
from webhook.certificates.issuing import Names, Pair, new_authority, new_leaf

CONTAINER = "/spec/template/spec/containers/0"
ONLY_THE_WEBHOOK = {
    "replicas": [
        {"name": "kaito-webhook", "count": 1},
        {"name": "kaito-controller", "count": 0},
        {"name": "kaito-provisioner", "count": 0},
    ],
    # Whether callers leave by themselves is another test's question, and takes more than a minute.
    "patches": [
        {
            "target": {"kind": "Deployment", "name": "kaito-webhook"},
            "patch": json.dumps([{"op": "add", "path": f"{CONTAINER}/args/-", "value": "--drain-limit=0s"}]),
        }
    ],
}
CONFIGURATIONS = ("mutatingwebhookconfiguration/kaito-webhook", "validatingwebhookconfiguration/kaito-webhook")
TOO_SMALL = "Standard_NV6ads_A10_v5"


async def test_it_serves_and_asks_for_nothing_it_may_not(site: Cluster, tmp_path: Path) -> None:
    folder = str(upon(tmp_path, "cert-manager", ONLY_THE_WEBHOOK))
    async with node(site.layout):
        await eventually(lambda: registered(site))
        await site.kubectl("apply", "-f", str(FOREIGN))
        await site.kubectl("wait", "--for=condition=Established", "-f", str(FOREIGN))
        await site.kubectl("apply", "--server-side", "-k", folder)
        await certify(site)
        await site.kubectl("rollout", "status", "deployment/kaito-webhook", "-n", "kaito-system", "--timeout=200s")

        create = ("create", "--dry-run=server", "-f", "-")
        assert await refused(site, *create, stdin=documents([workspace("default")])) == []
        answer = await refused(site, *create, stdin=documents([workspace("default", size=TOO_SMALL)]))
        assert "InsufficientGpuMemory" in " ".join(answer)
        await uninstall(site, folder)
        await site.kubectl("delete", "-f", str(FOREIGN))
    assert forbidden(asked(site.layout.audit_log)) == []


async def registered(site: Cluster) -> str:
    return "" if NODE in [item["metadata"]["name"] for item in (await site.get("nodes"))["items"]] else "no node"


async def certify(site: Cluster) -> None:
    """The Secret that the Certificate asks for, and trust in who signed it."""
    now = datetime.now(UTC)
    authority = new_authority(now, timedelta(days=3650))
    leaf = new_leaf(authority, Names(("kaito-webhook.kaito-system.svc",)), now, timedelta(days=90))
    await site.kubectl("apply", "-f", "-", stdin=documents([secret(leaf)]))
    bundle = base64.b64encode(authority.certificate).decode()
    patch = f'[{{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "{bundle}"}}]'
    for name in CONFIGURATIONS:
        await site.kubectl("patch", name, "--type=json", f"--patch={patch}")


def secret(leaf: Pair) -> Json:
    data = {"tls.crt": leaf.certificate, "tls.key": leaf.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "kaito-webhook-tls", "namespace": "kaito-system"},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
