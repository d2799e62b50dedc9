"""What the status remembers of nodes and claims, so that a wait or a count outlives the process that began it."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from controller.api.json import Json
from controller.planning import repair
from controller.planning.plan import Plan

FIELDS: Final = ("provisioning", "troubledNodes")
"""The fields of the status that are read again at the next look."""


def with_made(plan: Plan, made: Collection[str]) -> Plan:
    """The plan once the claims of those UIDs were made: one that fails before it is seen has failed all the same."""
    known = plan.provisioning
    return replace(plan, provisioning=replace(known, under_way=tuple(sorted({*known.under_way, *made}))))


def remembered(status: Json, plan: Plan | None) -> Json:
    """The fields to store; those of the stored status where there is no plan, for nothing was done then."""
    if plan is None:
        return {key: status[key] for key in FIELDS if key in status}
    told = {"provisioning": plan.provisioning.as_json(), "troubledNodes": repair.as_json(plan.nodes.troubled)}
    return {key: value for key, value in told.items() if value}
