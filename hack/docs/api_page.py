"""The page of a Workspace's fields, from the description the CustomResourceDefinition is made of."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from controller.api.json import Json
from hack.crds.definition import definition
from hack.crds.schema import shown, workspace_schema
from hack.crds.source import Field, Node, at, fields, workspace
from hack.docs.markdown import page, table

_INTRO: Final = """# Workspace

`kaito.sh/v1alpha1` and `kaito.sh/v1beta1`, kind `Workspace`, short names `wk` and `wks`, in a namespace. There is no
`spec`: `resource`, `inference` and `tuning` stand at the top. The same is shown by `kubectl explain workspace`.

Rules beyond types and sizes are listed in [admission rules](admission-rules.md)."""

_VERSIONS: Final = """## Versions

Both versions have the same fields, so that an object can be written in one and read in the other without losing
anything, and no conversion webhook is needed. Objects are stored as v1beta1. What differs is the meaning of
`resource.count` (see below): v1beta1 calls it deprecated, as it calls `preferredNodes`, `accessMode`, `image` and
`imagePullSecrets` of a preset; all of them are acted on in both versions.

Where Workspaces were stored as v1alpha1 before, `status.storedVersions` of the CustomResourceDefinition names both
versions. They are read as they are and stored as v1beta1 when they are next written. v1alpha1 can leave the list, and
the definition, only after every object has been written once."""

_COLUMNS: Final = """## Columns

`kubectl get workspaces` shows {narrow}; with `-o wide` also {wide}."""

_OWNERS: Final = """## Server-side apply

Lists below are owned as a whole by whoever applied them last, unless a key is given: then every entry has an owner of
its own, and several controllers can write conditions side by side. Objects marked *as one* are owned as a whole too."""


def api_page() -> str:
    """The text of docs/reference/workspace.md."""
    blocks = [name for name, node in workspace()["properties"].items() if "properties" in node]
    parts = [text for name in blocks for text in _block(name)]
    return page(_INTRO, _VERSIONS, _columns(), *parts, _OWNERS, _owners())


def constraints(path: str) -> str:
    """What the schema asks of a field beyond its type, in words; empty where it asks nothing."""
    schema = _schema(path)
    return ", ".join(_limits(_field(path), schema))


def _block(name: str) -> Iterator[str]:
    block = at(workspace(), name)
    yield f"## {name}"
    yield str(block["says"]) + (f" Left out: {block['unset']}." if block.get("unset") else "")
    rows = (_row(field) for field in fields(block, name) if field.path != name)
    yield table(("field", "type", "meaning", "default", "limits", "example"), rows)


def _row(field: Field) -> tuple[str, ...]:
    return (
        f"`{field.path}`",
        _type(field.node),
        field.says,
        "required" if field.required else field.unset,
        ", ".join(limit for limit in _limits(field, _schema(field.path)) if limit != "required") or "-",
        f"`{shown(field.example)}`",
    )


def _type(node: Node) -> str:
    match node["type"]:
        case "array":
            return f"list of {_type(node['items'])}s"
        case "object" if "additionalProperties" in node:
            return f"map to {_type(node['additionalProperties'])}s"
        case "integer":
            return "whole number"
        case "string" if node.get("format") == "date-time":
            return "time"
        case other:
            return str(other)


def _limits(field: Field, schema: Json) -> Iterator[str]:
    if field.required:
        yield "required"
    if "enum" in schema:
        yield f"one of {', '.join(f'`{each}`' for each in schema['enum'])}"
    if "minimum" in schema:
        low, high = schema["minimum"], schema.get("maximum")
        yield f"{low} or more" if high is None else f"{low} to {high}"
    if "maxLength" in schema:
        least = schema.get("minLength")
        yield f"{least} to {schema['maxLength']} characters" if least else f"at most {schema['maxLength']} characters"
    for word in ("maxItems", "maxProperties"):
        if word in schema:
            yield f"at most {schema[word]} entries"


def _columns() -> str:
    columns = definition()["spec"]["versions"][0]["additionalPrinterColumns"]
    names = [[f"`{each['name']}`" for each in columns if bool(each.get("priority")) == wide] for wide in (False, True)]
    return _COLUMNS.format(narrow=", ".join(names[0]), wide=", ".join(names[1]))


def _owners() -> str:
    return table(("field", "owned"), _owned())


def _owned() -> Iterator[tuple[str, str]]:
    for field in fields(workspace()):
        keys = field.node.get("x-kubernetes-list-map-keys")
        if keys:
            yield f"`{field.path}`", f"by `{', '.join(keys)}`"
        elif field.node.get("x-kubernetes-map-type") == "atomic":
            yield f"`{field.path}`", "as one"


@cache
def _field(path: str) -> Field:
    return next(field for field in fields(workspace()) if field.path == path)


def _schema(path: str) -> Json:
    found: Json = dict(at(_whole(), path))
    return found


@cache
def _whole() -> Node:
    return workspace_schema(())
