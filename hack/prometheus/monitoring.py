"""What `manifests/monitoring` holds: rules, dashboards, and the queries in them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hack.devcluster.layout import REPOSITORY

Json = dict[str, Any]

FOLDER: Final = REPOSITORY / "manifests" / "monitoring"
RUNBOOKS: Final = REPOSITORY / "docs" / "runbooks"

_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "start", "end", "atan2", "inf", "nan"})
_LISTS: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR: Final = re.compile(r"([A-Za-z_:][\w:]*)?(\{[^{}]*\})")
_NAME: Final = re.compile(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\w)(?!\s*\()")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel."""

    dashboard: str
    panel: str
    expression: str


def rule_groups() -> list[Json]:
    """The groups of every PrometheusRule, in the form Prometheus itself reads."""
    return [group for item in _objects() if item["kind"] == "PrometheusRule" for group in item["spec"]["groups"]]


def write_rules(path: Path, groups: list[Json]) -> Path:
    """Write groups as a file of rules, and return its path."""
    path.write_text(yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000), encoding="utf-8")
    return path


def alerts() -> dict[str, Json]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for group in rule_groups() for rule in group["rules"] if "alert" in rule}


def recordings() -> dict[str, Json]:
    """The recording rules by name."""
    return {rule["record"]: rule for group in rule_groups() for rule in group["rules"] if "record" in rule}


def dashboards() -> dict[str, Json]:
    """The dashboards by the name of their file."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("dashboards/*.json"))
    }


def queries() -> Iterator[Query]:
    """Every query of every panel."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield Query(name, panel["title"], target["expr"])


def filled_in(expression: str, variables: Mapping[str, str]) -> str:
    """The expression with Grafana's variables replaced, `$name` and `${name}`."""
    for name, value in variables.items():
        expression = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, expression)
    return expression


def names_in(expression: str) -> set[str]:
    """The metrics a PromQL expression reads."""
    plain = _LISTS.sub(" ", _TEXT.sub('""', expression))
    plain = re.sub(r"\[[^\]]*\]", "", re.sub(r"\{[^{}]*\}", "", plain))
    return {name for name in _NAME.findall(plain) if name.lower() not in _WORDS}


def selectors_in(expression: str) -> set[str]:
    """The metrics a PromQL expression reads, each with its label matchers."""
    plain = _LISTS.sub(" ", expression)
    with_matchers = {name + matchers for name, matchers in _SELECTOR.findall(plain)}
    return with_matchers | names_in(_SELECTOR.sub(" ", plain))


def _objects() -> Iterator[Json]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if item and item["kind"] != "Kustomization":
                yield item
