"""How tools that follow the kstatus conventions read an object (kubernetes-sigs/cli-utils, `pkg/kstatus/status`)."""

from controller.api.json import Json, metadata_of


def kstatus(obj: Json) -> str:
    """`Terminating`, `InProgress`, `Failed` or `Current`: the rules for kinds the library does not know by name."""
    metadata, status = metadata_of(obj), obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata.get("generation"):
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((condition["status"] for condition in conditions if condition["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"
