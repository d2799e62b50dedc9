"""Claims for a node: Karpenter's Machine and NodeClaim behind one typed value.

Wire facts: kubernetes-sigs/karpenter core v0.29 `pkg/apis/v1alpha5` (Machine) and v1.7 `pkg/apis/v1` (NodeClaim).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from controller.api import labels
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition, conditions_of
from controller.api.json import (
    Json,
    annotations_of,
    finalizers_of,
    generation_of,
    is_deleting,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from controller.api.resources import MACHINES, NODE_CLAIMS, Resource


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """How one claim API spells what all of them mean.

    Attributes:
        resource: where its objects live.
        launched, registered, initialized: names of the three condition types the root condition `Ready` depends on.
        hindered: status of one of them that waits for somebody to act. Karpenter's NodeClaim phases go on from Unknown
            only, so that False would hold up whoever takes the claim over.
    """

    resource: Resource
    launched: str
    registered: str
    initialized: str
    hindered: str

    @property
    def dependents(self) -> tuple[str, str, str]:
        """The condition types `Ready` depends on, in the order they come true."""
        return self.launched, self.registered, self.initialized


MACHINE: Final = ClaimKind(MACHINES, "MachineLaunched", "MachineRegistered", "MachineInitialized", FALSE)
"""karpenter.sh/v1alpha5 Machine."""

NODE_CLAIM: Final = ClaimKind(NODE_CLAIMS, "Launched", "Registered", "Initialized", UNKNOWN)
"""karpenter.sh/v1 NodeClaim."""

CLAIM_KINDS: Final = (MACHINE, NODE_CLAIM)
"""Every kind of claim there is."""

READY: Final = "Ready"
"""The root condition of every claim kind."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A node taint."""

    key: str
    value: str
    effect: str

    @property
    def text(self) -> str:
        """`key=value:effect`, the value and its sign left out when empty."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"

    def as_json(self) -> Json:
        """The taint as it stands in a node's or claim's spec."""
        taint = {"key": self.key, "effect": self.effect}
        return {**taint, "value": self.value} if self.value else taint


@dataclass(frozen=True, slots=True)
class Requirement:
    """One node requirement of a claim.

    Attributes:
        min_values: how many different values there must be to choose from; 0 where the claim does not say.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()
    min_values: int = 0


@dataclass(frozen=True, slots=True)
class NodeClass:
    """The reference by which a NodeClaim says whose it is."""

    group: str
    kind: str
    name: str

    @property
    def label(self) -> tuple[str, str]:
        """The label Karpenter puts on claims and nodes of the class."""
        return f"{self.group}/{self.kind.lower()}", self.name


DEFAULT_NODE_CLASS: Final = NodeClass("kaito.sh", "KaitoNodeClass", "default")
"""The node class by which NodeClaims ask the project's own provisioner; no object of it exists."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim for one node, as stored.

    Attributes:
        node_class: which provisioner is asked; None for a Machine, which has no such field.
        termination_grace: how long pods may hold up the removal, such as `1h30m`; empty where the claim does not say.
        kubelet: how the kubelet is to be configured, as written; empty for a NodeClaim, which has no such field.
        expire_after: how old the claim may become, such as `720h` or `Never`; empty where it does not say.
    """

    kind: ClaimKind
    name: str
    uid: str
    generation: int
    creation_time: str
    deletion_time: str
    finalizers: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    requirements: tuple[Requirement, ...]
    taints: tuple[Taint, ...]
    startup_taints: tuple[Taint, ...]
    requests: Mapping[str, str]
    provider_id: str
    node_name: str
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    node_class: NodeClass | None = None
    termination_grace: str = ""
    expire_after: str = ""
    kubelet: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deleting(self) -> bool:
        """Whether the claim carries a deletion timestamp."""
        return bool(self.deletion_time)

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The instance types asked for, in order of preference; empty when the claim names none."""
        return self.required_values(labels.INSTANCE_TYPE)

    def required_values(self, key: str) -> tuple[str, ...]:
        """The values of the first `In` requirement on the key, in the order written."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.operator == "In":
                return requirement.values
        return ()

    def is_true(self, type_: str) -> bool:
        """Whether the condition of that type is True."""
        condition = self.conditions.get(type_)
        return condition is not None and condition.status == TRUE

    @property
    def ready(self) -> bool:
        """Whether the root condition is True and the claim is not being deleted."""
        return not self.deleting and self.is_true(READY)

    @property
    def holdup(self) -> Condition | None:
        """The first condition on the way to Ready that is not True and says why; None when nothing is known."""
        for type_ in self.kind.dependents:
            condition = self.conditions.get(type_)
            if condition is None or condition.status == TRUE:
                continue
            if condition.message:
                return condition
        return None


def parse_claim(obj: Json, kind: ClaimKind = MACHINE) -> Claim:
    """The typed view of a stored claim."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return Claim(
        kind=kind,
        name=name_of(obj),
        uid=uid_of(obj),
        generation=generation_of(obj),
        creation_time=str(metadata_of(obj).get("creationTimestamp") or ""),
        deletion_time=str(metadata_of(obj).get("deletionTimestamp") or "") if is_deleting(obj) else "",
        finalizers=tuple(finalizers_of(obj)),
        labels=labels_of(obj),
        annotations=annotations_of(obj),
        requirements=tuple(_requirement(entry) for entry in spec.get("requirements") or []),
        taints=tuple(parse_taint(entry) for entry in spec.get("taints") or []),
        startup_taints=tuple(parse_taint(entry) for entry in spec.get("startupTaints") or []),
        requests=(spec.get("resources") or {}).get("requests") or {},
        provider_id=str(status.get("providerID") or ""),
        node_name=str(status.get("nodeName") or ""),
        conditions=conditions_of(obj),
        node_class=_node_class(spec),
        termination_grace=str(spec.get("terminationGracePeriod") or ""),
        kubelet=spec.get("kubelet") or {},
        expire_after=str(spec.get("expireAfter") or ""),
    )


def _node_class(spec: Json) -> NodeClass | None:
    given = spec.get("nodeClassRef")
    if not isinstance(given, dict):
        return None
    return NodeClass(str(given.get("group") or ""), str(given.get("kind") or ""), str(given.get("name") or ""))


def _requirement(entry: Json) -> Requirement:
    values = tuple(str(value) for value in entry.get("values") or [])
    least = entry.get("minValues") or 0
    return Requirement(str(entry.get("key") or ""), str(entry.get("operator") or ""), values, int(least))


def parse_taint(entry: Json) -> Taint:
    """A taint out of a node's or claim's spec."""
    return Taint(str(entry.get("key") or ""), str(entry.get("value") or ""), str(entry.get("effect") or ""))
