"""The workspace operator against the real API server, with the shipped roles."""

from controller.api import labels
from controller.api.claims import MACHINE
from controller.api.json import labels_of, name_of, uid_of
from controller.api.resources import DEPLOYMENTS, MACHINES, NODES, PODS, SERVICES, Resource
from controller.api.workspace import parse_workspace
from controller.planning.claims import Order, claim_name, render_claim
from tests.cluster.controller.stage import NAME, V100, Stage


async def test_a_node_made_by_hand_serves_without_any_claim(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    workspace = await stage.get()
    assert await stage.machines() == [], "a node was bought although a free one was there"
    assert workspace["status"]["workerNodes"] == [node]
    assert workspace["status"]["observedGeneration"] == workspace["metadata"]["generation"]
    owner = labels_of(await stage.client.get(NODES, node))
    assert (owner[labels.WORKSPACE], owner[labels.WORKSPACE_UID]) == (NAME, uid_of(workspace))


async def test_deletion_frees_the_node_and_leaves_nothing(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    await stage.delete()
    await stage.until_gone()
    assert labels.WORKSPACE not in labels_of(await stage.client.get(NODES, node))


async def test_a_missing_node_is_claimed_once_and_used_when_it_joins(stage: Stage) -> None:
    workspace = await stage.workspace()
    (machine,) = await stage.until_machines(1)
    assert name_of(machine) == claim_name(uid_of(workspace), 0)
    await stage.node(also=labels_of(machine))
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
    await stage.report(name_of(machine), conditions=[condition])
    await stage.until_condition("WorkspaceReady", lambda ready: ready.status == "True")
    assert len(await stage.machines()) == 1
    told = ["MachineCreated", "ResourcesReady", "InferenceReady", "WorkspaceReady"]

    async def story() -> str:
        reasons = await stage.event_reasons()
        return "" if [reason for reason in reasons if reason in told] == told else f"the story was told as {reasons}"

    await stage.until(story)


async def test_the_claims_own_reason_is_what_the_user_reads(stage: Stage) -> None:
    await stage.workspace()
    (machine,) = await stage.until_machines(1)
    words = "24 vCPUs are needed and 0 are left"
    refusal = {"type": MACHINE.launched, "status": "False", "reason": "SubscriptionQuotaReached", "message": words}
    await stage.report(name_of(machine), conditions=[refusal])
    ready = await stage.until_reason("Ready", "SubscriptionQuotaReached")
    assert words in ready.message

    async def event() -> str:
        return "" if "SubscriptionQuotaReached" in await stage.event_reasons() else "no event yet"

    await stage.until(event)


async def test_existing_and_claimed_nodes_mix(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace(count=2)
    (machine,) = await stage.until_machines(1)
    await stage.node("-claimed", also=labels_of(machine))
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
    await stage.report(name_of(machine), conditions=[condition])
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert (await stage.get())["status"]["workerNodes"] == [node, f"{stage.namespace}-claimed"]
    pods = await stage.owned(PODS)
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2


async def test_a_claim_deleted_by_hand_is_replaced(stage: Stage) -> None:
    await stage.workspace()
    (machine,) = await stage.until_machines(1)
    await stage.client.delete(MACHINES, name_of(machine))

    async def replaced() -> str:
        found = [uid_of(other) for other in await stage.machines()]
        return "" if found and uid_of(machine) not in found else f"machines: {found}"

    await stage.until(replaced)


async def test_deletion_waits_for_the_claim_and_says_so(stage: Stage) -> None:
    await stage.workspace()
    (machine,) = await stage.until_machines(1)
    held = {"metadata": {"finalizers": [labels.TERMINATION_FINALIZER]}}
    await stage.client.merge(MACHINES, name_of(machine), held)
    await stage.delete()
    deleting = await stage.until_reason("WorkspaceDeleting", "WorkspaceDeleting")
    assert name_of(machine) in deleting.message
    await stage.client.merge(MACHINES, name_of(machine), {"metadata": {"finalizers": None}})
    await stage.until_gone()


async def test_a_claim_of_a_vanished_workspace_is_collected(stage: Stage) -> None:
    """As one is left when a finalizer was removed by hand while a claim was being made."""
    gone = parse_workspace({"metadata": {"name": NAME, "namespace": stage.namespace, "uid": "gone"}})
    left_over = render_claim(gone, 0, Order(MACHINE, (V100,), "amd64", 88))
    await stage.client.create(MACHINES, left_over)
    await stage.until_gone()


async def test_a_claim_of_a_vanished_predecessor_is_collected_beside_its_successor(stage: Stage) -> None:
    await stage.workspace()
    (own,) = await stage.until_machines(1)
    gone = parse_workspace({"metadata": {"name": NAME, "namespace": stage.namespace, "uid": "gone"}})
    left_over = render_claim(gone, 0, Order(MACHINE, (V100,), "amd64", 88))
    await stage.client.create(MACHINES, left_over)
    (kept,) = await stage.until_machines(1)
    assert uid_of(kept) == uid_of(own)


async def test_a_successor_of_the_same_name_gets_claims_of_its_own(stage: Stage) -> None:
    first = await stage.workspace()
    (before,) = await stage.until_machines(1)
    await stage.delete()
    await stage.until_gone()
    second = await stage.workspace()
    (after,) = await stage.until_machines(1)
    assert uid_of(first) != uid_of(second)
    assert name_of(before) != name_of(after)


async def test_objects_of_others_are_never_taken_over(stage: Stage) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": stage.namespace},
        "spec": {"ports": [{"port": 8080}], "selector": {"app": "theirs"}},
    }
    before = await stage.client.create(SERVICES, theirs)
    await stage.workspace()
    ready = await stage.until_reason("Ready", "ForeignObject")
    assert "Service" in ready.message
    after = await stage.client.get(SERVICES, NAME, namespace=stage.namespace)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert await stage.machines() == [], "nodes were bought for a Workspace that cannot serve"


async def test_a_foreign_deployment_is_found_before_any_node_is_bought(stage: Stage) -> None:
    labels_ = {"app": "theirs"}
    pod = {"metadata": {"labels": labels_}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": stage.namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels_}, "template": pod},
    }
    await stage.client.create(DEPLOYMENTS, theirs)
    await stage.workspace()
    ready = await stage.until_reason("Ready", "ForeignObject")
    assert "Deployment" in ready.message
    assert await stage.machines() == [], "nodes were bought for a Workspace that cannot serve"


async def test_a_quota_that_refuses_the_service_is_told_before_any_node_is_bought(stage: Stage) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": stage.namespace},
        "spec": {"hard": {"services": "0"}},
    }
    quotas = Resource("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
    await stage.client.create(quotas, quota)
    await stage.until_quota_counts(quotas)
    await stage.workspace()
    ready = await stage.until_reason("Ready", "ObjectRefused")
    assert "exceeded quota" in ready.message
    assert await stage.machines() == []


async def test_a_machine_of_our_name_without_our_labels_is_told(stage: Stage) -> None:
    await stage.workspace()
    (machine,) = await stage.until_machines(1)
    stripped = {"metadata": {"labels": {labels.WORKSPACE_UID: None, labels.WORKSPACE_NAMESPACE: None}}}
    await stage.client.merge(MACHINES, name_of(machine), stripped)
    ready = await stage.until_reason("Ready", "ForeignObject")
    assert name_of(machine) in ready.message
    await stage.client.delete(MACHINES, name_of(machine))


async def test_an_edited_deployment_is_put_right(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    await stage.client.merge(DEPLOYMENTS, NAME, {"spec": {"replicas": 3}}, namespace=stage.namespace)

    async def restored() -> str:
        found = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
        return "" if found["spec"]["replicas"] == 1 else f"{found['spec']['replicas']} replicas"

    await stage.until(restored)


async def test_a_pod_that_cannot_pull_its_image_is_named_and_heals(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await stage.until_reason("InferenceReady", "PodsPending")
    fail = "devcluster.kaito.sh/fail"

    async def annotate() -> str:
        pods = await stage.owned(PODS)
        for pod in pods:
            wish = {"metadata": {"annotations": {fail: "image-pull"}}}
            await stage.client.merge(PODS, name_of(pod), wish, namespace=stage.namespace)
        return "" if pods else "no pod yet"

    await stage.until(annotate)
    found = await stage.until_reason("InferenceReady", "ImagePullFailed")
    assert "kaito-phi-3-mini-4k-instruct" in found.message
    for pod in await stage.owned(PODS):
        heal = {"metadata": {"annotations": {fail: None}}}
        await stage.client.merge(PODS, name_of(pod), heal, namespace=stage.namespace)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")


async def test_what_got_in_while_the_webhook_was_away_is_refused_in_the_status(stage: Stage) -> None:
    await stage.workspace(preset="phi-9")
    ready = await stage.until_reason("Ready", "PresetUnknown")
    assert "phi-9" in ready.message
    assert await stage.machines() == []


async def test_a_lost_node_is_told_and_a_new_one_used(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    await stage.client.delete(NODES, node)
    await stage.until_condition("ResourceReady", lambda ready: ready.status == "False")
    (machine,) = await stage.until_machines(1)
    assert machine["spec"]["requirements"][0]["values"] == [V100]
