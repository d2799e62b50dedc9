"""The claims a Workspace should have: names that cannot collide, and what each one asks for.

The shape of a claim follows what KAITO writes for karpenter.sh/v1alpha5 and what gpu-provisioner reads; the UID label
is ours, so that a claim is never mistaken for that of a deleted Workspace of the same name.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from controller.api import labels
from controller.api.claims import Claim, Taint
from controller.api.json import Json
from controller.api.resources import MACHINES
from controller.api.workspace import Workspace

NAME_PREFIX: Final = "ws"
HASH_DIGITS: Final = 9

PROVISIONER: Final = "default"
"""Value of karpenter.sh/provisioner-name on claims nobody's Provisioner object made."""


def claim_name(workspace_uid: str, ordinal: int) -> str:
    """The name of a Workspace's n-th claim: 11 characters, valid as an AKS agent-pool name, and the same every time."""
    digest = hashlib.sha256(f"{workspace_uid}/{ordinal}".encode()).hexdigest()
    return NAME_PREFIX + digest[:HASH_DIGITS]


def free_ordinals(workspace_uid: str, claims: Iterable[Claim], count: int) -> list[int]:
    """The lowest ordinals no existing claim holds; terminating claims hold theirs until they are gone."""
    taken = {claim.name for claim in claims}
    found: list[int] = []
    ordinal = 0
    while len(found) < count:
        if claim_name(workspace_uid, ordinal) not in taken:
            found.append(ordinal)
        ordinal += 1
    return found


def render_machine(workspace: Workspace, ordinal: int, *, instance_type: str, arch: str, disk_gib: int) -> Json:
    """The Machine for one missing node.

    Args:
        workspace: who it is for; its UID must be known.
        ordinal: which of the Workspace's claims this is.
        instance_type: VM size as the catalogue spells it.
        arch: CPU architecture of that size, as in the label `kubernetes.io/arch`.
        disk_gib: disk the model needs, in GiB.
    """
    name = claim_name(workspace.uid, ordinal)
    return {
        "apiVersion": MACHINES.api_version,
        "kind": MACHINES.kind,
        "metadata": {"name": name, "labels": claim_labels(workspace, ordinal), **_annotations(workspace)},
        "spec": {
            "machineTemplateRef": {"name": name},
            "requirements": [
                _requirement(labels.INSTANCE_TYPE, instance_type),
                _requirement(labels.PROVISIONER_NAME, PROVISIONER),
                _requirement(labels.MACHINE_TYPE, "gpu"),
                _requirement(labels.ARCH, arch),
                _requirement(labels.OS, "linux"),
            ],
            "resources": {"requests": {"storage": f"{disk_gib}Gi"}},
            "taints": [Taint(*labels.GPU_TAINT).as_json()],
        },
    }


def _annotations(workspace: Workspace) -> Json:
    family = workspace.annotations.get(labels.NODE_IMAGE_FAMILY, "").strip().lower()
    return {"annotations": {labels.NODE_IMAGE_FAMILY: family}} if family else {}


def claim_labels(workspace: Workspace, ordinal: int) -> dict[str, str]:
    """Labels of a claim, and through it of its node: the user's selector first, ownership last so that it wins."""
    return {**selector_labels(workspace), **ownership_labels(workspace), **_claim_identity(ordinal)}


def _claim_identity(ordinal: int) -> dict[str, str]:
    return {labels.PROVISIONER_NAME: PROVISIONER, labels.CLAIM_ORDINAL: str(ordinal)}


def ownership_labels(workspace: Workspace) -> dict[str, str]:
    """The labels that say which Workspace a claim or node serves."""
    return {
        labels.WORKSPACE: workspace.name,
        labels.WORKSPACE_NAMESPACE: workspace.namespace,
        labels.WORKSPACE_UID: workspace.uid,
    }


def selector_labels(workspace: Workspace) -> dict[str, str]:
    """The labels a node must carry to satisfy the Workspace's selector, as far as labels can be derived from it."""
    wanted = dict(workspace.resource.match_labels)
    for expression in workspace.resource.match_expressions:
        if expression.operator == "In" and expression.values:
            wanted.setdefault(expression.key, expression.values[0])
    return {key: value for key, value in wanted.items() if key not in labels.RESERVED_SELECTOR_KEYS}


def _requirement(key: str, value: str) -> Json:
    return {"key": key, "operator": "In", "values": [value]}
