"""Every label, annotation, finalizer, taint and resource key the project reads or writes, defined once.

Names are those users of KAITO and Karpenter know (kaito-project/kaito `api/labels.go`, kubernetes-sigs/karpenter
`pkg/apis`), so that existing manifests, dashboards and provisioners keep working.
"""

from typing import Final

# Ownership of claims, nodes and workloads.
WORKSPACE: Final = "kaito.sh/workspace"
WORKSPACE_NAMESPACE: Final = "kaito.sh/workspacenamespace"
WORKSPACE_UID: Final = "kaito.sh/workspace-uid"
RAG_ENGINE: Final = "kaito.sh/ragengine"
RAG_ENGINE_NAMESPACE: Final = "kaito.sh/ragenginenamespace"
MACHINE_TYPE: Final = "kaito.sh/machine-type"
CREATION_TIMESTAMP: Final = "kaito.sh/creation-timestamp"
CLAIM_ORDINAL: Final = "kaito.sh/claim-ordinal"

# Kubernetes and cloud facts on nodes.
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
ARCH: Final = "kubernetes.io/arch"
OS: Final = "kubernetes.io/os"
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
ACCELERATOR: Final = "accelerator"
AGENT_POOL: Final = "agentpool"
AKS_AGENT_POOL: Final = "kubernetes.azure.com/agentpool"
EXCLUDE_FROM_LOAD_BALANCERS: Final = "node.kubernetes.io/exclude-from-external-load-balancers"

# Karpenter.
PROVISIONER_NAME: Final = "karpenter.sh/provisioner-name"
CAPACITY_TYPE: Final = "karpenter.sh/capacity-type"
REGISTERED: Final = "karpenter.sh/registered"
INITIALIZED: Final = "karpenter.sh/initialized"
DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"
DO_NOT_EVICT: Final = "karpenter.sh/do-not-evict"

RESERVED_SELECTOR_KEYS: Final = frozenset(
    {
        WORKSPACE,
        WORKSPACE_NAMESPACE,
        WORKSPACE_UID,
        RAG_ENGINE,
        RAG_ENGINE_NAMESPACE,
        CLAIM_ORDINAL,
        "karpenter.kaito.sh/workspace-name",
        "karpenter.kaito.sh/workspace-namespace",
        "karpenter.kaito.sh/inferenceset",
        "karpenter.kaito.sh/inferenceset-namespace",
    }
)
"""Selector keys that state ownership: users cannot set them, they are never copied from a labelSelector."""

_CLOUD_DOMAINS: Final = ("kubernetes.io", "k8s.io", "kubernetes.azure.com")


def is_cloud_label(key: str) -> bool:
    """Whether a label's prefix is a domain of Kubernetes or AKS, or lies in one: AKS refuses such labels on pools."""
    domain, slash, _ = key.partition("/")
    return bool(slash) and any(domain == each or domain.endswith(f".{each}") for each in _CLOUD_DOMAINS)


# Annotations on Workspaces.
RUNTIME: Final = "kaito.sh/runtime"
ENABLE_LOAD_BALANCER: Final = "kaito.sh/enablelb"
BYPASS_RESOURCE_CHECKS: Final = "kaito.sh/bypass-resource-checks"
NODE_IMAGE_FAMILY: Final = "kaito.sh/node-image-family"

# Annotations on claims.
LAUNCH_FAILURE: Final = "kaito.sh/launch-failure"
"""What became of a claim's failed launches; gone once one succeeds."""

# Finalizers.
WORKSPACE_FINALIZER: Final = "workspace.finalizer.kaito.sh"
TERMINATION_FINALIZER: Final = "karpenter.sh/termination"

# Taints, as (key, value, effect).
GPU_TAINT: Final = ("sku", "gpu", "NoSchedule")
SPOT_TAINT: Final = ("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule")
DISRUPTED_TAINT_KEY: Final = "karpenter.sh/disrupted"
UNREGISTERED_TAINT_KEY: Final = "karpenter.sh/unregistered"

# Extended resources.
NVIDIA_GPU: Final = "nvidia.com/gpu"
AMD_GPU: Final = "amd.com/gpu"

# Names under which our programs write.
CONTROLLER_MANAGER: Final = "kaito-controller"
PROVISIONER_MANAGER: Final = "kaito-provisioner"
