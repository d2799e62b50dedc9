"""The table of faults: what can go wrong around a Workspace, and what people then read.

A suite makes each of them happen on a real control plane with a simulated cloud (`tests/faults_table`), so that the
table cannot promise what the programs do not do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from controller.api.conditions import FALSE, Condition
from controller.api.reasons import Reason, needs_people
from controller.api.workspace import ConditionType
from controller.reconcilers.story import severity


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        group: whose matter it is, for the order of the page.
        what: what happens.
        made: how the suite makes it happen.
        condition: the most telling condition; Ready carries the same reason.
        reason: the reason in condition, event and metric.
        shows: words of the message that name the cause.
        heals: what ends it, after which the Workspace goes on by itself.
    """

    group: str
    what: str
    made: str
    condition: ConditionType
    reason: Reason
    shows: str
    heals: str

    @property
    def stalls(self) -> bool:
        """Whether nothing goes on until people act."""
        return needs_people(self.reason)

    @property
    def event_type(self) -> str:
        """`Warning` where something is wrong that is not part of every good start, else `Normal`."""
        return severity(Condition(self.condition, FALSE, self.reason))


_IMAGES, _PODS, _VOLUMES, _REFUSED = "Images", "Containers and pods", "Volumes", "Refusals of the API server"
_NODES, _CLOUD, _WISHES = "Nodes", "Cloud", "What the Workspace names"
_I, _R, _S = ConditionType.INFERENCE_READY, ConditionType.RESOURCE_READY, ConditionType.WORKSPACE_SUCCEEDED
_SIMULATED: Final = "the simulated AKS answers so"
_KUBELET: Final = "the simulated kubelet reports it"

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "image-denied": Fault(
            _IMAGES,
            "the registry denies access",
            _KUBELET,
            _I,
            Reason.IMAGE_PULL_FAILED,
            "the registry denies access",
            "the registry lets the node in",
        ),
        "image-missing": Fault(
            _IMAGES,
            "there is no such image",
            _KUBELET,
            _I,
            Reason.IMAGE_PULL_FAILED,
            "there is no such image",
            "the image is there",
        ),
        "image-throttled": Fault(
            _IMAGES,
            "the registry limits the rate of pulls",
            _KUBELET,
            _I,
            Reason.IMAGE_PULL_THROTTLED,
            "asks for fewer pulls",
            "the registry answers again",
        ),
        "crash-loop": Fault(
            _PODS,
            "the model server crashes again and again",
            _KUBELET,
            _I,
            Reason.CONTAINER_CRASHING,
            "CUDA error: no kernel image",
            "it starts without crashing",
        ),
        "out-of-memory": Fault(
            _PODS,
            "a container is killed for lack of memory",
            _KUBELET,
            _I,
            Reason.OUT_OF_MEMORY,
            "killed for lack of memory",
            "it starts and stays",
        ),
        "startup-timeout": Fault(
            _PODS,
            "the start-up probe never passes and the kubelet restarts the server",
            _KUBELET,
            _I,
            Reason.STARTUP_TIMEOUT,
            "before its probe ever passed",
            "the probe passes",
        ),
        "readiness-lost": Fault(
            _PODS,
            "a server that answered stops answering",
            _KUBELET,
            _I,
            Reason.READINESS_LOST,
            "stopped answering its readiness probe",
            "it answers again",
        ),
        "secret-missing": Fault(
            _PODS,
            "the Secret of a variable is missing",
            _KUBELET,
            _I,
            Reason.CONTAINER_NOT_CREATED,
            'secret "hf-token" not found',
            "the Secret is there",
        ),
        "unschedulable": Fault(
            _PODS,
            "another pod holds the GPU",
            "a pod of somebody else is bound to the node; the real scheduler answers",
            _I,
            Reason.UNSCHEDULABLE,
            "Insufficient nvidia.com/gpu",
            "the other pod goes",
        ),
        "evicted": Fault(
            _PODS,
            "a node evicts the pod",
            _KUBELET,
            _I,
            Reason.POD_EVICTED,
            "The node was low on resource",
            "the successor serves",
        ),
        "training-failed": Fault(
            _PODS,
            "a training run ends without a result",
            _KUBELET,
            _S,
            Reason.TRAINING_FAILED,
            "exit code 42",
            "the tuning block is changed, which is another run",
        ),
        "volume-claim-missing": Fault(
            _VOLUMES,
            "the PersistentVolumeClaim is missing",
            "there is none; the real scheduler answers",
            _S,
            Reason.VOLUME_NOT_BOUND,
            'persistentvolumeclaim "results" not found',
            "the claim is made and bound",
        ),
        "volume-unbound": Fault(
            _VOLUMES,
            "the PersistentVolumeClaim has no volume",
            "nothing provisions one; the real scheduler answers",
            _S,
            Reason.VOLUME_NOT_BOUND,
            "unbound immediate PersistentVolumeClaims",
            "a volume is bound",
        ),
        "volume-not-mounted": Fault(
            _VOLUMES,
            "the Secret of a volume is missing",
            "the pod's node reports it in an event, as the kubelet does",
            _I,
            Reason.VOLUME_NOT_MOUNTED,
            'secret "data-key" not found',
            "the Secret is there",
        ),
        "pods-over-quota": Fault(
            _REFUSED,
            "a quota refuses the pods of a Deployment",
            "a real ResourceQuota",
            _I,
            Reason.OBJECT_REFUSED,
            "exceeded quota",
            "the quota is lifted",
        ),
        "pods-over-quota-in-a-set": Fault(
            _REFUSED,
            "a quota refuses the pods of a StatefulSet",
            "a real ResourceQuota",
            _I,
            Reason.OBJECT_REFUSED,
            "exceeded quota",
            "the quota is lifted",
        ),
        "pods-over-quota-in-a-job": Fault(
            _REFUSED,
            "a quota refuses the pod of a Job",
            "a real ResourceQuota",
            _S,
            Reason.OBJECT_REFUSED,
            "exceeded quota",
            "the quota is lifted",
        ),
        "pod-security": Fault(
            _REFUSED,
            "PodSecurity refuses the pods",
            "the namespace really enforces `restricted`",
            _I,
            Reason.OBJECT_REFUSED,
            "violates PodSecurity",
            "the namespace allows `baseline`",
        ),
        "limit-range": Fault(
            _REFUSED,
            "a LimitRange refuses the pods",
            "a real LimitRange",
            _I,
            Reason.OBJECT_REFUSED,
            "maximum nvidia.com/gpu usage",
            "the limit is lifted",
        ),
        "service-over-quota": Fault(
            _REFUSED,
            "a quota refuses the Service",
            "a real ResourceQuota",
            _I,
            Reason.OBJECT_REFUSED,
            "exceeded quota",
            "the quota is lifted; it is looked at again within 30 s",
        ),
        "foreign-object": Fault(
            _REFUSED,
            "an object of the needed name belongs to somebody else",
            "a Service of that name is there before",
            _I,
            Reason.FOREIGN_OBJECT,
            "already exists",
            "the object goes; it is looked at again within 30 s",
        ),
        "node-lost": Fault(
            _NODES,
            "a node stops reporting",
            "the Node turns unknown, as the node controller does it",
            _R,
            Reason.NODE_NOT_READY,
            "Kubelet stopped posting node status",
            "the node comes back",
        ),
        "node-tainted": Fault(
            _NODES,
            "somebody taints a node by hand",
            "the Node is really tainted",
            _R,
            Reason.NODE_NOT_READY,
            "carries the taint dedicated",
            "the taint goes",
        ),
        "gpus-gone": Fault(
            _NODES,
            "a node stops advertising its GPUs",
            "the Node's allocatable resources change",
            _R,
            Reason.GPUS_NOT_ADVERTISED,
            "offers 0 of 1 nvidia.com/gpu",
            "the GPUs are back",
        ),
        "nodes-missing": Fault(
            _NODES,
            "too few existing nodes match, and none are made",
            "one of two nodes is there",
            _R,
            Reason.NODES_MISSING,
            "makes none",
            "a node is added",
        ),
        "config-map-missing": Fault(
            _WISHES,
            "the ConfigMap is missing",
            "there is none",
            _I,
            Reason.CONFIG_MAP_NOT_FOUND,
            "late-config",
            "the ConfigMap is there",
        ),
        "config-invalid": Fault(
            _WISHES,
            "the ConfigMap changes to something that cannot be used",
            "it is really changed",
            _S,
            Reason.CONFIG_INVALID,
            "max-model-len",
            "the ConfigMap is corrected",
        ),
        "quota": Fault(
            _CLOUD,
            "the subscription's quota is used up",
            _SIMULATED,
            _R,
            Reason.QUOTA_EXCEEDED,
            "quota",
            "the quota is raised",
        ),
        "size-not-available": Fault(
            _CLOUD,
            "the size is not offered",
            _SIMULATED,
            _R,
            Reason.SKU_NOT_AVAILABLE,
            "Standard_NC8as_T4_v3",
            "the size is offered",
        ),
        "no-capacity": Fault(
            _CLOUD,
            "the cloud has no such machine free",
            _SIMULATED,
            _R,
            Reason.ALLOCATION_FAILED,
            "Standard_NC16as_T4_v3",
            "there is one",
        ),
        "policy": Fault(
            _CLOUD,
            "a policy forbids the agent pool",
            _SIMULATED,
            _R,
            Reason.POLICY_DENIED,
            "policy",
            "the policy is changed",
        ),
        "unauthorized": Fault(
            _CLOUD,
            "the provisioner's identity lacks a right",
            _SIMULATED,
            _R,
            Reason.UNAUTHORIZED,
            "agentPools/write",
            "the right is granted",
        ),
        "subnet-full": Fault(
            _CLOUD,
            "the subnet has no free address",
            _SIMULATED,
            _R,
            Reason.SUBNET_FULL,
            "subnet",
            "the subnet is enlarged",
        ),
        "throttled": Fault(
            _CLOUD,
            "the cloud asks for fewer requests",
            _SIMULATED,
            _R,
            Reason.THROTTLED,
            "",
            "it answers again",
        ),
        "cloud-down": Fault(
            _CLOUD,
            "the cloud has a fault",
            _SIMULATED,
            _R,
            Reason.CLOUD_UNAVAILABLE,
            "",
            "it answers again",
        ),
        "node-never-joins": Fault(
            _CLOUD,
            "a machine starts and its node does not join",
            _SIMULATED,
            _R,
            Reason.NODE_NOT_FOUND,
            "",
            "the node joins",
        ),
        "driver-missing": Fault(
            _CLOUD,
            "a node joins without its GPUs",
            _SIMULATED,
            _R,
            Reason.GPUS_NOT_ADVERTISED,
            "offers 0 of 4 nvidia.com/gpu",
            "driver and device plugin are up",
        ),
    }
)
"""Every fault the suite makes happen, by a short name."""
