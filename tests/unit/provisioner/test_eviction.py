"""One pod that cannot be evicted holds up neither the others nor the story of the drain."""

from pathlib import Path

import pytest

from controller.runtime.client import Client
from controller.runtime.errors import ApiError, Forbidden, Throttled, Unavailable
from provisioner.eviction import drain_node, held_by
from tests.unit.provisioner.builders import at
from tests.unit.runtime.scripted_server import answer, scripted_server, status

TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (
            Throttled("Cannot evict pod as it would violate the pod's disruption budget.", status=429),
            "blocked",
            "budget",
        ),
        (Unavailable(TWO_BUDGETS, status=500), "blocked", "disruption budget"),
        (Forbidden("denied by policy", status=403), "failed", "denied by policy"),
        (Unavailable("failed calling webhook x: 12 ms", status=500, reason="InternalError"), "failed", "InternalError"),
        (Unavailable("", status=502), "failed", "HTTP 502"),
    ],
)
def test_every_refusal_has_a_cause(error: ApiError, code: str, word: str) -> None:
    outcome, cause = held_by(error)
    assert (outcome, word in cause) == (code, True), cause


def pod(name: str) -> dict[str, object]:
    """A pod that may leave."""
    return {"metadata": {"name": name, "namespace": "a", "uid": name}, "spec": {"nodeName": "n"}}


async def test_a_pod_that_two_budgets_hold_is_named_and_the_others_leave(tmp_path: Path) -> None:
    """The API server answers 201 and puts the failure into the body."""
    failure = {"kind": "Status", "status": "Failure", "code": 500, "message": TWO_BUDGETS}
    async with scripted_server(tmp_path) as server:
        server.script(answer({"items": [pod("one")]}), answer(failure, status=201))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            drain = await drain_node(client, "n", at(0), at(3600))
    assert drain.blocked == ("a/one (disruption budget)",)


async def test_a_list_of_pods_that_fails_is_the_callers(tmp_path: Path) -> None:
    async with scripted_server(tmp_path) as server:
        server.script(status(403, "Forbidden", "no"))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            with pytest.raises(Forbidden):
                await drain_node(client, "n", at(0), at(3600))


async def test_a_pod_whose_time_is_over_is_deleted_past_every_budget_with_what_is_left(tmp_path: Path) -> None:
    late = {**pod("late"), "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 90}}
    async with scripted_server(tmp_path) as server:
        server.script(answer({"items": [late]}), answer({"kind": "Pod"}))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            drain = await drain_node(client, "n", at(3540), at(3600))
    assert [(each.method, each.path) for each in server.seen][1:] == [("DELETE", "/api/v1/namespaces/a/pods/late")]
    assert (server.seen[1].body["gracePeriodSeconds"], server.seen[1].body["preconditions"]) == (60, {"uid": "late"})
    assert (drain.waiting, drain.blocked) == (("a/late",), ())


async def test_volumes_are_asked_for_once_no_pod_waits(tmp_path: Path) -> None:
    attachment = {"metadata": {"name": "one"}, "spec": {"nodeName": "n", "source": {"persistentVolumeName": "disk"}}}
    async with scripted_server(tmp_path) as server:
        server.script(answer({"items": []}), answer({"items": [attachment]}))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            drain = await drain_node(client, "n", at(0), at(3600))
    assert (drain.waiting, drain.volumes) == ((), ("disk",))
