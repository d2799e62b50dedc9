"""Whose a claim is, and which of several claims of one name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM, parse_claim
from controller.api.json import uid_of
from controller.api.resources import MACHINES, NODE_CLAIMS
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from provisioner.claims import Claims, claim_is_ours, ours
from provisioner.pools import Pool
from tests.unit.provisioner.builders import (
    BORN,
    FOREIGN,
    NAME,
    PROVIDER_ID,
    UID,
    claim,
    condition,
    machine,
    node_claim,
    pool,
)
from tests.unit.runtime.scripted_server import scripted_server

AKS_CLASS = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}
LAUNCHING = condition("MachineLaunched", "Unknown", "AgentPoolCreating", message=f"Agent pool {NAME} is being made")
ELSEWHERE = condition("MachineLaunched", "True", "", message="")


@pytest.mark.parametrize(
    ("options", "made", "ours"),
    [
        ({}, None, True),
        ({"labels": {"kaito.sh/ragengine": "r"}}, None, True),
        ({"labels": {}}, pool(), True),
        ({"labels": {}, "conditions": [LAUNCHING]}, None, True),
        ({"labels": {}}, None, False),
        ({"labels": {}, "conditions": [ELSEWHERE]}, None, False),
        ({"labels": {}}, pool(tags={}), False),
        ({"labels": {}, "finalizers": []}, pool(), False),
    ],
    ids=[
        "a Workspace's",
        "a RAG engine's",
        "lost its label, its pool is there",
        "lost its label during the launch",
        "nobody's",
        "another provisioner's",
        "another provisioner's, with a pool",
        "never worked on",
    ],
)
def test_a_claim_is_ours_by_its_label_and_stays_ours_without_it(
    options: dict[str, Any], made: Pool | None, ours: bool
) -> None:
    assert claim_is_ours(claim(**options), made) is ours


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({}, True),
        ({"labels": {}}, True),
        ({"nodeClassRef": AKS_CLASS}, False),
        ({"nodeClassRef": {"group": "kaito.sh", "kind": "AKSNodeClass", "name": "default"}}, False),
    ],
    ids=["its class names us", "so it does without any label", "another provisioner's class", "a class of our group"],
)
def test_the_node_class_alone_decides_whose_a_node_claim_is(options: dict[str, Any], ours: bool) -> None:
    assert claim_is_ours(parse_claim(node_claim(**options), NODE_CLAIM), None) is ours


VIRTUAL_MACHINE = "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/aks-default-x"
ADOPTED = pool(tags={}, labels={"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default"})
GPU_PROVISIONERS = replace(ADOPTED, labels={**ADOPTED.labels, "kaito.sh/machine-type": "gpu"})
BORN_WITH_IT = replace(GPU_PROVISIONERS, labels={**GPU_PROVISIONERS.labels, **BORN})
LEAVING = condition("InstanceTerminating", "True", "InstanceTerminating", message=f"Removing agent pool {NAME}")


@pytest.mark.parametrize(
    ("options", "made", "ours"),
    [
        ({"provider_id": PROVIDER_ID}, GPU_PROVISIONERS, True),
        ({"provider_id": PROVIDER_ID}, None, True),
        ({}, BORN_WITH_IT, True),
        ({"conditions": [LEAVING]}, None, True),
        ({}, None, False),
        ({}, GPU_PROVISIONERS, False),
        ({"provider_id": PROVIDER_ID}, ADOPTED, False),
        ({"provider_id": PROVIDER_ID}, pool(**FOREIGN), False),
        ({"provider_id": VIRTUAL_MACHINE}, BORN_WITH_IT, False),
        ({"provider_id": VIRTUAL_MACHINE}, None, False),
        ({"provider_id": PROVIDER_ID, "finalizers": []}, GPU_PROVISIONERS, False),
        ({"provider_id": PROVIDER_ID, "labels": {}}, GPU_PROVISIONERS, False),
    ],
    ids=[
        "its instance is of the pool",
        "the pool of its instance is gone",
        "its pool is being made",
        "its pool is gone while it is removed",
        "no sign of a pool",
        "a pool that an earlier claim left behind",
        "a pool not made by KAITO",
        "a foreign pool",
        "Karpenter's machine beside a pool left behind",
        "Karpenter's machine",
        "never worked on",
        "no Workspace's",
    ],
)
def test_a_claim_of_another_class_is_taken_over_only_with_the_agent_pool_made_for_it(
    options: dict[str, Any], made: Pool | None, ours: bool
) -> None:
    """KAITO up to v0.6 wrote AKSNodeClass; Karpenter on AKS, whose class it is, knows no agent pools."""
    assert claim_is_ours(parse_claim(node_claim(nodeClassRef=AKS_CLASS, **options), NODE_CLAIM), made) is ours


SECOND = "11111111-0000-0000-0000-000000000002"


@pytest.mark.parametrize(
    ("made", "holder"),
    [(None, UID), (pool(), UID), (pool(tags={"kaito-claim-uid": SECOND}), SECOND), (pool(tags={}), UID)],
    ids=["the older one before there is a pool", "the pool's own", "the pool's own, be it younger", "an adopted pool"],
)
def test_of_two_claims_of_one_name_one_holds_the_pool(made: Pool | None, holder: str) -> None:
    older, younger = machine(), node_claim(uid=SECOND)
    younger["metadata"]["creationTimestamp"] = "2026-08-21T11:00:00Z"
    found = ours([(NODE_CLAIM, younger), (MACHINE, older)], made)
    assert (uid_of(found[0][1]), len(found)) == (holder, 2)


def test_somebody_elses_claim_of_the_same_name_holds_nothing() -> None:
    found = ours([(NODE_CLAIM, node_claim(nodeClassRef=AKS_CLASS)), (MACHINE, machine())], None)
    assert [kind for kind, _ in found] == [MACHINE]


async def test_claims_are_known_when_one_kind_is_read_and_the_other_not_served(tmp_path: Path) -> None:
    async with (
        scripted_server(tmp_path) as server,
        await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client,
    ):
        machines, node_claims = Informer(client, MACHINES), Informer(client, NODE_CLAIMS)
        claims = Claims({MACHINE: machines, NODE_CLAIM: node_claims})
        assert claims.unready == "reading machines, nodeclaims"
        machines._replace([machine()])
        assert claims.unready == "reading nodeclaims"
        node_claims._reflector.served = False
        assert claims.unready == ""
        assert (list(claims.names()), claims.named(NAME)) == ([NAME], [(MACHINE, machine())])
        assert claims.kinds() == [MACHINE], "a kind that is not served has no claims"
        assert claims.kinds("NodeClaim") == [MACHINE, NODE_CLAIM], "unless a pool was made for one"


async def test_without_any_crd_the_probe_names_both(tmp_path: Path) -> None:
    async with (
        scripted_server(tmp_path) as server,
        await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client,
    ):
        informers = {kind: Informer(client, kind.resource) for kind in (MACHINE, NODE_CLAIM)}
        for informer in informers.values():
            informer._reflector.served = False
        unready = Claims(informers).unready
    assert unready == "no CRD is installed for machines of karpenter.sh/v1alpha5 or nodeclaims of karpenter.sh/v1"
