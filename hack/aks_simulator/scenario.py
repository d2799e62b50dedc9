"""The scenario: how long things take, what quota there is, and which faults happen when.

A scenario is one document (YAML file at start, JSON over the admin surface while running). It is checked against
`scenario_schema.json`, so that a misspelt key is an error and not a fault that silently never happens. For example:

    quota: {families: {standardNCSv3Family: 6}}
    rules:
    - match: {pool: "ws*", vm_size: "Standard_NC*"}
      times: 2
      fail: {cause: AllocationFailed, after_seconds: 3}
    - match: {operation: delete_pool}
      hang: true

An operation under `fail`, `cancel` or `sku_unavailable` brings up no VM. `hang` and `node` last as long as their rule
stands; removing it heals them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from controller.api.json import Json
from hack.aks_simulator.errors import Envelope
from hack.aks_simulator.values import NodeFaultKind

SCHEMA: Final[Json] = json.loads(Path(__file__).with_name("scenario_schema.json").read_text(encoding="utf-8"))

_OPERATION_EFFECTS: Final = {"fail", "cancel", "hang", "node", "sku_unavailable"}
_EFFECTS: Final = [choice["required"][0] for choice in SCHEMA["$defs"]["rule"]["oneOf"]]
_VALIDATOR: Final = Draft202012Validator(SCHEMA)


class ScenarioError(ValueError):
    """The scenario document is not valid; the text names each finding and where it is."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds, already divided by the speed; the schema describes each."""

    allocate_seconds: float = 4.0
    boot_seconds: float = 8.0
    settle_seconds: float = 0.0
    register_seconds: float = 0.0
    provider_id_seconds: float = 0.5
    node_ready_seconds: float = 2.0
    gpu_seconds: float = 2.0
    update_seconds: float = 1.0
    delete_seconds: float = 4.0
    drain_timeout_seconds: float = 120.0

    def faster(self, speed: float) -> "Timing":
        """The same durations divided by a speed above 0."""
        return Timing(**{entry.name: getattr(self, entry.name) / speed for entry in fields(self)})


@dataclass(frozen=True, slots=True)
class Quota:
    """vCPU limits; generous unless a scenario says otherwise. `enforcement` as in the schema."""

    default_limit: int = 10000
    families: Mapping[str, int] = field(default_factory=dict)
    regional_limit: int = 100000
    spot_limit: int = 10000
    enforcement: Literal["request", "operation"] = "request"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer with this error instead of doing anything."""

    status: int
    code: str = "InternalServerError"
    message: str = "The simulator was told to refuse this request."
    envelope: Envelope = "flat"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop the connection before or after the request took effect."""

    when: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer this many seconds later, at any speed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Headers:
    """Which polling headers an answer carries, and a Retry-After in seconds."""

    polling: Literal["normal", "location", "none", "long"] = "normal"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """The operation fails after this many seconds with a cause known to `faults`, or any code."""

    cause: str
    message: str = ""
    after_seconds: float = 2.0
    provisioning_error: bool = True


@dataclass(frozen=True, slots=True)
class Cancel:
    """The operation is cancelled by Azure after this many seconds."""

    after_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class SkuUnavailable:
    """The VM size cannot be had where it is asked for: refused at once, or found out by the operation."""

    when: Literal["request", "operation"]


@dataclass(frozen=True, slots=True)
class Hang:
    """The operation runs as long as the rule stands."""


@dataclass(frozen=True, slots=True)
class NodeTrouble:
    """Nodes of the pool do not get beyond a point as long as the rule stands."""

    kind: NodeFaultKind


Effect = Reply | Cut | Delay | Headers | Fail | Cancel | SkuUnavailable | Hang | NodeTrouble


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule is matched against: the operation, and what is known of the pool it concerns."""

    operation: str
    pool: str = ""
    vm_size: str = ""
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: whom it concerns, how often, and what happens. The id is the name, or derived from the content."""

    id: str
    effect: Effect
    operations: frozenset[str] = frozenset()
    pool: str = ""
    vm_size: str = ""
    zones: frozenset[str] = frozenset()
    times: int | None = None

    def matches(self, subject: Subject) -> bool:
        """Whether the rule concerns the subject, leaving aside how often it has acted."""
        return (
            (not self.operations or subject.operation in self.operations)
            and (not self.pool or fnmatchcase(subject.pool.lower(), self.pool.lower()))
            and (not self.vm_size or fnmatchcase(subject.vm_size.lower(), self.vm_size.lower()))
            and (not self.zones or (bool(subject.zones) and self.zones.issuperset(subject.zones)))
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario; the schema describes the switches."""

    document: Json = field(default_factory=dict)
    timing: Timing = Timing()
    quota: Quota = Quota()
    retired_sizes: frozenset[str] = frozenset()
    lock_scope: Literal["pool", "cluster"] = "pool"
    delete_missing: int = 204
    delete_deleting: int = 409
    page_size: int = 100
    throttling: bool = False
    bearer: str = ""
    rules: tuple[Rule, ...] = ()

    @property
    def rule_ids(self) -> frozenset[str]:
        """Ids of all rules; a fault whose rule is not among them is healed."""
        return frozenset(rule.id for rule in self.rules)


def parse_scenario(document: Any) -> Scenario:
    """Check a document and read it.

    Raises:
        ScenarioError: the document does not follow the schema, or two rules share a name.
    """
    findings = sorted(_VALIDATOR.iter_errors(document), key=lambda finding: list(map(str, finding.absolute_path)))
    if findings:
        raise ScenarioError("; ".join(_describe(finding) for finding in findings[:5]))
    plain = dict(document)
    rules = tuple(map(_parse_rule, plain.pop("rules", [])))
    _refuse_twins(rules)
    timing = Timing(**plain.pop("timing", {}))
    quota = Quota(**plain.pop("quota", {}))
    retired = frozenset(size.lower() for size in plain.pop("retired_sizes", []))
    return Scenario(document=document, timing=timing, quota=quota, retired_sizes=retired, rules=rules, **plain)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from a YAML file; an empty file is the default scenario.

    Raises:
        ScenarioError: the file is not YAML or not a scenario.
        OSError: the file cannot be read.
    """
    try:
        return parse_scenario(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path} is not YAML: {error}") from error
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from error


def merge_documents(base: Any, patch: Any) -> Any:
    """RFC 7386 merge: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_documents(merged.get(key), value)
    return merged


def first_effects(rules: Iterable[Rule], subject: Subject, uses: Mapping[str, int]) -> dict[type[Effect], Rule]:
    """The first rule of each kind of effect that concerns the subject and is not used up."""
    chosen: dict[type[Effect], Rule] = {}
    for rule in rules:
        spent = rule.times is not None and uses.get(rule.id, 0) >= rule.times
        if not spent and rule.matches(subject):
            chosen.setdefault(type(rule.effect), rule)
    return chosen


def _describe(finding: ValidationError) -> str:
    where = "the document" if finding.json_path == "$" else finding.json_path.removeprefix("$.")
    if finding.validator == "oneOf":
        return f"{where}: needs exactly one of {', '.join(_EFFECTS)}"
    return f"{where}: {finding.message}"


def _refuse_twins(rules: tuple[Rule, ...]) -> None:
    ids = [rule.id for rule in rules]
    twins = sorted({identifier for identifier in ids if ids.count(identifier) > 1})
    if twins:
        raise ScenarioError(
            f"rules: {', '.join(twins)} stand(s) there more than once; give each rule a name of its own"
        )


def _parse_rule(document: Json) -> Rule:
    match = document.get("match", {})
    kind, effect = _parse_effect(document)
    operation = match.get("operation", [])
    operations = frozenset([operation] if isinstance(operation, str) else operation)
    if not operations and kind in _OPERATION_EFFECTS:
        operations = frozenset({"put_pool"})
    content = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:8]
    return Rule(
        id=document.get("name", f"{kind}-{content}"),
        effect=effect,
        operations=operations,
        pool=match.get("pool", ""),
        vm_size=match.get("vm_size", ""),
        zones=frozenset(match.get("zones", ())),
        times=document.get("times"),
    )


def _parse_effect(document: Json) -> tuple[str, Effect]:
    kind = next(key for key in document if key not in {"name", "match", "times"})
    value = document[kind]
    effects: dict[str, type[Any]] = {"reply": Reply, "headers": Headers, "fail": Fail, "cancel": Cancel}
    singles: dict[str, type[Any]] = {"cut": Cut, "delay": Delay, "sku_unavailable": SkuUnavailable, "node": NodeTrouble}
    if kind in effects:
        return kind, effects[kind](**value)
    return kind, Hang() if kind == "hang" else singles[kind](value)
