"""Rights that are granted, and rights that were used, out of the manifests and the API server's audit log."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.api.json import Json
from hack.devcluster.programs import NAMESPACE

_OURS = f"system:serviceaccount:{NAMESPACE}:kaito-"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource.

    Attributes:
        program: whose.
        namespace: where; empty for everywhere.
        resource: plural, with the subresource if any, and the API group behind a dot if any.
        verb: what.
        name: of the only object; empty for all.
    """

    program: str
    namespace: str
    resource: str
    verb: str
    name: str = ""

    @property
    def short(self) -> str:
        """Program, verb and resource."""
        return f"{self.program} {self.verb} {self.resource}"

    def covers(self, used: "Right") -> bool:
        """Whether this right, granted, allows one that was used."""
        same = (self.program, self.resource, self.verb) == (used.program, used.resource, used.verb)
        return same and self.namespace in ("", used.namespace) and self.name in ("", used.name)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a program, and whether it was allowed."""

    right: Right
    allowed: bool


def granted(objects: Iterable[Json]) -> set[Right]:
    """What the roles of the manifests grant to the programs; role, binding and account of a program share its name."""
    return {
        Right(
            item["metadata"]["name"],
            item["metadata"].get("namespace", ""),
            f"{resource}.{group}".rstrip("."),
            verb,
            name,
        )
        for item in objects
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    }


def asked(audit_log: Path) -> list[Asked]:
    """Every request of our programs for a resource."""
    with audit_log.open(encoding="utf-8") as log:
        entries = [json.loads(line) for line in log if _OURS in line and line.endswith("\n")]
    return [
        Asked(_right(entry), entry["annotations"]["authorization.k8s.io/decision"] == "allow")
        for entry in entries
        if entry["user"]["username"].startswith(_OURS) and entry.get("objectRef")
    ]


def forbidden(requests: Iterable[Asked]) -> list[Right]:
    """Rights that were missing."""
    return sorted({item.right for item in requests if not item.allowed})


def idle(objects: Iterable[Json], requests: Iterable[Asked]) -> list[Right]:
    """Rights that the manifests grant and nobody used."""
    used = {item.right for item in requests}
    return sorted(right for right in granted(objects) if not any(right.covers(other) for other in used))


def _right(entry: Json) -> Right:
    target = entry["objectRef"]
    resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
    return Right(
        program=entry["user"]["username"].rpartition(":")[2],
        namespace=target.get("namespace", ""),
        resource=f"{resource}.{target.get('apiGroup', '')}".rstrip("."),
        verb=entry["verb"],
        name=target.get("name", ""),
    )
