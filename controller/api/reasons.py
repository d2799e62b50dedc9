"""The closed list of reasons: the same word in condition, event, metric and log.

Each reason states what it means, who can act, and what the first thing to do is. The documentation of reasons is
generated from this table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Actor(StrEnum):
    """Who moves a thing forward while a reason stands."""

    NOBODY = "nobody"
    OPERATOR = "kaito"
    USER = "user"
    ADMINISTRATOR = "administrator"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reason says to the person who reads it."""

    meaning: str
    actor: Actor
    fix: str = ""


class Reason(StrEnum):
    """Every reason the project writes."""

    # Admission.
    FIELD_TYPE_INVALID = "FieldTypeInvalid"
    FIELD_REQUIRED = "FieldRequired"
    NAME_INVALID = "NameInvalid"
    EXACTLY_ONE_OF = "ExactlyOneOf"
    COUNT_INVALID = "CountInvalid"
    PRESET_UNKNOWN = "PresetUnknown"
    INSTANCE_TYPE_REQUIRED = "InstanceTypeRequired"
    INSTANCE_TYPE_UNKNOWN = "InstanceTypeUnknown"
    INSTANCE_TYPE_HAS_NO_GPU = "InstanceTypeHasNoGpu"
    INSTANCE_TYPE_NOT_ALLOWED = "InstanceTypeNotAllowed"
    INSUFFICIENT_GPU_MEMORY = "InsufficientGpuMemory"
    GPU_NOT_SUPPORTED = "GpuNotSupported"
    SELECTOR_INVALID = "SelectorInvalid"
    LABEL_RESERVED = "LabelReserved"
    FIELD_IMMUTABLE = "FieldImmutable"
    NOT_SUPPORTED = "NotSupported"
    NAME_DUPLICATE = "NameDuplicate"
    IMAGE_INVALID = "ImageInvalid"
    URL_INVALID = "UrlInvalid"
    URL_NOT_ALLOWED = "UrlNotAllowed"
    VOLUME_INVALID = "VolumeInvalid"
    VOLUME_NOT_ALLOWED = "VolumeNotAllowed"
    TEMPLATE_INVALID = "TemplateInvalid"
    FIELD_NOT_ALLOWED = "FieldNotAllowed"
    STRENGTH_INVALID = "StrengthInvalid"
    ADAPTERS_NOT_SUPPORTED = "AdaptersNotSupported"
    TUNING_METHOD_UNKNOWN = "TuningMethodUnknown"
    PRESET_NOT_TUNABLE = "PresetNotTunable"
    COUNT_TOO_SMALL = "CountTooSmall"
    RUNTIME_NOT_SUPPORTED = "RuntimeNotSupported"
    ANNOTATION_INVALID = "AnnotationInvalid"
    PARTITION_INVALID = "PartitionInvalid"
    NO_NODES_MATCH = "NoNodesMatch"
    NODES_DIFFER = "NodesDiffer"
    NODE_GPU_UNKNOWN = "NodeGpuUnknown"
    CONFIG_INVALID = "ConfigInvalid"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"

    # Workspace: nodes.
    MACHINES_READY = "MachinesReady"
    MACHINES_PENDING = "MachinesPending"
    NO_MACHINES_NEEDED = "NoMachinesNeeded"
    NODE_CLAIMS_READY = "NodeClaimsReady"
    NODE_CLAIMS_PENDING = "NodeClaimsPending"
    NO_NODE_CLAIMS_NEEDED = "NoNodeClaimsNeeded"
    CLAIM_KIND_NOT_SERVED = "ClaimKindNotServed"
    CLAIM_LOST = "ClaimLost"
    CLAIM_DELETION_STUCK = "ClaimDeletionStuck"
    RESOURCES_READY = "ResourcesReady"
    NODES_PENDING = "NodesPending"
    NODES_MISSING = "NodesMissing"
    NODE_NOT_READY = "NodeNotReady"
    GPUS_NOT_ADVERTISED = "GpusNotAdvertised"
    FOREIGN_OBJECT = "ForeignObject"

    # Workspace: workload.
    INFERENCE_READY = "InferenceReady"
    WAITING_FOR_NODES = "WaitingForNodes"
    PODS_PENDING = "PodsPending"
    UNSCHEDULABLE = "Unschedulable"
    VOLUME_NOT_BOUND = "VolumeNotBound"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    POD_NETWORK_FAILED = "PodNetworkFailed"
    POD_EVICTED = "PodEvicted"
    POD_DELETION_STUCK = "PodDeletionStuck"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    IMAGE_PULL_THROTTLED = "ImagePullThrottled"
    CONTAINER_CRASHING = "ContainerCrashing"
    CONTAINER_NOT_CREATED = "ContainerNotCreated"
    OUT_OF_MEMORY = "OutOfMemory"
    STARTUP_TIMEOUT = "StartupTimeout"
    READINESS_LOST = "ReadinessLost"
    OBJECT_REFUSED = "ObjectRefused"
    API_SERVER_FAULT = "ApiServerFault"

    # Workspace: training.
    TRAINING_RUNNING = "TrainingRunning"
    TRAINING_SUCCEEDED = "TrainingSucceeded"
    TRAINING_FAILED = "TrainingFailed"

    # Workspace: as a whole.
    WORKSPACE_READY = "WorkspaceReady"
    WORKSPACE_DELETING = "WorkspaceDeleting"
    WORKSPACE_PAUSED = "WorkspacePaused"

    # Events of the workspace controller.
    MACHINE_CREATED = "MachineCreated"
    MACHINE_DELETED = "MachineDeleted"
    NODE_CLAIM_CREATED = "NodeClaimCreated"
    NODE_CLAIM_DELETED = "NodeClaimDeleted"
    NODE_CLAIMED = "NodeClaimed"
    NODE_RELEASED = "NodeReleased"
    WORKLOAD_APPLIED = "WorkloadApplied"
    WORKLOAD_ADOPTED = "WorkloadAdopted"
    WORKSPACE_RESUMED = "WorkspaceResumed"
    WORKSPACE_DELETED = "WorkspaceDeleted"
    CATALOG_ENTRY_LEFT_OUT = "CatalogEntryLeftOut"

    # Claims: the good path.
    LAUNCHED = "Launched"
    REGISTERED = "Registered"
    INITIALIZED = "Initialized"
    READY = "Ready"
    AWAITING_RECONCILIATION = "AwaitingReconciliation"
    AGENT_POOL_CREATING = "AgentPoolCreating"
    AGENT_POOL_DELETING = "AgentPoolDeleting"
    NOT_LAUNCHED = "NotLaunched"
    NOT_REGISTERED = "NotRegistered"
    NODE_NOT_FOUND = "NodeNotFound"
    MULTIPLE_NODES_FOUND = "MultipleNodesFound"
    STARTUP_TAINTS_EXIST = "StartupTaintsExist"
    EPHEMERAL_TAINTS_EXIST = "KnownEphemeralTaintsExist"
    RESOURCE_NOT_REGISTERED = "ResourceNotRegistered"
    DRAINING = "Draining"
    DRAINED = "Drained"
    INSTANCE_TERMINATING = "InstanceTerminating"
    REMOVAL_FAILED = "RemovalFailed"
    UNHEALTHY_DEPENDENTS = "UnhealthyDependents"
    RECONCILING_DEPENDENTS = "ReconcilingDependents"

    # Claims: failures.
    QUOTA_EXCEEDED = "SubscriptionQuotaReached"
    SKU_NOT_AVAILABLE = "SKUNotAvailable"
    ALLOCATION_FAILED = "AllocationFailure"
    POLICY_DENIED = "PolicyDenied"
    UNAUTHORIZED = "Unauthorized"
    SUBNET_FULL = "SubnetFull"
    NAME_CONFLICT = "NameConflict"
    POOL_LIMIT_REACHED = "PoolLimitReached"
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    OPERATION_CONFLICT = "OperationConflict"
    THROTTLED = "Throttled"
    CLOUD_UNAVAILABLE = "CloudUnavailable"
    LAUNCH_FAILED = "LaunchFailed"
    LAUNCH_TIMEOUT = "LaunchTimeout"
    REGISTRATION_TIMEOUT = "RegistrationTimeout"
    INITIALIZATION_TIMEOUT = "InitializationTimeout"
    INSTANCE_GONE = "InstanceGone"
    TERMINATION_GRACE_PERIOD_EXPIRING = "TerminationGracePeriodExpiring"
    TERMINATION_GRACE_PERIOD_ELAPSED = "TerminationGracePeriodElapsed"
    AWAITING_VOLUME_DETACHMENT = "AwaitingVolumeDetachment"
    VOLUMES_DETACHED = "VolumesDetached"
    NODE_UNHEALTHY = "NodeUnhealthy"
    NODE_REPAIR_BLOCKED = "NodeRepairBlocked"
    EXPIRED = "Expired"


_U, _A, _O, _C, _N = Actor.USER, Actor.ADMINISTRATOR, Actor.OPERATOR, Actor.CLOUD, Actor.NOBODY

MEANINGS: Final[dict[Reason, Meaning]] = {
    Reason.FIELD_TYPE_INVALID: Meaning("A field has a type the API does not allow.", _U, "Correct the field."),
    Reason.FIELD_REQUIRED: Meaning("A field that is needed is missing.", _U, "Set the field."),
    Reason.NAME_INVALID: Meaning("A text cannot name what it is to name.", _U, "Correct the name."),
    Reason.EXACTLY_ONE_OF: Meaning("Of several fields exactly one must be set.", _U, "Keep one of them."),
    Reason.COUNT_INVALID: Meaning("resource.count is out of range.", _U, "Set 1 or more, or leave it out."),
    Reason.PRESET_UNKNOWN: Meaning("No preset of that name is in the catalogue.", _U, "Use a known preset."),
    Reason.INSTANCE_TYPE_REQUIRED: Meaning("Nodes are to be made but no size is named.", _U, "Set instanceType."),
    Reason.INSTANCE_TYPE_UNKNOWN: Meaning("The instance type is in no SKU table.", _U, "Check the spelling."),
    Reason.INSTANCE_TYPE_HAS_NO_GPU: Meaning("The instance type has no GPU.", _U, "Choose a GPU size."),
    Reason.INSTANCE_TYPE_NOT_ALLOWED: Meaning(
        "The installation makes no nodes of that size.", _U, "Use an allowed size, or ask the administrator."
    ),
    Reason.INSUFFICIENT_GPU_MEMORY: Meaning("The model does not fit the GPUs.", _U, "Choose a larger size."),
    Reason.GPU_NOT_SUPPORTED: Meaning("The model's image has no code for the GPU.", _U, "Choose a listed size."),
    Reason.SELECTOR_INVALID: Meaning("The label selector cannot be used for nodes.", _U, "Use matchLabels."),
    Reason.LABEL_RESERVED: Meaning("A label that states ownership was set by hand.", _U, "Remove the label."),
    Reason.FIELD_IMMUTABLE: Meaning("A field that cannot change was changed.", _U, "Make a new Workspace."),
    Reason.NOT_SUPPORTED: Meaning("This release does not run what the manifest asks for.", _U, "Remove the field."),
    Reason.NAME_DUPLICATE: Meaning("Two entries of a list have one name.", _U, "Rename one of them."),
    Reason.IMAGE_INVALID: Meaning("A text cannot be the image it stands for.", _U, "Correct the image reference."),
    Reason.URL_INVALID: Meaning("An address is no absolute http or https address.", _U, "Correct the address."),
    Reason.URL_NOT_ALLOWED: Meaning(
        "An address leads into the node, a private network or the cloud's own services.", _U, "Use a public address."
    ),
    Reason.VOLUME_INVALID: Meaning("A volume is not written as Kubernetes reads it.", _U, "Correct the named field."),
    Reason.VOLUME_NOT_ALLOWED: Meaning(
        "A volume reaches out of the namespace, or cannot hold what is asked of it.", _U, "Use persistentVolumeClaim."
    ),
    Reason.TEMPLATE_INVALID: Meaning("The pod template cannot be made into pods.", _U, "Correct the named field."),
    Reason.FIELD_NOT_ALLOWED: Meaning("A field is set that is decided elsewhere.", _U, "Remove the field."),
    Reason.STRENGTH_INVALID: Meaning("An adapter's strength is no number from 0 to 1.", _U, "Correct the number."),
    Reason.ADAPTERS_NOT_SUPPORTED: Meaning(
        "The model server cannot load adapters for this model.", _U, "Use the other runtime, or no adapters."
    ),
    Reason.TUNING_METHOD_UNKNOWN: Meaning("tuning.method is no known method.", _U, "Use lora or qlora."),
    Reason.PRESET_NOT_TUNABLE: Meaning("The model cannot be tuned that way.", _U, "Tune one of the named presets."),
    Reason.COUNT_TOO_SMALL: Meaning("The model needs more nodes.", _U, "Set the number named, or leave it out."),
    Reason.RUNTIME_NOT_SUPPORTED: Meaning(
        "The model server asked for cannot serve this model there.", _U, "Use another runtime or a larger size."
    ),
    Reason.ANNOTATION_INVALID: Meaning("An annotation holds a word it does not know.", _U, "Use one of its words."),
    Reason.PARTITION_INVALID: Meaning("resource.partition cannot be used as written.", _U, "Correct the partition."),
    Reason.NO_NODES_MATCH: Meaning("No existing node matches the selector.", _U, "Label the GPU nodes to use."),
    Reason.NODES_DIFFER: Meaning("The matching nodes have different GPUs.", _U, "Select nodes of one kind."),
    Reason.NODE_GPU_UNKNOWN: Meaning(
        "A matching node does not say which GPUs it has.", _U, "Select GPU nodes, or install GPU feature discovery."
    ),
    Reason.CONFIG_INVALID: Meaning(
        "The configuration in a ConfigMap cannot be used.", _U, "Correct the named line of the ConfigMap."
    ),
    Reason.CONFIG_MAP_NOT_FOUND: Meaning(
        "The ConfigMap the Workspace names is not there yet.", _U, "Create it in the Workspace's namespace."
    ),
    Reason.MACHINES_READY: Meaning("Every claim for a node is ready.", _N),
    Reason.MACHINES_PENDING: Meaning("Claims exist and nodes are being made for them.", _C),
    Reason.NO_MACHINES_NEEDED: Meaning("Existing nodes serve the Workspace.", _N),
    Reason.NODE_CLAIMS_READY: Meaning("Every NodeClaim is ready.", _N),
    Reason.NODE_CLAIMS_PENDING: Meaning("NodeClaims exist and nodes are being made for them.", _C),
    Reason.NO_NODE_CLAIMS_NEEDED: Meaning("Existing nodes serve the Workspace.", _N),
    Reason.CLAIM_KIND_NOT_SERVED: Meaning(
        "The cluster does not know the kind of claim nodes are asked for with.", _A, "Install the CRD of that kind."
    ),
    Reason.CLAIM_LOST: Meaning(
        "A claim went away before its node was ready, without a word why.", _A, "Read the provisioner's log and events."
    ),
    Reason.CLAIM_DELETION_STUCK: Meaning(
        "Claims of the Workspace cannot be deleted, and no further ones are made until they are gone.",
        _A,
        "Read the claim's conditions and the provisioner's log.",
    ),
    Reason.RESOURCES_READY: Meaning("Enough nodes are ready with their GPUs.", _N),
    Reason.NODES_PENDING: Meaning("Nodes have not joined the cluster yet.", _C),
    Reason.NODES_MISSING: Meaning(
        "Fewer existing nodes match than are wanted, and none are made here.", _U, "Add or label nodes with GPUs."
    ),
    Reason.NODE_NOT_READY: Meaning("A node of the Workspace is not Ready.", _A, "Look at the node's conditions."),
    Reason.GPUS_NOT_ADVERTISED: Meaning(
        "A node is Ready but its GPUs are not allocatable.", _A, "Check the GPU driver and device plugin."
    ),
    Reason.FOREIGN_OBJECT: Meaning(
        "An object of the needed name belongs to someone else.", _U, "Rename the Workspace or remove the object."
    ),
    Reason.INFERENCE_READY: Meaning("The model answers requests.", _N),
    Reason.WAITING_FOR_NODES: Meaning("The workload waits for its nodes.", _O),
    Reason.PODS_PENDING: Meaning("Pods are starting.", _O),
    Reason.UNSCHEDULABLE: Meaning("The scheduler found no place for a pod.", _A, "Read the scheduler's message."),
    Reason.VOLUME_NOT_BOUND: Meaning(
        "A pod's PersistentVolumeClaim is missing or has no volume.",
        _U,
        "Create the claim or its volume.",
    ),
    Reason.VOLUME_NOT_MOUNTED: Meaning(
        "A volume cannot be mounted: what it stands for is missing or in use.", _U, "Create what is named."
    ),
    Reason.POD_NETWORK_FAILED: Meaning("A node cannot set up a pod's network.", _A, "Look at the node's network."),
    Reason.POD_EVICTED: Meaning("A pod was taken off its node; its successor is starting.", _O, "Read the cause."),
    Reason.POD_DELETION_STUCK: Meaning(
        "A pod that is to end does not, since its node is gone or hangs; no other takes its place before it has.",
        _A,
        "Delete the node if it is gone for good, else the pod by force.",
    ),
    Reason.IMAGE_PULL_FAILED: Meaning("A container image cannot be pulled.", _U, "Check image name and credentials."),
    Reason.IMAGE_PULL_THROTTLED: Meaning(
        "The registry asks for fewer pulls; it is tried again.", _C, "Pull with credentials, or from another registry."
    ),
    Reason.CONTAINER_CRASHING: Meaning("A container ends soon after its start.", _U, "Read the container's log."),
    Reason.CONTAINER_NOT_CREATED: Meaning(
        "A container cannot be made: a Secret, ConfigMap or key it names is missing.",
        _U,
        "Create what the message names.",
    ),
    Reason.OUT_OF_MEMORY: Meaning("A container was killed for lack of memory.", _U, "Choose a larger size."),
    Reason.STARTUP_TIMEOUT: Meaning("The model did not become ready in its time.", _U, "Read the container's log."),
    Reason.READINESS_LOST: Meaning(
        "A pod that served has stopped answering; it is restarted if it stays so.", _O, "Read the container's log."
    ),
    Reason.OBJECT_REFUSED: Meaning(
        "The API server refused an object of the Workspace.", _A, "Read the message: a policy, a quota or a name."
    ),
    Reason.API_SERVER_FAULT: Meaning(
        "The API server or a webhook it asks has a fault; the request is made again.", _O, "Look at the named webhook."
    ),
    Reason.TRAINING_RUNNING: Meaning("The model is being trained.", _O),
    Reason.TRAINING_SUCCEEDED: Meaning("The training run ended well.", _N),
    Reason.TRAINING_FAILED: Meaning(
        "The training run ended without a result.", _U, "Read the message, correct the Workspace or its data."
    ),
    Reason.WORKSPACE_READY: Meaning("Everything the Workspace asks for is there.", _N),
    Reason.WORKSPACE_DELETING: Meaning("The Workspace and what it owns are being removed.", _O),
    Reason.WORKSPACE_PAUSED: Meaning(
        "Nothing is done for the Workspace while it is paused.", _U, "Remove the annotation kaito.sh/paused."
    ),
    Reason.MACHINE_CREATED: Meaning("A claim for a node was created.", _N),
    Reason.MACHINE_DELETED: Meaning("A claim for a node was deleted.", _N),
    Reason.NODE_CLAIM_CREATED: Meaning("A NodeClaim was created.", _N),
    Reason.NODE_CLAIM_DELETED: Meaning("A NodeClaim was deleted.", _N),
    Reason.NODE_CLAIMED: Meaning("An existing node was taken for the Workspace.", _N),
    Reason.NODE_RELEASED: Meaning("An existing node was given back.", _N),
    Reason.WORKLOAD_APPLIED: Meaning("The workload and its Services were written.", _N),
    Reason.WORKLOAD_ADOPTED: Meaning("A workload KAITO made was taken over as it is.", _N),
    Reason.WORKSPACE_RESUMED: Meaning("The Workspace is not paused any more.", _N),
    Reason.WORKSPACE_DELETED: Meaning("Nothing of the Workspace is left.", _N),
    Reason.CATALOG_ENTRY_LEFT_OUT: Meaning(
        "An entry of the ConfigMap kaito-catalog cannot be used.", _A, "Correct the named line."
    ),
    Reason.LAUNCHED: Meaning("The cloud made the instance.", _N),
    Reason.REGISTERED: Meaning("The node joined the cluster.", _N),
    Reason.INITIALIZED: Meaning("The node is Ready with all it promised.", _N),
    Reason.READY: Meaning("The claim is complete.", _N),
    Reason.AWAITING_RECONCILIATION: Meaning("The operator has not looked yet.", _O),
    Reason.AGENT_POOL_CREATING: Meaning("The cloud is making the agent pool.", _C),
    Reason.AGENT_POOL_DELETING: Meaning("The cloud is removing an agent pool.", _C),
    Reason.NOT_LAUNCHED: Meaning("The instance does not exist yet.", _C),
    Reason.NOT_REGISTERED: Meaning("The node has not joined yet.", _C),
    Reason.NODE_NOT_FOUND: Meaning("No node carries the instance's provider ID yet.", _C),
    Reason.MULTIPLE_NODES_FOUND: Meaning("Several nodes carry one provider ID.", _A, "Delete the wrong node."),
    Reason.STARTUP_TAINTS_EXIST: Meaning("A start-up taint is still on the node.", _A, "See who removes it."),
    Reason.EPHEMERAL_TAINTS_EXIST: Meaning("The node still carries a not-ready taint.", _C),
    Reason.RESOURCE_NOT_REGISTERED: Meaning("The node does not show a requested resource yet.", _A),
    Reason.DRAINING: Meaning("Pods are being evicted from the node.", _O),
    Reason.DRAINED: Meaning("No pod is left to evict.", _N),
    Reason.INSTANCE_TERMINATING: Meaning("The cloud is deleting the instance.", _C),
    Reason.REMOVAL_FAILED: Meaning(
        "The cloud began to delete the instance and did not get to the end; it is asked again, ever more rarely.",
        _A,
        "Remove what the message names, such as a resource lock, or delete the agent pool in Azure.",
    ),
    Reason.UNHEALTHY_DEPENDENTS: Meaning("A condition Ready depends on is False.", _A, "Read that condition."),
    Reason.RECONCILING_DEPENDENTS: Meaning("A condition Ready depends on is still open.", _O),
    Reason.QUOTA_EXCEEDED: Meaning(
        "The subscription's vCPU quota is used up.", _A, "Ask for quota in the region, or use another size."
    ),
    Reason.SKU_NOT_AVAILABLE: Meaning("The size is not offered here.", _U, "Use another size, zone or region."),
    Reason.ALLOCATION_FAILED: Meaning("The cloud has no such machine free now.", _C, "Wait, or use another size."),
    Reason.POLICY_DENIED: Meaning("A policy of the subscription forbids it.", _A, "Change policy or request."),
    Reason.UNAUTHORIZED: Meaning("The provisioner's identity lacks a right.", _A, "Grant the named action."),
    Reason.SUBNET_FULL: Meaning("The subnet has no free address.", _A, "Enlarge the subnet."),
    Reason.NAME_CONFLICT: Meaning("An agent pool of that name is not ours.", _A, "Remove or rename the pool."),
    Reason.POOL_LIMIT_REACHED: Meaning("The cluster is at its agent-pool limit.", _A, "Remove unused pools."),
    Reason.CLUSTER_NOT_FOUND: Meaning("The AKS cluster was not found.", _A, "Check subscription, group and name."),
    Reason.INVALID_CONFIGURATION: Meaning("The cloud refuses the request as written.", _U, "Read the message."),
    Reason.OPERATION_CONFLICT: Meaning("Another operation runs on the cluster.", _C),
    Reason.THROTTLED: Meaning("The cloud asks for fewer requests.", _C),
    Reason.CLOUD_UNAVAILABLE: Meaning("The cloud does not answer or has a fault.", _C),
    Reason.LAUNCH_FAILED: Meaning("The launch failed in a way we do not know.", _A, "Read the message."),
    Reason.LAUNCH_TIMEOUT: Meaning("The agent pool was not made in time.", _C),
    Reason.REGISTRATION_TIMEOUT: Meaning("The node did not join in time.", _A, "Check network and node bootstrap."),
    Reason.INITIALIZATION_TIMEOUT: Meaning("The node did not become usable in time.", _A, "Check driver and taints."),
    Reason.INSTANCE_GONE: Meaning("The agent pool or its node vanished.", _O),
    Reason.TERMINATION_GRACE_PERIOD_EXPIRING: Meaning("The claim limits how long its pods may stay.", _N),
    Reason.TERMINATION_GRACE_PERIOD_ELAPSED: Meaning("The node was removed with volumes still attached to it.", _N),
    Reason.AWAITING_VOLUME_DETACHMENT: Meaning("Volumes are being detached from the node.", _O),
    Reason.VOLUMES_DETACHED: Meaning("No volume is attached to the node any more.", _N),
    Reason.NODE_UNHEALTHY: Meaning("The node was not Ready for too long; its claim is replaced.", _O),
    Reason.NODE_REPAIR_BLOCKED: Meaning(
        "The node is not Ready or has lost GPUs and is kept all the same, as the message says: because of other nodes, "
        "of a mark, or of pods that go on working.",
        _A,
        "Look at the nodes' conditions, at the cluster's network and at the GPU driver and device plugin.",
    ),
    Reason.EXPIRED: Meaning("The claim is older than its expireAfter allows.", _O),
}
"""Meaning of every reason; a test asserts that none is missing."""

_WAITING: Final = frozenset(
    {
        Reason.CONFIG_MAP_NOT_FOUND,
        Reason.MACHINES_PENDING,
        Reason.NODE_CLAIMS_PENDING,
        Reason.NODES_PENDING,
        Reason.WAITING_FOR_NODES,
        Reason.PODS_PENDING,
        Reason.TRAINING_RUNNING,
        Reason.NODE_NOT_FOUND,
        Reason.NODE_NOT_READY,
        Reason.AGENT_POOL_CREATING,
        Reason.AGENT_POOL_DELETING,
        Reason.AWAITING_RECONCILIATION,
        Reason.RECONCILING_DEPENDENTS,
        Reason.NOT_LAUNCHED,
        Reason.NOT_REGISTERED,
        Reason.EPHEMERAL_TAINTS_EXIST,
        Reason.GPUS_NOT_ADVERTISED,
        Reason.RESOURCE_NOT_REGISTERED,
        Reason.WORKSPACE_DELETING,
    }
)


def needs_people(reason: str) -> bool:
    """Whether nothing goes on until the user or an administrator acts; words not in the list are taken to pass."""
    if reason not in set(Reason) or is_waiting(reason):
        return False
    return MEANINGS[Reason(reason)].actor in (Actor.USER, Actor.ADMINISTRATOR)


def is_waiting(reason: str) -> bool:
    """Whether the reason is part of every good start, rather than something people must act on."""
    return reason in _WAITING
