"""The definition of Workspaces: complete, explained, one schema for both versions, and in step with code and rules."""

from collections.abc import Iterator, Mapping

import jsonschema
import pytest
import yaml

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.count_rules import MAX_COUNT
from controller.planning.admission.findings import Cel, Rule
from controller.planning.admission.shape import WORKSPACE, ListOf, MapOf, Shape, Text
from hack.crds.definition import TARGET, VERSIONS, definition, text
from hack.crds.schema import shown, workspace_schema
from hack.crds.source import fields, workspace

FIELDS = {each.path: each for each in fields(workspace()) if each.path.partition(".")[0] != "metadata"}
"""Every named field; of its metadata a definition says nothing, the API server explains it itself."""

SPEC = ("resource", "inference", "tuning")

OF_A_SOURCE = ("name", "urls", "volumeSource", "image", "imagePullSecrets")
OF_A_PRESET = (
    "name",
    "accessMode",
    *(f"presetOptions.{each}" for each in ("image", "imagePullSecrets", "modelAccessSecret")),
)
OF_KAITO = (
    *(f"resource.{each}" for each in ("count", "instanceType", "labelSelector", "preferredNodes")),
    *(f"resource.labelSelector.{each}" for each in ("matchLabels", "matchExpressions[].key")),
    *(f"resource.labelSelector.matchExpressions[].{each}" for each in ("operator", "values")),
    *(f"resource.partition.{each}" for each in ("mode", "profile", "count")),
    *(f"inference.preset.{each}" for each in OF_A_PRESET),
    *(f"inference.{each}" for each in ("template", "config", "adapters[].strength")),
    *(f"inference.adapters[].source.{each}" for each in OF_A_SOURCE),
    *(f"tuning.preset.{each}" for each in OF_A_PRESET),
    *(f"tuning.{each}" for each in ("method", "config")),
    *(f"tuning.input.{each}" for each in OF_A_SOURCE),
    *(f"tuning.output.{each}" for each in ("volumeSource", "image", "imagePushSecret")),
    *(f"status.{each}" for each in ("workerNodes", "state", "targetNodeCount")),
    *(f"status.conditions[].{each}" for each in ("type", "status", "reason", "message", "lastTransitionTime")),
    *(f"status.performance.metrics{{}}.{each}" for each in ("description", "value", "unit", "config")),
)
"""Fields of a Workspace in any release. Source: kaito-project/kaito v0.1.0 to v0.12.0, CustomResourceDefinition."""


def test_the_file_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run python -m hack.crds"


def test_both_versions_are_served_with_one_schema_and_the_newer_is_stored() -> None:
    spec = definition()["spec"]
    first, second = spec["versions"]
    assert spec["conversion"] == {"strategy": "None"}
    assert [(each["name"], each["served"], each["storage"]) for each in (first, second)] == [
        ("v1alpha1", True, False),
        ("v1beta1", True, True),
    ]
    assert first["schema"] == second["schema"], "what one version lacks is lost to whoever writes through it"
    assert all(version["subresources"] == {"status": {}} for version in (first, second))


@pytest.mark.parametrize("index", range(len(VERSIONS)), ids=VERSIONS)
def test_kubectl_get_shows_five_columns_and_the_rest_when_asked_for(index: int) -> None:
    columns = definition()["spec"]["versions"][index]["additionalPrinterColumns"]
    narrow = [column["name"].upper() for column in columns if not column.get("priority")]
    assert narrow == ["INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]
    assert {column.get("priority") for column in columns[len(narrow) :]} == {1}


@pytest.mark.parametrize("path", OF_KAITO)
def test_a_field_kaito_ever_had_is_there(path: str) -> None:
    assert path in FIELDS


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_is_explained_with_its_default_and_an_example(path: str) -> None:
    field = FIELDS[path]
    assert field.says.endswith("."), f"{path or 'the Workspace'} does not say what it means"
    assert field.required != bool(field.unset) or not path, (
        f"{path} is required, or says what holds where it is not set"
    )
    assert field.example is not None, f"{path} has no example"


def nodes(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every part of a schema by its path, entries of lists as `[]`, values of maps as `{}`."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}".lstrip("."))
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if word in schema:
            yield from nodes(schema[word], f"{path}{mark}")


def test_what_is_said_of_a_field_is_what_kubectl_explains() -> None:
    named = {path: node for path, node in nodes(workspace_schema(())) if not path.endswith(("[]", "{}"))}
    assert named.keys() - {"metadata"} == FIELDS.keys()
    silent = [path for path, node in named.items() if path != "metadata" and not complete(node.get("description", ""))]
    assert silent == [""], "only the Workspace itself has no default"


def complete(words: str) -> bool:
    """Whether a description says what holds without the field, and gives an example."""
    return "Example: `" in words and ("Required." in words or "Default: " in words)


@pytest.mark.parametrize("path", FIELDS)
def test_the_example_of_a_field_is_valid_and_can_be_copied(path: str) -> None:
    field = FIELDS[path]
    schema = strict(dict(nodes(workspace_schema(())))[path])
    jsonschema.validate(field.example, schema)
    assert yaml.safe_load(shown(field.example)) == field.example


def strict(schema: Json) -> Json:
    """The schema, which refuses unknown fields where the API server would prune them."""
    result = {
        key: {name: strict(inner) for name, inner in value.items()}
        if key == "properties"
        else strict(value)
        if isinstance(value, dict)
        else value
        for key, value in schema.items()
    }
    closed = "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema
    return {**result, **({"additionalProperties": False} if closed else {})}


def test_no_constant_is_filled_in_but_that_nobody_has_looked_yet() -> None:
    filled = {path: node["default"] for path, node in nodes(workspace_schema(())) if "default" in node}
    assert filled == {"status": {"observedGeneration": -1}}


def test_every_list_says_how_appliers_share_it() -> None:
    lists = {path: field.node for path, field in FIELDS.items() if field.node["type"] == "array"}
    keyed = {
        path: node.get("x-kubernetes-list-map-keys") for path, node in lists.items() if node.get(LIST_TYPE) == "map"
    }
    assert keyed == {"status.conditions": ["type"], "status.phases": ["name"]}
    assert {node.get(LIST_TYPE) for path, node in lists.items() if path not in keyed} == {"atomic"}


LIST_TYPE = "x-kubernetes-list-type"


def known(shape: Shape, path: str = "") -> Iterator[tuple[str, Shape]]:
    """Every field of a shape by its path, entries of lists and values of maps among them."""
    yield path, shape
    match shape:
        case ListOf(entry=inner):
            yield from known(inner, f"{path}[]")
        case MapOf(value=inner):
            yield from known(inner, f"{path}{{}}")
        case Mapping():
            for name, inner in shape.items():
                yield from known(inner, f"{path}.{name}".lstrip("."))


@pytest.mark.parametrize("index", range(len(VERSIONS)), ids=VERSIONS)
def test_fields_and_limits_are_those_the_webhook_knows(index: int) -> None:
    shape = {path: each for path, each in known(WORKSPACE) if path.partition(".")[0] in SPEC}
    schema = definition()["spec"]["versions"][index]["schema"]["openAPIV3Schema"]
    assert {path for path in FIELDS if path.partition(".")[0] in SPEC} <= shape.keys()
    assert {path for path in shape if not path.endswith(("[]", "{}"))} <= FIELDS.keys()
    most = {
        path: each.most
        for path, each in shape.items()
        if isinstance(each, (Text, ListOf, MapOf)) and each.most is not None
    }
    limits = {
        path: node[word]
        for path, node in nodes(schema)
        for word in ("maxLength", "maxItems", "maxProperties")
        if word in node and path.partition(".")[0] in SPEC
    }
    assert most == limits


def test_the_number_of_nodes_has_the_range_of_the_rule() -> None:
    count = FIELDS["resource.count"].node
    assert (count["minimum"], count["maximum"]) == (1, MAX_COUNT)


def rule(*cel: Cel) -> Rule:
    """A row of the table with nothing but its part for the API server."""
    return Rule("some-rule", (), "", (Reason.EXACTLY_ONE_OF, Reason.FIELD_IMMUTABLE), lambda _: (), cel=cel)


ONE = Cel("inference", "has(self.preset) != has(self.template)", "set one (ExactlyOneOf)", ".preset")


def written(cel: Cel) -> Json:
    """What becomes of a rule at `inference`."""
    (validation,) = workspace_schema((rule(cel),))["properties"]["inference"]["x-kubernetes-validations"]
    return dict(validation)


def test_a_rule_stands_at_its_node_and_tolerates_what_is_stored() -> None:
    assert written(ONE) == {
        "rule": "(has(self.preset) != has(self.template)) || "
        "(oldSelf.hasValue() && !(has(oldSelf.value().preset) != has(oldSelf.value().template)))",
        "message": "set one (ExactlyOneOf)",
        "fieldPath": ".preset",
        "reason": "FieldValueInvalid",
        "optionalOldSelf": True,
    }


def test_a_rule_about_a_change_is_kept_as_it_is() -> None:
    change = Cel("inference", "has(self.preset) == has(oldSelf.preset)", "it stays (FieldImmutable)")
    assert written(change) == {
        "rule": change.expression,
        "message": "it stays (FieldImmutable)",
        "reason": "FieldValueForbidden",
    }


def test_a_rule_that_walks_its_own_list_is_left_to_the_api_servers_ratcheting() -> None:
    walking = Cel("inference", "self.adapters.all(each, has(each.source))", "m (ExactlyOneOf)")
    assert written(walking)["rule"] == walking.expression


def test_a_rule_about_the_name_is_asked_at_creation() -> None:
    name = Cel("", "self.metadata.name.matches('a')", "m (ExactlyOneOf)")
    (validation,) = workspace_schema((rule(name),))["x-kubernetes-validations"]
    assert validation["rule"] == "oldSelf.hasValue() || (self.metadata.name.matches('a'))"
    assert validation["optionalOldSelf"], "else the API server would ask about changes only"


@pytest.mark.parametrize(
    ("cel", "error", "says"),
    [
        (Cel("inference", "true", "no code at all"), ValueError, "has to end with one of ExactlyOneOf, FieldImmutable"),
        (Cel("inference", "true", "of another rule (CountInvalid)"), ValueError, "has to end with one of"),
        (Cel("inference.nothing", "true", "m (ExactlyOneOf)"), KeyError, "inference.nothing"),
    ],
    ids=["no reason", "another rule's reason", "no such node"],
)
def test_a_rule_the_api_server_could_not_hold_is_refused_when_it_is_written(
    cel: Cel, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        workspace_schema((rule(cel),))
