"""Two replicas of each program: one leads and the other is there in time; of the webhook both answer."""

import asyncio
import base64
import json
import signal
import ssl
import time
from collections.abc import Iterable

import aiohttp
import pytest

from controller.api.json import Json
from controller.api.resources import MUTATING_WEBHOOK_CONFIGURATIONS
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.programs import NAMESPACE
from tests.cluster.harness import eventually
from tests.system import audit
from tests.system.harness import CONTROLLER, PATIENCE_SECONDS, PROVISIONER, WEBHOOK, System, workspace

LEASE_SECONDS = 15.0
"""The programs' own default; the devcluster does not change it."""

AFTER_A_KILL_SECONDS = LEASE_SECONDS + 2.0
AFTER_A_CLEAN_STOP_SECONDS = 3.0
LED = (CONTROLLER, PROVISIONER)


async def leaders(system: System) -> dict[str, str]:
    """Who leads each program; waits until somebody does."""

    async def all_led() -> str:
        return ", ".join([program for program in LED if not await system.leader(program)])

    await eventually(all_led, PATIENCE_SECONDS)
    return {program: await system.leader(program) for program in LED}


def send(system: System, names: Iterable[str], number: signal.Signals) -> None:
    """Send a signal to processes of the cluster."""
    for name in names:
        process = system.state.find(name).process
        if process:
            process.signal(number)


async def keep_down(system: System, names: Iterable[str]) -> None:
    """Kill processes as often as the supervisor starts them, as if their machine were gone."""
    while True:
        send(system, names, signal.SIGKILL)
        await asyncio.sleep(0.1)


async def until_others_lead(system: System, before: dict[str, str]) -> dict[str, float]:
    """Wait until each program is led by another process; gives when each of those took over."""

    async def taken() -> str:
        now = {program: await system.leader(program) for program in LED}
        return f"{now} lead" if any(now[program] in ("", before[program]) for program in LED) else ""

    await eventually(taken, PATIENCE_SECONDS)
    return {program: audit.moment((await system.lease(program))["acquireTime"]) for program in LED}


async def first_acts(system: System, since: float, namespace: str) -> dict[str, float]:
    """When each program first changed something after a moment: the new Workspace's Machine, and its agent pool."""
    scene = await system.until_ready(namespace, "phi")
    made = [call for call in audit.writes(system.layout, since=since) if call.verb == "create"]
    machine = next(call.moment for call in made if call.resource == "machines")
    (name,) = (item["metadata"]["name"] for item in scene.machines)
    created = next(
        item for item in (await system.cloud())["operations"] if (item["pool"], item["kind"]) == (name, "create")
    )
    return {CONTROLLER: machine, PROVISIONER: audit.moment(created["startTime"])}


def report(title: str, begin: float, moments: dict[str, float]) -> dict[str, float]:
    """Seconds since the beginning, told as figures."""
    seconds = {program: moment - begin for program, moment in moments.items()}
    print(f"figure: {title}: " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))
    return seconds


async def test_a_killed_leader_is_replaced_within_the_lease_and_two_seconds(system: System, namespace: str) -> None:
    before = await leaders(system)
    begin = time.time()
    down = asyncio.create_task(keep_down(system, before.values()))
    try:
        await system.apply(workspace(namespace))
        taken = report("lease taken after SIGKILL", begin, await until_others_lead(system, before))
        acted = report("first act after SIGKILL", begin, await first_acts(system, begin, namespace))
    finally:
        down.cancel()

    assert max(taken.values()) <= AFTER_A_KILL_SECONDS, f"promised: {AFTER_A_KILL_SECONDS:g} s, needed: {taken}"
    assert max(acted.values()) <= AFTER_A_KILL_SECONDS, f"promised: {AFTER_A_KILL_SECONDS:g} s, needed: {acted}"


async def test_a_leader_that_stops_hands_over_within_three_seconds(system: System, namespace: str) -> None:
    before = await leaders(system)
    begin = time.time()
    send(system, before.values(), signal.SIGTERM)
    await system.apply(workspace(namespace))
    taken = report("lease taken after SIGTERM", begin, await until_others_lead(system, before))
    acted = report("first act after SIGTERM", begin, await first_acts(system, begin, namespace))

    assert max(taken.values()) <= AFTER_A_CLEAN_STOP_SECONDS, f"promised: 3 s, needed: {taken}"
    assert acted[CONTROLLER] <= AFTER_A_CLEAN_STOP_SECONDS, f"promised: 3 s, needed: {acted}"


def review(namespace: str, obj: Json) -> Json:
    """What the API server asks a webhook."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-0000-0000-000000000001",
            "kind": {"group": "kaito.sh", "version": "v1alpha1", "kind": "Workspace"},
            "resource": {"group": "kaito.sh", "version": "v1alpha1", "resource": "workspaces"},
            "namespace": namespace,
            "name": obj["metadata"]["name"],
            "operation": "CREATE",
            "userInfo": {"username": "somebody"},
            "object": obj,
            "oldObject": None,
            "dryRun": False,
        },
    }


async def test_both_webhooks_answer_under_the_published_authority(system: System, namespace: str) -> None:
    (configuration,) = await system.everything(MUTATING_WEBHOOK_CONFIGURATIONS)
    client = configuration["webhooks"][0]["clientConfig"]
    trust = ssl.create_default_context(cadata=base64.b64decode(client["caBundle"]).decode())
    path = client["url"].partition(LOOPBACK)[2].partition("/")[2]
    answers = []
    async with aiohttp.ClientSession() as session:
        for replica in system.replicas(WEBHOOK):
            url = f"https://{LOOPBACK}:{replica.ports['serving']}/{path}"
            name = f"kaito-webhook.{NAMESPACE}.svc"
            body = review(namespace, workspace(namespace))
            async with session.post(url, json=body, ssl=trust, server_hostname=name) as reply:
                assert reply.status == 200, f"{replica.name} answered {reply.status}: {await reply.text()}"
                answers.append((await reply.json())["response"])

    assert len(answers) == 2, f"two replicas were to answer, {len(answers)} did"
    assert answers[0] == answers[1], "replicas must not disagree"
    assert answers[0]["allowed"], answers[0]


@pytest.mark.parametrize("victim", [0, 1])
async def test_admission_goes_on_while_a_webhook_is_killed(system: System, namespace: str, victim: int) -> None:
    manifest = json.dumps(workspace(namespace))
    refused = workspace(namespace)
    refused["inference"]["preset"]["name"] = "no-such-model"

    send(system, [f"{WEBHOOK}-{victim}"], signal.SIGKILL)

    for _ in range(5):
        code, text = await system.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)
        assert code == 0, f"admission failed with one of two webhooks gone: {text}"
        code, text = await system.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(refused))
        assert "PresetUnknown" in text, f"admission did not judge with one of two webhooks gone: {text}"
