"""Rights that smooth lives of all kinds of Workspaces need not use, each with what it is for."""

from typing import Final

CONTROLLER, PROVISIONER, WEBHOOK = "kaito-controller", "kaito-provisioner", "kaito-webhook"

_LISTED: Final = "an API server that does not stream what it watches from the start is asked for a list"
_MADE: Final = "the API server asks for it within the server-side apply that makes an object"
_CLAIMED: Final = "NodeClaims are what Machines are, where an installation says so"
_REPEATED: Final = "an event that happens again is counted instead of told again"
_LEADS: Final = "a replica that does not lead watches the Lease; one replica alone always leads"
_OWNED: Final = "asked for by the admission plug-in OwnerReferencesPermissionEnforcement, off by default"

_REASONS: Final[dict[str, tuple[str, ...]]] = {
    _LISTED: (
        *(
            f"{CONTROLLER} list {resource}"
            for resource in (
                "configmaps",
                "deployments.apps",
                "jobs.batch",
                "nodes",
                "pods",
                "services",
                "statefulsets.apps",
                "workspaces.kaito.sh",
            )
        ),
        *(
            f"{PROVISIONER} list {resource}"
            for resource in ("machines.karpenter.sh", "nodeclaims.karpenter.sh", "nodes")
        ),
        *(
            f"{WEBHOOK} list {resource}"
            for resource in (
                "configmaps",
                "mutatingwebhookconfigurations.admissionregistration.k8s.io",
                "nodes",
                "secrets",
                "validatingwebhookconfigurations.admissionregistration.k8s.io",
            )
        ),
    ),
    _MADE: tuple(
        f"{CONTROLLER} create {kind}" for kind in ("deployments.apps", "jobs.batch", "services", "statefulsets.apps")
    ),
    _CLAIMED: (
        *(f"{CONTROLLER} {verb} nodeclaims.karpenter.sh" for verb in ("get", "create", "delete")),
        *(f"{PROVISIONER} {verb} nodeclaims.karpenter.sh" for verb in ("get", "patch", "delete")),
        f"{PROVISIONER} patch nodeclaims/status.karpenter.sh",
    ),
    _REPEATED: tuple(f"{program} patch events.events.k8s.io" for program in (CONTROLLER, PROVISIONER)),
    _LEADS: tuple(f"{program} watch leases.coordination.k8s.io" for program in (CONTROLLER, PROVISIONER)),
    _OWNED: tuple(f"{PROVISIONER} update {kind}/finalizers.karpenter.sh" for kind in ("machines", "nodeclaims")),
    "a claim whose making went unanswered is looked up": (f"{CONTROLLER} get machines.karpenter.sh",),
    "a node is read once more before it is let go, where it changed meanwhile": (f"{CONTROLLER} get nodes",),
    "a Workspace is read once more before its nodes change, unless it was written just then": (
        f"{CONTROLLER} get workspaces.kaito.sh",
    ),
    "pods that wait are asked about": (f"{CONTROLLER} list events.events.k8s.io",),
    "of the revisions of a Workspace the oldest go, after ten": (f"{CONTROLLER} delete controllerrevisions.apps",),
    "a claim whose node or pool vanished is deleted, to be made anew": (f"{PROVISIONER} delete machines.karpenter.sh",),
    "pods on a node that goes are evicted, and deleted when time is up; a Workspace's own are gone before its nodes": (
        f"{PROVISIONER} create pods/eviction",
        f"{PROVISIONER} delete pods",
    ),
    "volumes of pods that stay on a node are not waited for": (f"{PROVISIONER} get persistentvolumeclaims",),
    "the authority is replaced after eight months, or when its Secret is damaged": (f"{WEBHOOK} update secrets",),
}

UNUSED: Final = {right: reason for reason, rights in _REASONS.items() for right in rights}
