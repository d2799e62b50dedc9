"""A paused Workspace: nothing is made, changed or removed for it, whatever happens, until the annotation goes.

What its conditions said last stays said, and so does the generation they speak of. The status as a whole is about the
manifest as it is: paused is all there is to say of a change, and who waits for an answer to it need not wait on.
Deletion goes on as ever.
"""

from controller.api import labels
from controller.api.conditions import FALSE, TRUE, Condition, conditions_of, merge_conditions
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType, Workspace
from controller.planning.status import owned_part

_TEXT = f'nothing is done while the annotation {labels.PAUSED} is "true". Fix: remove it to go on'


def paused_status(workspace: Workspace, obj: Json, *, now: str) -> Json:
    """The status of a paused Workspace: what it said before, and that it is paused.

    Args:
        workspace: the typed view of `obj`.
        obj: the Workspace as stored.
        now: the present moment as RFC 3339.
    """
    before = conditions_of(obj)
    paused = Condition(ConditionType.PAUSED, TRUE, Reason.WORKSPACE_PAUSED, _TEXT)
    wanted = [paused]
    if ConditionType.READY not in before:
        roots = (ConditionType.WORKSPACE_READY, ConditionType.READY)
        wanted = [*(Condition(type_, FALSE, Reason.WORKSPACE_PAUSED, _TEXT) for type_ in roots), paused]
    added = merge_conditions(before, wanted, generation=workspace.generation, now=now)
    said = owned_part(obj.get("status") or {})
    entries = {**said["conditions"], **{each.type: each.as_json() for each in added}}
    return {
        **said,
        "observedGeneration": workspace.generation,
        "conditions": [entries[type_] for type_ in ConditionType if type_ in entries],
        "phases": list(said["phases"].values()),
    }
