"""What is counted about Workspaces, their nodes and their GPUs."""

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client.core import Metric

from controller.api import labels
from controller.api.conditions import FALSE, TRUE
from controller.api.resources import CONFIG_MAPS
from controller.planning.site import Site
from controller.reconcilers import statistics
from controller.reconcilers.informers import build_informers
from controller.reconcilers.statistics import EXISTING, OTHER, WorkspaceCollector, World, nodes_of, state_of
from controller.runtime.cache import Informer

Json = dict[str, Any]

SIZE = "Standard_NC24ads_A100_v4"
SITE = Site()


def workspace(
    name: str = "phi", *conditions: tuple[str, str, str], size: str = SIZE, count: int = 2, **metadata: Any
) -> Json:
    held = [
        {"type": type_, "status": status, "reason": reason, "lastTransitionTime": "1970-01-01T00:01:00Z"}
        for type_, status, reason in conditions
    ]
    return {
        "metadata": {"namespace": "ml", "name": name, "creationTimestamp": "1970-01-01T00:00:10Z", **metadata},
        "resource": {"instanceType": size, "count": count},
        "inference": {"preset": {"name": "phi-4"}},
        "status": {"conditions": held},
    }


def node(ready: str = TRUE, gpus: int = 1) -> Json:
    return {
        "metadata": {"name": "node"},
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def collected(workspaces: Sequence[Json], nodes: Sequence[Json] = ()) -> dict[str, Metric]:
    collector = WorkspaceCollector(World(lambda: workspaces, lambda *_: nodes, lambda: SITE, lambda: 0))
    return {family.name: family for family in collector.collect()}


def values(family: Metric) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (workspace(), ("pending", "AwaitingReconciliation")),
        (workspace("phi", ("Ready", TRUE, "WorkspaceReady")), ("ready", "WorkspaceReady")),
        (workspace("phi", ("Ready", FALSE, "PodsPending")), ("pending", "PodsPending")),
        (workspace("phi", ("Ready", FALSE, "ImagePullFailed")), ("failing", "ImagePullFailed")),
        (workspace("phi", ("Ready", FALSE, "WordsOfAStranger")), ("pending", OTHER)),
        (
            workspace("phi", ("Ready", TRUE, "WorkspaceReady"), deletionTimestamp="1970-01-01T00:02:00Z"),
            ("deleting", "WorkspaceDeleting"),
        ),
    ],
)
def test_a_workspace_is_in_one_state(obj: Json, expected: tuple[str, str]) -> None:
    assert state_of(obj) == expected


def test_every_state_has_a_series_also_where_no_workspace_is_in_it() -> None:
    assert values(collected([])["kaito_workspaces"]) == dict.fromkeys(((state, "") for state in statistics.STATES), 0)
    found = values(collected([workspace(), workspace("b")])["kaito_workspaces"])
    assert found["pending", "AwaitingReconciliation"] == 2
    assert ("pending", "") not in found


def test_nodes_and_gpus_are_those_wanted_and_those_that_are_ready() -> None:
    found = nodes_of(workspace(count=3), [node(), node(FALSE)], SITE)
    assert (found.wanted, found.ready, found.gpus_wanted, found.gpus_ready) == (3, 1, 3, 1)


def test_what_the_operator_found_out_goes_before_what_was_asked_for() -> None:
    obj = workspace(count=1)
    obj["status"]["targetNodeCount"] = 4
    assert nodes_of(obj, [], SITE).wanted == 4


@pytest.mark.parametrize(
    ("size", "expected"),
    [(SIZE.upper(), SIZE), ("Standard_Nonsense", OTHER), ("", EXISTING)],
)
def test_sizes_are_named_as_the_catalogue_names_them(size: str, expected: str) -> None:
    assert nodes_of(workspace(size=size), [], SITE).size == expected


def test_where_nodes_are_only_found_their_size_is_not_wished_for() -> None:
    asked = workspace(size=SIZE, count=2, annotations={"kaito.sh/node-source": "existing"})
    for obj, site in ((workspace(size=SIZE, count=2), Site(auto_provision=False)), (asked, SITE)):
        found = nodes_of(obj, [node(gpus=4)], site)
        assert (found.size, found.gpus_wanted, found.gpus_ready) == (EXISTING, 8, 4)


@pytest.mark.parametrize(
    "obj",
    [
        {**workspace("phi", ("WorkspaceSucceeded", TRUE, "TrainingSucceeded")), "tuning": {"method": "lora"}},
        workspace("phi", deletionTimestamp="1970-01-01T00:02:00Z"),
    ],
)
def test_who_has_ended_or_goes_wants_no_more_nodes(obj: Json) -> None:
    assert nodes_of(obj, [], SITE).wanted == 0


def test_a_model_server_that_succeeded_wants_its_nodes_as_before() -> None:
    serving = workspace("phi", ("WorkspaceSucceeded", TRUE, "WorkspaceReady"), count=2)
    assert nodes_of(serving, [], SITE).wanted == 2, "a node that is lost would not be missed"


def test_a_workspace_tells_its_age_its_conditions_and_its_nodes() -> None:
    found = collected([workspace("phi", ("Ready", FALSE, "PodsPending"), ("Strange", TRUE, "X"))], [node()])
    assert values(found["kaito_workspace_created_timestamp_seconds"]) == {("ml", "phi", "inference", "phi-4", SIZE): 10}
    since = values(found["kaito_workspace_condition_since_timestamp_seconds"])
    assert since == {("ml", "phi", "Ready", FALSE, "PodsPending"): 60}, "a stranger's condition is not ours to tell"
    assert values(found["kaito_workspace_nodes"]) == {("ml", "phi", "wanted"): 2, ("ml", "phi", "ready"): 1}


def test_beyond_the_bound_workspaces_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "LISTED", 2)
    found = collected([workspace(name) for name in ("c", "a", "b")])
    listed = {labels[1] for labels in values(found["kaito_workspace_nodes"])}
    assert listed == {"a", "b"}
    assert values(found["kaito_workspaces_unlisted"]) == {(): 1}
    assert sum(values(found["kaito_workspaces"]).values()) == 3


def test_an_object_without_anything_does_not_end_the_scrape() -> None:
    assert sum(values(collected([{"metadata": {"name": "bare"}}])["kaito_workspaces"]).values()) == 1


def test_claims_kaito_made_for_a_workspace_that_is_gone_or_made_anew_are_counted() -> None:
    client: Any = None
    informers = build_informers(client, Informer(client, CONFIG_MAPS))
    informers.workspaces._replace([workspace("phi"), workspace("ours")])
    informers.node_claims._replace(
        [
            kaitos("ws000000001", "phi", "1970-01-01T00:00:12Z"),
            kaitos("ws000000002", "phi", "1970-01-01T00:00:09Z"),
            kaitos("ws000000003", "gone", "1970-01-01T00:00:09Z"),
            kaitos("ws000000004", "gone", "1970-01-01T00:00:09Z", deletionTimestamp="1970-01-01T00:00:20Z"),
            kaitos("ws000000005", "ours", "1970-01-01T00:00:09Z", uid="u"),
            kaitos("by-hand", "gone", "1970-01-01T00:00:09Z"),
        ]
    )
    assert statistics.strays_in(informers) == 2, "one is older than its Workspace, one has none any more"


def kaitos(name: str, of: str, created: str, uid: str = "", **metadata: Any) -> Json:
    found = {labels.WORKSPACE: of, labels.WORKSPACE_NAMESPACE: "ml", **({labels.WORKSPACE_UID: uid} if uid else {})}
    return {"metadata": {"name": name, "labels": found, "creationTimestamp": created, **metadata}, "spec": {}}
