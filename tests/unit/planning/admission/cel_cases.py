"""What the API server itself refuses, one row per rule in CEL: beside each refused manifest one that passes."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.planning.admission.findings import Cel, Rule
from controller.planning.admission.validation import RULES
from tests.unit.planning.manifests import changed, example

SERVE: Final = example()
TUNE: Final = example(
    inference=None,
    tuning={
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "qlora",
        "input": {"name": "tickets", "urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example.com/adapters/phi-3:1", "imagePushSecret": "push-key"},
    },
)
TEMPLATE: Final[Json] = {"spec": {"containers": [{"name": "server", "image": "registry.example.com/server:1"}]}}
OPTIONS: Final = "preset.presetOptions"


@dataclass(frozen=True, slots=True)
class Case:
    """One rule, shown.

    Attributes:
        rule: its name in the table of rules.
        field: where the API server says the fault is.
        accepted: a manifest that keeps the rule.
        refused: one that breaks it.
        before: what is stored when either arrives; None where they are to be created.
    """

    rule: str
    field: str
    accepted: Json
    refused: Json
    before: Json | None = None


def with_(base: Json, path: str, value: object) -> Json:
    """The manifest with one field set, or removed for None."""
    return changed(base, path, value)


def selecting(operator: str, *values: str, key: str = "apps") -> Json:
    """A Workspace whose nodes are chosen by an expression."""
    return with_(SERVE, SELECTOR, {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]})


SELECTOR: Final = "resource.labelSelector"
MIG: Final = with_(SERVE, "resource.partition", {"mode": "mig", "profile": "1g.10gb"})
WHOLE: Final = with_(SERVE, "resource.partition", {"mode": "accelerator", "count": 1})

ADAPTERS: Final = "inference.adapters"
ADAPTER: Final[Json] = {"source": {"name": "tone", "image": "registry.example.com/adapters/tone:1"}, "strength": "0.5"}
ADAPTED: Final = with_(SERVE, ADAPTERS, [ADAPTER])


def adapter(path: str, value: object) -> Json:
    """A Workspace with one adapter of which one field is set, or removed for None."""
    return with_(SERVE, ADAPTERS, [changed(ADAPTER, path, value)])


CASES: Final = (
    Case("workspace-name", "metadata", SERVE, example(metadata__name="a.b")),
    Case("inference-or-tuning", "inference", TUNE, with_(TUNE, "inference", SERVE["inference"])),
    Case("preset-or-template", "inference", SERVE, with_(SERVE, "inference.template", TEMPLATE)),
    *(
        Case(
            rule,
            f"{block}.{OPTIONS}.{field}",
            with_(base, f"{block}.{OPTIONS}.{field}", good),
            with_(base, f"{block}.{OPTIONS}.{field}", bad),
        )
        for block, base in (("inference", SERVE), ("tuning", TUNE))
        for rule, field, good, bad in (
            ("weights-access", "modelAccessSecret", "hf-token", "HF_TOKEN"),
            ("pull-secrets", "imagePullSecrets", ["registry-key"], ["registry-key", "No Name"]),
        )
    ),
    Case("tuning-preset", "tuning.preset", TUNE, with_(TUNE, "tuning.preset", None)),
    Case(
        "tuning-method", "tuning.method", with_(TUNE, "tuning.method", " QLoRA"), with_(TUNE, "tuning.method", "full")
    ),
    Case("tuning-input", "tuning.input", TUNE, with_(TUNE, "tuning.input.volumeSource", {"emptyDir": {}})),
    Case("tuning-output", "tuning.output", TUNE, with_(TUNE, "tuning.output.volumeSource", {"emptyDir": {}})),
    Case("tuning-output", "tuning.output.imagePushSecret", TUNE, with_(TUNE, "tuning.output.imagePushSecret", None)),
    Case(
        "tuning-output",
        "tuning.output.image",
        TUNE,
        with_(TUNE, "tuning.output.image", f"registry.example.com/adapters/phi-3@sha256:{'0' * 64}"),
    ),
    Case("adapter-source", f"{ADAPTERS}[].source", ADAPTED, adapter("source", None)),
    Case("adapter-source", f"{ADAPTERS}[].source", ADAPTED, adapter("source.volumeSource", {"emptyDir": {}})),
    Case(
        "adapter-source",
        f"{ADAPTERS}[].source.urls",
        adapter("source.urls", []),
        adapter("source.urls", ["https://example.com/adapter.zip"]),
    ),
    Case("adapter-name", f"{ADAPTERS}[].source.name", ADAPTED, adapter("source.name", "Bad_Name")),
    Case("adapter-name", ADAPTERS, ADAPTED, with_(SERVE, ADAPTERS, [ADAPTER, ADAPTER])),
    Case("adapter-strength", f"{ADAPTERS}[].strength", adapter("strength", ".25"), adapter("strength", "1.5")),
    Case(
        "data-addresses",
        "tuning.input.urls",
        with_(TUNE, "tuning.input.urls", ["https://example.com/a", "HTTP://example.com"]),
        with_(TUNE, "tuning.input.urls", ["https://example.com/a", "ftp://example.com/b"]),
    ),
    Case("data-images", f"{ADAPTERS}[].source.image", ADAPTED, adapter("source.image", "r.io/Team/tone:1")),
    Case(
        "data-images",
        "tuning.input.image",
        with_(TUNE, "tuning.input", {"image": "r.io/data"}),
        with_(TUNE, "tuning.input", {"image": "r.io/Team/data:1"}),
    ),
    Case("data-images", "tuning.output.image", TUNE, with_(TUNE, "tuning.output.image", "r.io/Team/phi:1")),
    Case(
        "data-secrets",
        f"{ADAPTERS}[].source.imagePullSecrets",
        adapter("source.imagePullSecrets", ["registry-key"]),
        adapter("source.imagePullSecrets", ["other/registry-key"]),
    ),
    Case(
        "data-secrets",
        "tuning.input.imagePullSecrets",
        with_(TUNE, "tuning.input", {"image": "r.io/data", "imagePullSecrets": ["registry-key"]}),
        with_(TUNE, "tuning.input", {"image": "r.io/data", "imagePullSecrets": ["Key"]}),
    ),
    Case("data-secrets", "tuning.output.imagePushSecret", TUNE, with_(TUNE, "tuning.output.imagePushSecret", "A b")),
    *(
        Case(
            "config-name",
            f"{block}.config",
            with_(base, f"{block}.config", "a.b"),
            with_(base, f"{block}.config", "A/b"),
        )
        for block, base in (("inference", SERVE), ("tuning", TUNE))
    ),
    Case("count-tuning", "resource.count", with_(TUNE, "resource.count", 1), with_(TUNE, "resource.count", 2)),
    Case("label-selector", f"{SELECTOR}.matchExpressions", selecting("In", "a"), selecting("In", "a", "b")),
    Case(
        "label-selector",
        f"{SELECTOR}.matchLabels",
        with_(SERVE, f"{SELECTOR}.matchLabels", {"apps": "phi-3", "kaito.sh/team": "a"}),
        with_(SERVE, f"{SELECTOR}.matchLabels", {"apps": "phi-3", "kaito.sh/workspace": "other"}),
    ),
    Case(
        "label-selector",
        f"{SELECTOR}.matchExpressions",
        selecting("In", "a"),
        selecting("In", "a", key="kaito.sh/workspacenamespace"),
    ),
    Case(
        "partition-place",
        "resource.partition",
        TUNE,
        with_(TUNE, "resource.partition", {"mode": "mig", "profile": "1g.10gb"}),
    ),
    Case("partition-form", "resource.partition.count", MIG, with_(MIG, "resource.partition.count", 1)),
    Case("partition-form", "resource.partition.profile", MIG, with_(MIG, "resource.partition.profile", "9g.1gb")),
    Case("partition-form", "resource.partition.profile", WHOLE, with_(WHOLE, "resource.partition.profile", "1g.10gb")),
    Case("partition-form", "resource.partition.count", WHOLE, with_(WHOLE, "resource.partition.count", None)),
    Case("inference-fixed", "inference", SERVE, TUNE, SERVE),
    Case("tuning-fixed", "tuning", TUNE, SERVE, TUNE),
    Case(
        "inference-preset-fixed",
        "inference.preset",
        with_(SERVE, "inference.config", "settings"),
        with_(SERVE, "inference", {"template": TEMPLATE}),
        SERVE,
    ),
    Case(
        "inference-template-fixed",
        "inference.template",
        with_(SERVE, "inference", {"template": {**TEMPLATE, "metadata": {"labels": {"team": "a"}}}}),
        SERVE,
        with_(SERVE, "inference", {"template": TEMPLATE}),
    ),
    Case("tuning-preset-fixed", "tuning.preset", TUNE, with_(TUNE, "tuning.preset", None), TUNE),
    Case(
        "resource-count-fixed",
        "resource.count",
        with_(SERVE, "resource.count", 2),
        with_(SERVE, "resource.count", 3),
        with_(SERVE, "resource.count", 2),
    ),
    Case(
        "resource-instancetype-fixed",
        "resource.instanceType",
        with_(SERVE, "resource.instanceType", "standard_nc6S_V3"),
        with_(SERVE, "resource.instanceType", "Standard_NC12s_v3"),
        SERVE,
    ),
    Case("resource-labelselector-fixed", "resource.labelSelector", SERVE, with_(SERVE, "resource", None), SERVE),
    Case(
        "resource-labelselector-fixed",
        "resource.labelSelector",
        with_(SERVE, SELECTOR, selecting("In", "phi-3")["resource"]["labelSelector"]),
        with_(SERVE, f"{SELECTOR}.matchLabels", {"apps": "phi-4"}),
        SERVE,
    ),
    Case(
        "resource-partition-fixed",
        "resource.partition",
        with_(SERVE, "resource.partition", {"mode": "mig", "profile": "1g.10gb"}),
        with_(SERVE, "resource.partition", {"mode": "mig", "profile": "2g.20gb"}),
        with_(SERVE, "resource.partition", {"mode": "mig", "profile": "1g.10gb"}),
    ),
    *(
        Case(
            f"{block}-preset-accessmode-fixed",
            f"{block}.preset.accessMode",
            with_(base, f"{block}.preset.accessMode", "public"),
            with_(base, f"{block}.preset.accessMode", "private"),
            base,
        )
        for block, base in (("inference", SERVE), ("tuning", TUNE))
    ),
    Case(
        "tuning-method-fixed",
        "tuning.method",
        with_(TUNE, "tuning.method", "QLoRA"),
        with_(TUNE, "tuning.method", "lora"),
        TUNE,
    ),
    Case("tuning-input-name-fixed", "tuning.input.name", TUNE, with_(TUNE, "tuning.input.name", "mails"), TUNE),
)
"""Rows with the same rule and field stand in the order of the expressions they show."""


def located(cel: Cel) -> str:
    """The field the API server names."""
    return f"{cel.path}{cel.field}".lstrip(".")


def shown() -> tuple[tuple[Case, Rule, Cel], ...]:
    """Every row with the rule and the expression it shows.

    Raises:
        ValueError: an expression has no row, or a row no expression.
    """
    waiting: defaultdict[tuple[str, str], list[tuple[Rule, Cel]]] = defaultdict(list)
    for rule in RULES:
        for cel in rule.cel:
            waiting[rule.name, located(cel)].append((rule, cel))
    rows = tuple((case, *_next(waiting[case.rule, case.field], case)) for case in CASES)
    unseen = [f"{rule.name} at {located(cel)}" for left in waiting.values() for rule, cel in left]
    if unseen:
        raise ValueError(f"expressions without a row in CASES: {'; '.join(unseen)}")
    return rows


def _next(left: list[tuple[Rule, Cel]], case: Case) -> tuple[Rule, Cel]:
    if not left:
        raise ValueError(f"a row in CASES without an expression: {case.rule} at {case.field}")
    return left.pop(0)
