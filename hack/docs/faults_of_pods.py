"""Faults of images, containers, pods and volumes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from controller.api.reasons import Reason
from controller.api.workspace import ConditionType
from hack.docs.fault import Fault

_IMAGES, _PODS, _VOLUMES = "Images", "Containers and pods", "Volumes"
_I, _S = ConditionType.INFERENCE_READY, ConditionType.WORKSPACE_SUCCEEDED
_KUBELET: Final = "the simulated kubelet reports it"

FAULTS_OF_PODS: Final[Mapping[str, Fault]] = MappingProxyType(
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
        "container-not-started": Fault(
            _PODS,
            "a container cannot be started",
            _KUBELET,
            _I,
            Reason.CONTAINER_CRASHING,
            "nvidia-container-cli",
            "it can be started",
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
            "a training run fails and fails again, until its Job gives up",
            _KUBELET,
            _S,
            Reason.TRAINING_FAILED,
            "no column named text",
            "the tuning block is changed, which is another run",
        ),
        "result-not-pushed": Fault(
            _PODS,
            "the result of a training run cannot be pushed",
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
        "pod-network": Fault(
            _PODS,
            "a node cannot set up a pod's network",
            "the pod's node reports it in an event, as the kubelet does",
            _I,
            Reason.POD_NETWORK_FAILED,
            "failed to assign an IP address",
            "the node can",
        ),
    }
)
"""By a short name."""
