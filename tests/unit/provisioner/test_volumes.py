"""Which volumes a node that goes still holds."""

from pathlib import Path

import pytest

from controller.api.json import Json
from controller.runtime.client import Client
from controller.runtime.errors import Forbidden
from provisioner.drain import parse_pod
from provisioner.volumes import attached_volumes
from tests.unit.provisioner.builders import at
from tests.unit.runtime.scripted_server import Reply, answer, scripted_server, status


def attachment(name: str, node: str = "n", volume: str = "") -> Json:
    """One attachment; without a volume it is of one that is written into a pod."""
    source: Json = {"persistentVolumeName": volume} if volume else {"inlineVolumeSpec": {}}
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "source": source}}


def pod(*claims: str, stays: bool = True, over: bool = False) -> Json:
    """A pod with volumes, by default one that tolerates the node's end."""
    volumes: list[Json] = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    spec = {"volumes": [*volumes, {"name": "tmp", "emptyDir": {}}], "tolerations": [{"operator": "Exists"}] * stays}
    return {
        "metadata": {"name": "p", "namespace": "a", "uid": "p"},
        "spec": spec,
        "status": {"phase": "Succeeded" if over else "Running"},
    }


async def attached(folder: Path, pods: list[Json], *replies: Reply) -> tuple[tuple[str, ...], list[str]]:
    """The volumes, and the paths that were asked."""
    async with scripted_server(folder) as server:
        server.script(*replies)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            found = await attached_volumes(client, "n", [parse_pod(each, at(0)) for each in pods])
    return found, [each.path for each in server.seen]


async def test_the_nodes_own_attachments_count(tmp_path: Path) -> None:
    listed = [attachment("one", volume="disk"), attachment("two"), attachment("three", "other", "elsewhere")]
    found, _ = await attached(tmp_path, [], answer({"items": listed}))
    assert found == ("disk", "two")


async def test_a_volume_of_a_pod_that_stays_to_the_end_is_not_waited_for(tmp_path: Path) -> None:
    bound = answer({"spec": {"volumeName": "disk"}})
    listed = answer({"items": [attachment("one", volume="disk"), attachment("two", volume="other")]})
    found, asked = await attached(tmp_path, [pod("data")], listed, bound)
    assert found == ("other",)
    assert asked[1:] == ["/api/v1/namespaces/a/persistentvolumeclaims/data"]


async def test_nor_is_one_that_was_made_with_such_a_pod(tmp_path: Path) -> None:
    obj = pod()
    obj["spec"]["volumes"].append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}})
    listed = answer({"items": [attachment("one", volume="disk")]})
    found, asked = await attached(tmp_path, [obj], listed, answer({"spec": {"volumeName": "disk"}}))
    assert found == ()
    assert asked[1:] == ["/api/v1/namespaces/a/persistentvolumeclaims/p-scratch"], "named after pod and volume"


@pytest.mark.parametrize("obj", [pod("data", stays=False), pod("data", over=True)], ids=["leaves", "is over"])
async def test_a_volume_of_a_pod_that_does_not_stay_is_waited_for(tmp_path: Path, obj: Json) -> None:
    found, asked = await attached(tmp_path, [obj], answer({"items": [attachment("one", volume="disk")]}))
    assert (found, len(asked)) == (("disk",), 1)


async def test_a_claim_that_is_gone_keeps_nothing(tmp_path: Path) -> None:
    listed = answer({"items": [attachment("one", volume="disk")]})
    found, _ = await attached(tmp_path, [pod("data")], listed, status(404, "NotFound", "no"))
    assert found == ("disk",)


async def test_what_cannot_be_listed_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        await attached(tmp_path, [], status(403, "Forbidden", "no"))
