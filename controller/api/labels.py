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
NODE_POOL: Final = "karpenter.sh/nodepool"
CAPACITY_TYPE: Final = "karpenter.sh/capacity-type"
REGISTERED: Final = "karpenter.sh/registered"
INITIALIZED: Final = "karpenter.sh/initialized"
DO_NOT_SYNC_TAINTS: Final = "karpenter.sh/do-not-sync-taints"
DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"
NODE_POOL_NAME: Final = "kaito"
"""Value of karpenter.sh/nodepool on claims nobody's NodePool made, as KAITO writes it."""
DO_NOT_EVICT: Final = "karpenter.sh/do-not-evict"

# What GPU feature discovery says about a node's GPUs. Source: NVIDIA/k8s-device-plugin.
GPU_PRODUCT: Final = "nvidia.com/gpu.product"
GPU_COUNT: Final = "nvidia.com/gpu.count"
GPU_MEMORY_MIB: Final = "nvidia.com/gpu.memory"
GPU_COMPUTE_MAJOR: Final = "nvidia.com/gpu.compute.major"
GPU_COMPUTE_MINOR: Final = "nvidia.com/gpu.compute.minor"

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

CONTROL_PLANE_ROLES: Final = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
"""Labels of nodes that run the control plane, by which no Workspace selects its nodes.

A node that matches by other labels is judged by its taint, as pods are: where an administrator took that off, as on
clusters of one node, its GPUs are there to be used.
"""

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
NODE_SOURCE: Final = "kaito.sh/node-source"
INSTANCE_TYPES: Final = "kaito.sh/instance-types"
ZONES: Final = "kaito.sh/zones"
CAPACITY_TYPES: Final = "kaito.sh/capacity-types"
PERFORMANCE_MODE: Final = "kaito.sh/performance-mode"
USE_LOCAL_WEIGHTS: Final = "kaito.sh/use-local-weights"
NODE_CLASS_NAME: Final = "kaito.sh/node-class-name"
MODEL_STREAMING: Final = "kaito.sh/model-streaming"
DISABLE_BENCHMARK: Final = "kaito.sh/disable-benchmark"
RUN_BENCHMARK: Final = "kaito.sh/run-benchmark"
UPGRADE_START_TIME: Final = "kaito.sh/upgrade-start-time"
STREAMING_ANNOTATIONS: Final = (
    "kaito.sh/model-mirror-storage-class",
    "kaito.sh/streaming-service-account",
    "inference.kaito.sh/static-model-mirror",
    "inference.kaito.sh/stream-datarefs-url",
    "inference.kaito.sh/stream-identity-client-id",
    "inference.kaito.sh/stream-source-type",
)
"""Where weights are streamed from; of KAITO's model mirrors."""

PAUSED: Final = "kaito.sh/paused"
"""While it is `true` nothing is made, changed or removed for the Workspace, but for its own deletion."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's own note of what it applied."""

KAITO_BOOKKEEPING: Final = "workspace.kaito.io/"
"""Prefix of KAITO's own notes on Workspaces, workloads and revisions."""

KAITO_REVISION: Final = "workspace.kaito.io/revision"
"""Number of the revision KAITO carried out last."""

RELEASE_NODES: Final = "kaito.sh/release-nodes"
WHEN_DONE: Final = "when-done"
"""The value of kaito.sh/release-nodes with which a training run's nodes are given back once it is over."""

# Annotations on workloads and Services.
ADOPTED: Final = "kaito.sh/adopted-for"
"""Digest of the wish an object of KAITO's serves."""

# Annotations on nodes.
NAMED_FOR: Final = "kaito.sh/named-for"
"""UID of the Workspace for which the operator wrote name and namespace on an existing node; others wrote them else."""

# Labels on revisions.
REVISION_OF: Final = "workspace.kaito.io/name"
"""The Workspace a ControllerRevision belongs to, as in KAITO."""

# Annotations on pods.
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"

# Annotations on claims.
LAUNCH_FAILURE: Final = "kaito.sh/launch-failure"
"""What became of a claim's failed launches; gone once one succeeds."""

LAUNCH_REQUESTED: Final = "kaito.sh/launch-requested"
"""When the claim's agent pool was asked for, by every request of which no answer is known; written before it leaves."""

GPU_REPLACEMENTS: Final = "kaito.sh/gpu-replacements"
"""Claims of the same Workspace that were given up in a row for want of GPUs: when the latest was created, then UIDs."""

TERMINATION_TIMESTAMP: Final = "karpenter.sh/nodeclaim-termination-timestamp"
"""The moment from which a deleted claim's pods hold nothing up any more, RFC 3339."""

SUBNET_ID: Final = "kaito.sh/vnet-subnet-id"
"""Azure id of the subnet the node joins."""

AZURE_TAGS: Final = "kaito.sh/azure-tags"
"""Azure tags of the agent pool as `name=value,name=value`."""

GPU_DRIVER: Final = "kaito.sh/gpu-driver"
"""Whether AKS installs the GPU driver: `Install` or `None`."""

GPU_INSTANCE_PROFILE: Final = "kaito.sh/gpu-instance-profile"
"""How GPUs are cut into slices: `MIG1g` to `MIG7g`."""

CAPACITY_RESERVATION_GROUP_ID: Final = "kaito.sh/capacity-reservation-group-id"
"""Azure id of the capacity reservation group the node is taken from."""

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
