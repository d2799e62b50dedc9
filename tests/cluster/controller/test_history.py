"""The history of a Workspace on the real API server, with the commands the documentation names."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable

import pytest

from controller.api.json import Json, annotations_of, name_of
from controller.api.resources import CONTROLLER_REVISIONS, DEPLOYMENTS, PODS, WORKSPACES, Resource
from controller.planning.revisions import CAUSE, LIMIT, number_of
from hack.devcluster.layout import REPOSITORY
from tests.cluster.controller.stage import NAME, V100, Stage
from tests.cluster.harness import Cluster
from tests.docs.snippets import commands

PAGE = "docs/how-to/history.md"
ADAPTER = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}}


def manifest(stage: Stage, *adapters: Json) -> Json:
    """A Workspace as its author keeps it."""
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": NAME, "namespace": stage.namespace},
        "resource": {"instanceType": V100, "labelSelector": {"matchLabels": {"test": stage.namespace}}},
        "inference": {
            "preset": {"name": "phi-3-mini-128k-instruct"},
            **({"adapters": list(adapters)} if adapters else {}),
        },
    }


@pytest.fixture
def shell(cluster: Cluster, stage: Stage) -> Callable[..., str]:
    """Runs a command of the page as it is written, in the namespace of the test."""
    config = subprocess.run(
        ["kubectl", "config", "view", "--raw", "--minify", "-o", "json"],
        env={**os.environ, "PATH": path(), "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    view = json.loads(config)
    view["contexts"][0]["context"]["namespace"] = stage.namespace
    own = cluster.layout.kubeconfig.with_name(f"{stage.namespace}.json")
    own.write_text(json.dumps(view), encoding="utf-8")

    def run(command: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command.replace("phi-3", NAME)],
            env={**os.environ, "PATH": path(), "KUBECONFIG": str(own), **variables},
            capture_output=True, check=False, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def path() -> str:
    """Where kubectl of this environment is found first."""
    return f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}"


async def history(stage: Stage) -> list[Json]:
    """The revisions of the Workspace, oldest first."""
    selector = f"workspace.kaito.io/name={NAME}"
    found = await stage.client.list(CONTROLLER_REVISIONS, namespace=stage.namespace, labels=selector)
    return sorted(found.items, key=number_of)


async def until_revision(stage: Stage, number: int) -> list[Json]:
    """Waits until the status names the revision of that number, which is the newest."""

    async def look() -> str:
        newest = (await history(stage))[-1:]
        current = (await stage.get()).get("status", {}).get("currentRevision")
        told = [(number_of(each), name_of(each)) for each in newest]
        return "" if told == [(number, current)] else f"newest {told}, in force {current}"

    await stage.until(look)
    return await history(stage)


async def test_a_change_is_a_revision_and_applying_an_older_one_goes_back(
    stage: Stage, cluster: Cluster, shell: Callable[..., str]
) -> None:
    await stage.node()
    await cluster.apply(manifest(stage))
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    (first,) = await until_revision(stage, 1)
    await cluster.apply(manifest(stage, ADAPTER))
    await stage.until_pod(lambda pod: "initContainers" in pod["spec"])
    await until_revision(stage, 2)

    go_back = commands(PAGE)["Go back"][-1]
    await asyncio.to_thread(shell, go_back, NAME=name_of(first))
    await stage.until_pod(lambda pod: "initContainers" not in pod["spec"])
    found = await until_revision(stage, 3)
    assert [(annotations_of(each)[CAUSE], number_of(each)) for each in found] == [
        ("inference.adapters added", 2),
        ("back to revision 1: inference.adapters removed", 3),
    ]
    assert "adapters" not in (await stage.get())["inference"]
    current, listed = [await asyncio.to_thread(shell, each) for each in commands(PAGE)["See what was applied"]]
    assert current.strip() == name_of(first)
    assert [line.split(maxsplit=2)[1:] for line in listed.splitlines()] == [
        ["REVISION", "CAUSE"],
        ["2", "inference.adapters added"],
        ["3", "back to revision 1: inference.adapters removed"],
    ]


async def test_the_history_is_limited_and_costs_nothing_while_nothing_changes(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    for number in range(1, LIMIT + 2):
        await until_revision(stage, number)
        await stage.change(resource={"preferredNodes": [f"n-{number}"]})
    found = await until_revision(stage, LIMIT + 2)
    assert [number_of(each) for each in found] == list(range(3, LIMIT + 3))
    workload = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
    assert workload["metadata"]["generation"] == 1, "what reaches no pod must not roll pods"
    assert len(await stage.owned(PODS)) == 1
    await stage.delete()
    await stage.until_gone()

    async def forgotten() -> str:
        return str([name_of(each) for each in await history(stage)] or "")

    await stage.until(forgotten)


async def test_paused_means_that_nothing_happens_but_deletion(stage: Stage, shell: Callable[..., str]) -> None:
    pause, go_on = commands(PAGE)["Pause"]
    await stage.node()
    await stage.workspace(annotations={"kaito.sh/paused": "true"})
    await stage.until_reason("Paused", "WorkspacePaused")
    assert "finalizers" not in (await stage.get())["metadata"], "a paused Workspace is left alone"
    await asyncio.to_thread(shell, go_on)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")

    await asyncio.to_thread(shell, pause)
    await stage.until_reason("Paused", "WorkspacePaused")
    await stage.client.delete(DEPLOYMENTS, NAME, namespace=stage.namespace)

    async def without_pods() -> str:
        return str([name_of(each) for each in await stage.owned(PODS)] or "")

    await stage.until(without_pods)
    assert await stage.owned(DEPLOYMENTS) == [], "a paused Workspace was repaired"
    await asyncio.to_thread(shell, go_on)
    await stage.until_pod(lambda pod: True)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")

    async def resumed() -> str:
        said = [each["type"] for each in (await stage.get())["status"]["conditions"]]
        return "" if "Paused" not in said else f"{said}"

    await stage.until(resumed)
    await asyncio.to_thread(shell, pause)
    await stage.until_reason("Paused", "WorkspacePaused")
    await stage.delete()
    await stage.until_gone()


async def test_a_history_that_is_not_taken_keeps_no_model_from_serving(stage: Stage) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-history", "namespace": stage.namespace},
        "spec": {"hard": {"count/controllerrevisions.apps": "0"}},
    }
    quotas = Resource("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
    await stage.client.create(quotas, quota)
    await stage.until_quota_counts(quotas)
    await stage.node()
    await stage.client.create(WORKSPACES, manifest(stage))
    await stage.until_condition("Ready", lambda ready: ready.status == "True")

    async def told() -> str:
        return "" if "ObjectRefused" in await stage.event_reasons() else "no event yet"

    await stage.until(told)
    assert await history(stage) == []
