"""Initialization: the node is Ready and shows all it promised, its GPUs above all."""

from typing import Final

from controller.api import labels
from controller.api.conditions import TRUE, UNKNOWN, Condition
from controller.api.quantity import parse_quantity
from controller.api.reasons import Reason
from controller.catalog.mig import MIG_RESOURCE_PREFIX
from provisioner.nodes import Node
from provisioner.registration import node_of
from provisioner.sizes import size_of
from provisioner.steps import Observed, PatchNode, Step
from provisioner.texts import headline
from provisioner.times import in_words, seconds_since

EPHEMERAL_TAINTS: Final = frozenset(
    {
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        (labels.UNREGISTERED_TAINT_KEY, "NoExecute"),
    }
)
"""Taints a node carries only until it is usable (kubernetes-sigs/karpenter core, known ephemeral taints)."""

READINESS_PREFIX: Final = "readiness.k8s.io/"
"""Whoever puts such a taint on a node takes it away once the node is usable (kubernetes-sigs/karpenter core)."""

_NOT_A_NODE_RESOURCE: Final = "storage"


def initialize(seen: Observed, registered: Condition) -> Step:
    """What to show as Initialized and what to do about it."""
    claim = seen.claim
    if claim.is_true(claim.kind.initialized):
        return _initialized(seen, claim.conditions[claim.kind.initialized])
    if registered.status != TRUE:
        return Step((_condition(seen, UNKNOWN, Reason.NOT_REGISTERED, "The node has not joined yet"),))
    node = node_of(seen)
    if node is None:
        return _wait(seen, Reason.NODE_NOT_FOUND, "the node is not in the cluster")
    if (lack := lacking(seen, node)) is not None:
        return _wait(seen, *lack)
    text = f"Node {node.name} is Ready with all it promised"
    return _initialized(seen, _condition(seen, TRUE, Reason.INITIALIZED, text))


def _initialized(seen: Observed, condition: Condition) -> Step:
    """Initialized, and the node labelled so; one that came back without the label gets it once it is complete again."""
    node = node_of(seen)
    if node is None or node.labels.get(labels.INITIALIZED) == "true" or lacking(seen, node) is not None:
        return Step((condition,))
    patch = {"metadata": {"resourceVersion": node.resource_version, "labels": {labels.INITIALIZED: "true"}}}
    return Step((condition,), PatchNode(node.name, patch))


def lacking(seen: Observed, node: Node) -> tuple[Reason, str] | None:
    """What the node still lacks, the first of it in the order in which it normally appears; None when nothing."""
    if not node.ready:
        return Reason.NODE_NOT_READY, f"node {node.name} is not Ready"
    for taint in seen.claim.startup_taints:
        if node.has_taint(taint.key, taint.effect):
            return Reason.STARTUP_TAINTS_EXIST, f"start-up taint {taint.text} is still on node {node.name}"
    for taint in node.taints:
        if (taint.key, taint.effect) in EPHEMERAL_TAINTS or taint.key.startswith(READINESS_PREFIX):
            return Reason.EPHEMERAL_TAINTS_EXIST, f"taint {taint.text} is still on node {node.name}"
    for name, amount in seen.claim.requests.items():
        if name != _NOT_A_NODE_RESOURCE and _positive(amount) and not _shows(seen, node, name):
            return Reason.RESOURCE_NOT_REGISTERED, f"node {node.name} does not show the requested {name}={amount}"
    return _lacking_gpus(seen, node)


def _lacking_gpus(seen: Observed, node: Node) -> tuple[Reason, str] | None:
    size = node.labels.get(labels.INSTANCE_TYPE) or (seen.pool.vm_size if seen.pool else "")
    known = size_of(seen.sizes, size)
    if not known.gpu_resource or (shown := node.offers(known.gpu_resource)) >= known.gpu_count or _sliced(seen, node):
        return None
    missing = f"shows {shown} of {known.gpu_count} {known.gpu_resource}"
    return Reason.GPUS_NOT_ADVERTISED, f"node {node.name} ({size}) {missing}"


def _shows(seen: Observed, node: Node, name: str) -> bool:
    return _positive(node.allocatable.get(name, "0")) or (name == labels.NVIDIA_GPU and _sliced(seen, node))


def _sliced(seen: Observed, node: Node) -> bool:
    """Whether the claim asks for GPUs cut into slices and the node shows any, which then stand for its GPUs.

    Where each profile is a resource of its own, whole GPUs are none (NVIDIA/k8s-device-plugin, MIG strategy `mixed`);
    strategy `single` calls slices GPUs.
    """
    if labels.GPU_INSTANCE_PROFILE not in seen.claim.annotations:
        return False
    return any(name.startswith(MIG_RESOURCE_PREFIX) and _positive(amount) for name, amount in node.allocatable.items())


def _positive(amount: str) -> bool:
    try:
        return parse_quantity(amount) > 0
    except ValueError:
        return False


def _condition(seen: Observed, status: str, reason: Reason, message: str) -> Condition:
    return Condition(seen.claim.kind.initialized, status, reason, message)


def _wait(seen: Observed, reason: Reason, cause: str) -> Step:
    claim, limit = seen.claim, seen.policy.initialization_deadline
    known = claim.conditions.get(claim.kind.registered)
    since = known.last_transition_time if known is not None and known.status == TRUE else ""
    rest = limit - seconds_since(since, seen.now)
    if rest > 0:
        return Step((_condition(seen, UNKNOWN, reason, f"Waiting: {cause}"),), None, rest)
    text = headline(
        f"Not usable within {in_words(limit)}",
        f"{cause} ({reason})",
        Reason.INITIALIZATION_TIMEOUT,
        "check GPU driver, device plugin and taints",
        "delete this claim for a new one",
    )
    return Step((_condition(seen, claim.kind.hindered, Reason.INITIALIZATION_TIMEOUT, text),))
