"""How a Workspace and its surroundings look once everything that differs between two good runs is left out."""

import json
import re
from collections.abc import Iterator
from typing import Any

from controller.api.conditions import conditions_of
from controller.api.json import Json, labels_of, name_of, uid_of
from controller.planning.pods import is_ready
from tests.system.harness import Scene, ordinal

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d[:-]\d\d[:-]\d\d(\.\d+)?Z")
_ADDRESSES = ("clusterIP", "clusterIPs")
_CLOUD_IDS = ("eTag",)
_NOTHING = "nothing"


def portrait(scene: Scene) -> Json:
    """What a run has led to, comparable between runs."""
    assert scene.workspace is not None, "there is no Workspace to portray"
    status = scene.workspace["status"]
    drawn: Json = {
        "workspace": {key: scene.workspace[key] for key in ("resource", "inference")},
        "conditions": _conditions(scene.workspace),
        "nodes wanted": status["targetNodeCount"],
        "nodes used": len(status["workerNodes"]),
        "machines": [
            {"labels": labels_of(machine), "spec": machine["spec"], "conditions": _conditions(machine)}
            for machine in sorted(scene.machines, key=ordinal)
        ],
        "pools": [_without(pool["properties"], _CLOUD_IDS) for pool in scene.pools],
        "nodes": [_labels_and_gpus(node) for node in scene.nodes],
        "deployments": [deployment["spec"] for deployment in scene.deployments],
        "services": [_without(service["spec"], _ADDRESSES) for service in scene.services],
        "pods ready": sum(is_ready(pod) for pod in scene.pods),
    }
    anonymous: Json = json.loads(_anonymous(json.dumps(drawn), scene))
    # By what remains of the names: the original ones are hashes and order differently in each run.
    return anonymous | {kind: sorted(anonymous[kind], key=json.dumps) for kind in ("pools", "nodes")}


def differences(wanted: Json, drawn: Json) -> str:
    """Where one portrait is not as the other, a line for each place; empty when they are alike."""
    return "\n".join(_differences(wanted, drawn, ""))


def _differences(wanted: Any, drawn: Any, place: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(drawn, dict):
        for key in sorted(wanted.keys() | drawn.keys()):
            yield from _differences(wanted.get(key, _NOTHING), drawn.get(key, _NOTHING), f"{place}[{key}]")
    elif isinstance(wanted, list) and isinstance(drawn, list) and len(wanted) == len(drawn):
        for index, (one, other) in enumerate(zip(wanted, drawn, strict=True)):
            yield from _differences(one, other, f"{place}[{index}]")
    elif wanted != drawn:
        yield f"{place}: {drawn!r} instead of {wanted!r}"


def _labels_and_gpus(node: Json) -> Json:
    return {"labels": labels_of(node), "taints": node["spec"].get("taints"), "offers": node["status"]["allocatable"]}


def _conditions(obj: Json) -> list[str]:
    return [f"{held.type}={held.status} {held.reason}" for held in conditions_of(obj).values()]


def _without(fields: Json, left_out: tuple[str, ...]) -> Json:
    return {key: value for key, value in fields.items() if key not in left_out}


def _anonymous(text: str, scene: Scene) -> str:
    workspace = scene.workspace or {}
    text = _TIME.sub("<time>", text)
    text = text.replace(uid_of(workspace), "<uid>").replace(workspace["metadata"]["namespace"], "<namespace>")
    for machine in scene.machines:
        text = text.replace(name_of(machine), f"<machine {ordinal(machine)}>").replace(uid_of(machine), "<claim uid>")
    return text
