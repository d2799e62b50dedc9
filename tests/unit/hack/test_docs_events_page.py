"""The events on the page are those the programs write."""

import ast
from collections.abc import Iterator

from controller.api.claims import CLAIM_KINDS
from controller.api.reasons import Reason
from controller.planning.claim_words import word_for
from hack.docs.events import DEEDS
from hack.docs.events_page import events_page
from hack.docs.pages import REPOSITORY

HANDED_ON = {"story.tell", "performer.perform", "performer._record", "performer._delete_claim", "reconciler._tell"}
"""Functions whose events carry the reason of a condition, of a failure, or of an action decided elsewhere."""


def functions() -> Iterator[tuple[str, ast.AST]]:
    """Every function of the programs that write events, under its file's name and its own."""
    for folder in ("controller", "provisioner"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path.stem}.{node.name}", node


def reasons_in(node: ast.AST) -> set[Reason]:
    """The reasons an expression names, for claims of every kind."""
    named = {
        Reason[each.attr]
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Reason"
    }
    by_kind = any(isinstance(each, ast.Name) and each.id == "word_for" for each in ast.walk(node))
    return {word_for(kind, reason) for kind in CLAIM_KINDS for reason in named} if by_kind else named


def recorded(function: ast.AST) -> Iterator[set[Reason]]:
    """The reasons of each event a function records; empty for one that is handed on."""
    assigned = {
        target.id: each.value
        for each in ast.walk(function)
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "event":
            for reason in (keyword.value for keyword in call.keywords if keyword.arg == "reason"):
                yield reasons_in(assigned.get(reason.id, reason) if isinstance(reason, ast.Name) else reason)


def decided(function: ast.AST) -> set[Reason]:
    """The reasons of actions that are told when they are done: claims deleted, and patched with a warning."""
    found: set[Reason] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "DeleteClaim":
            found |= reasons_in(node.args[0])
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["warning"]:
            found |= reasons_in(node.value)
    return found


def test_the_deeds_are_those_in_the_code() -> None:
    found: set[Reason] = set()
    for _, function in functions():
        found |= set().union(*recorded(function), decided(function))
    assert found == {deed.reason for deed in DEEDS}


def test_only_known_functions_hand_a_reason_on() -> None:
    found = {name for name, function in functions() if any(not reasons for reasons in recorded(function))}
    assert found == HANDED_ON, "the page must say what events these write"


def test_a_warning_is_for_people_and_a_wait_is_none() -> None:
    rows = {line.split(" | ")[0].strip("| `") for line in events_page().splitlines() if line.startswith("| `")}
    assert {"ImagePullFailed", "SubscriptionQuotaReached", "MachineCreated"} <= rows
    assert not {"PodsPending", "WorkspaceReady"} & rows
