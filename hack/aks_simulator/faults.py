"""How a scenario's faults bear on an operation: what fails, why, and in whose words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import Cause, RefusalError, size_not_supported, wrapped
from hack.aks_simulator.scenario import Cancel, Effect, Fail, Hang, NodeTrouble, Reply, Rule, SkuUnavailable
from hack.aks_simulator.values import Detail, Fate, NodeFault, World

Effects = Mapping[type[Effect], Rule]
"""The rule that acts on a request, by kind of effect."""

DOOM_SECONDS: Final = 2.0
"""How long Azure takes to find out that a size or quota is not there, before division by the speed."""

_CAPACITY: Final = (
    "Allocation failed. We do not have sufficient capacity for the requested VM size in this {where}. "
    "Read more about improving likelihood of allocation success at https://aka.ms/allocation-guidance"
)
_CAUSES: Final = {
    "AllocationFailed": _CAPACITY.format(where="region"),
    "ZonalAllocationFailed": _CAPACITY.format(where="zone"),
    "OverconstrainedAllocationRequest": "Allocation failed. The constraints of the request cannot be met together.",
    "OverconstrainedZonalAllocationRequest": "Allocation failed. The constraints cannot be met together in this zone.",
    "VMExtensionProvisioningError": "VM has reported a failure when processing extension 'vmssCSE', exit status=50.",
    "VMExtensionProvisioningTimeout": "Provisioning of VM extension vmssCSE has timed out.",
    "NodesNotReady": "The nodes of the agent pool did not become Ready in time.",
    "InternalOperationError": "Internal server error.",
}


@dataclass(frozen=True, slots=True)
class Doom:
    """The end an operation is bound for instead of success.

    Attributes:
        seconds: how long after its start, at this simulator's speed.
        fate: Failed or Canceled.
        error: what the operation reports.
        keep_error: whether the pool reports it as well.
    """

    seconds: float
    fate: Fate
    error: Detail
    keep_error: bool = True


def doom_of(context: Context, effects: Effects, vm_size: str, *, creating: bool) -> Doom | None:
    """The end the scenario has in store for an operation, None when it may succeed."""
    wrapper = "CreateVMSSAgentPoolFailed" if creating else "ReconcileVMSSAgentPoolFailed"
    for rule in effects.values():
        match rule.effect:
            case Fail() as fail:
                message = fail.message or _CAUSES.get(fail.cause, f"The operation failed with {fail.cause}.")
                error = wrapped(wrapper, Cause(fail.cause, message))
                seconds = fail.after_seconds / context.settings.speed
                return Doom(seconds, "Failed", error, keep_error=fail.provisioning_error)
            case Cancel(after_seconds=seconds):
                return Doom(seconds / context.settings.speed, "Canceled", preempted("a later operation"))
            case SkuUnavailable(when="operation"):
                return doomed(context, _sku_cause(context, vm_size, rule), creating=creating)
            case _:
                continue
    return None


def doomed(context: Context, cause: Cause, *, creating: bool) -> Doom:
    """A failure the compute layer reports shortly after the start."""
    wrapper = "CreateVMSSAgentPoolFailed" if creating else "ReconcileVMSSAgentPoolFailed"
    return Doom(DOOM_SECONDS / context.settings.speed, "Failed", wrapped(wrapper, cause))


def refuse_sku(context: Context, effects: Effects, vm_size: str) -> None:
    """Refuse the request when the scenario says the size cannot be had.

    Raises:
        RefusalError: 400 `VMSizeNotSupported`.
    """
    rule = effects.get(SkuUnavailable)
    if rule and rule.effect == SkuUnavailable("request"):
        raise size_not_supported(vm_size, context.settings.subscription, context.settings.location)


def node_faults(effects: Effects) -> tuple[NodeFault, ...]:
    """The trouble new Nodes of the pool will have."""
    rule = effects.get(NodeTrouble)
    return (NodeFault(rule.effect.kind, rule.id),) if rule and isinstance(rule.effect, NodeTrouble) else ()


def hanging_rule(effects: Effects) -> str:
    """Id of the rule that makes the operation hang, or an empty string."""
    return effects[Hang].id if Hang in effects else ""


def preempted(by: str) -> Detail:
    """What a cancelled operation reports; the misspelling is Azure's."""
    return Detail("OperationPreempted", f"The operation was overriden and canceled by {by}.")


def spend(world: World, rules: Iterable[Rule]) -> World:
    """Count one use of each rule that has a limit."""
    uses = dict(world.uses)
    for rule in rules:
        if rule.times is not None:
            uses[rule.id] = uses.get(rule.id, 0) + 1
    return replace(world, uses=uses)


def refuse_by_rule(effects: Effects) -> None:
    """Answer with the error of a `reply` rule, if there is one.

    Raises:
        RefusalError: as the rule says.
    """
    rule = effects.get(Reply)
    if rule and isinstance(rule.effect, Reply):
        reply = rule.effect
        raise RefusalError(
            reply.status, reply.code, reply.message, envelope=reply.envelope, retry_after=reply.retry_after
        )


def _sku_cause(context: Context, vm_size: str, rule: Rule) -> Cause:
    zones = f" zones '{','.join(sorted(rule.zones))}'" if rule.zones else ""
    return Cause(
        "SkuNotAvailable",
        f"The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {vm_size}' is "
        f"currently not available in location '{context.settings.location}'{zones}. Please try another size or deploy "
        "to a different location or different zone. See https://aka.ms/azureskunotavailable for details.",
    )
