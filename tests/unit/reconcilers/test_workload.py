from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.planning.observed import Observed
from controller.planning.plan import make_plan
from controller.planning.rendering import APPLIED_HASH
from controller.reconcilers.refusals import Blocked
from controller.reconcilers.workload import apply_services, rehearse_workload, stands
from controller.runtime.errors import ApiError
from tests.unit.planning.builders import workspace_object
from tests.unit.planning.rendering.kit import target_of
from tests.unit.reconcilers.kit import stand
from tests.unit.runtime.scripted_server import Reply, answer, status

WANTED: Json = {"metadata": {"name": "phi", "annotations": {APPLIED_HASH: "a"}}, "spec": {"cpu": "1000m"}}
APPLIED = ("uid", 2, "a")


def stored(**metadata: Any) -> Json:
    """As the API server stores it: `1000m` is spelled `1`."""
    found = {"name": "phi", "uid": "uid", "generation": 2, "annotations": {APPLIED_HASH: "a"}, **metadata}
    return {"metadata": found, "spec": {"cpu": "1"}}


def test_what_the_api_server_spells_in_its_own_way_is_no_change() -> None:
    assert stands(APPLIED, WANTED, stored())


@pytest.mark.parametrize(
    "metadata",
    [{"generation": 3}, {"uid": "successor"}, {"annotations": {}}, {"annotations": {APPLIED_HASH: "b"}}],
    ids=["edited", "made anew", "annotation lost", "another wish"],
)
def test_what_was_changed_since_is_written_again(metadata: Json) -> None:
    assert not stands(APPLIED, WANTED, stored(**metadata))


def test_kinds_without_a_generation_do_not_tell_whether_they_were_changed() -> None:
    assert not stands(("uid", 0, "a"), WANTED, stored(generation=0))


def test_what_was_never_written_by_this_process_is_written() -> None:
    assert not stands(None, WANTED, stored())


OWNER = parse_workspace({"metadata": {"name": "phi", "namespace": "default", "uid": "ours"}})
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "phi", "namespace": "default", "annotations": {APPLIED_HASH: "a"}},
}
TRIED, READ = (f"{method} /apis/apps/v1/namespaces/default/deployments/phi" for method in ("PATCH", "GET"))
REFUSED = status(422, "Invalid", "field is immutable")


def found(owner: str = "", **metadata: Any) -> Reply:
    """A Deployment of the name as the API server answers it."""
    owners = [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": True}] if owner else []
    return answer({**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "ownerReferences": owners, **metadata}})


@pytest.mark.parametrize(
    ("replies", "asked", "reason"),
    [
        ([found("ours")], [TRIED], None),
        ([found("ours", resourceVersion="7"), found("ours", resourceVersion="7")], [TRIED, READ], None),
        ([found("ours", resourceVersion="7"), found(resourceVersion="7")], [TRIED, READ], Reason.FOREIGN_OBJECT),
        ([REFUSED, found("theirs", resourceVersion="7")], [TRIED, READ], Reason.FOREIGN_OBJECT),
        ([REFUSED, status(404, "NotFound", "no such deployment")], [TRIED, READ], Reason.OBJECT_REFUSED),
    ],
    ids=[
        "it would be a new one",
        "one of ours the cache does not show",
        "somebody else's, though ours would fit over it",
        "refused, and somebody else's",
        "refused",
    ],
)
async def test_a_workload_is_tried_before_nodes_are_bought_and_never_over_somebody_elses(
    tmp_path: Path, replies: list[Reply], asked: list[str], reason: Reason | None
) -> None:
    async with stand(tmp_path, *replies) as made:
        with pytest.raises(Blocked) if reason else nullcontext() as blocked:
            await rehearse_workload(made.context, OWNER, DEPLOYMENT)
        assert made.requests == asked
        assert made.server.seen[0].query["dryRun"] == "All"
        if reason:
            assert blocked is not None
            assert blocked.value.problem.reason is reason


async def applied(folder: Path, *replies: Reply) -> None:
    """Writes the example's Services where there are none."""
    obj = workspace_object()
    workspace = parse_workspace(obj)
    plan = make_plan(workspace, target_of(obj), Observed())
    async with stand(folder, status(404, "NotFound"), *replies) as place:
        await apply_services(place.context, workspace, plan, Observed())


@pytest.mark.parametrize(("code", "reason"), [(400, ""), (403, "Forbidden"), (413, "RequestEntityTooLarge")])
async def test_a_denial_is_one_whatever_its_code(tmp_path: Path, code: int, reason: str) -> None:
    with pytest.raises(Blocked, match="denied the request") as refusal:
        await applied(tmp_path, status(code, reason, "admission webhook denied the request"))
    assert refusal.value.problem.reason == "ObjectRefused"


async def test_what_passes_by_itself_is_no_denial(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="the object has been modified"):
        await applied(tmp_path, status(409, "Conflict", "the object has been modified"))
