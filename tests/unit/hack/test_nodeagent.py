"""The node agent: what a Pod finds around it, when probes make a verdict, what its status says, how a process ends."""

import asyncio
import base64
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.nodeagent.addresses import Addresses
from hack.nodeagent.container import Container, Fate, Recipe
from hack.nodeagent.probes import Count, Probe, probe_of
from hack.nodeagent.status import ended, status
from hack.nodeagent.surroundings import (
    Place,
    UnsupportedError,
    arguments,
    environment,
    secret_volumes,
    write_secret,
)
from tests.cluster.harness import eventually

Json = dict[str, Any]
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
MAPS = {"azure": {"metadata": {"name": "azure"}, "data": {"LOCATION": "eastus", "NAME": "aks"}}}


def pod(**container: Any) -> Json:
    described = {"name": "c", "image": "kaito", "command": ["kaito-webhook"], **container}
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [described]}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("10.244.0.1", "127.97.0.1", "node", tmp_path / "kubeconfig", tmp_path / "volumes")


def test_variables_come_from_config_maps_fields_and_values_the_latter_last(place: Place) -> None:
    described = pod(
        envFrom=[{"configMapRef": {"name": "azure"}}],
        env=[
            {"name": "LOCATION", "value": "westus"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CLUSTER", "valueFrom": {"configMapKeyRef": {"name": "azure", "key": "NAME"}}},
        ],
    )
    found = environment(described, place, MAPS)
    assert found == {
        "LOCATION": "westus",
        "NAME": "aks",
        "POD_NAME": "p",
        "POD_IP": "10.244.0.1",
        "CLUSTER": "aks",
        "KAITO_KUBECONFIG": str(place.kubeconfig),
    }


def test_a_program_listens_at_its_pods_address_only(place: Place) -> None:
    ports = [{"name": "webhook", "containerPort": 9443}, {"name": "probes", "containerPort": 8081}]
    found = environment(pod(ports=ports), place, {})
    assert found["KAITO_BIND_ADDRESS"] == "127.97.0.1:9443"
    assert found["KAITO_HEALTH_PROBE_BIND_ADDRESS"] == "127.97.0.1:8081"
    assert "KAITO_METRICS_BIND_ADDRESS" not in found


@pytest.mark.parametrize(
    "container",
    [
        {"envFrom": [{"configMapRef": {"name": "absent"}}]},
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    ],
)
def test_what_is_missing_or_not_supported_is_named(container: Json, place: Place) -> None:
    with pytest.raises(UnsupportedError, match=r"absent|variable A"):
        environment(pod(**container), place, MAPS)


def test_arguments_know_variables_and_where_volumes_really_are(place: Place) -> None:
    described = pod(
        args=[
            "--name=$(NAME)",
            "--unknown=$(OTHER)",
            "--dir=/etc/kaito/tls",
            "--file=/etc/kaito/tls/a",
            "--x=/etc/kaito",
        ],
        volumeMounts=[{"name": "tls", "mountPath": "/etc/kaito/tls"}],
    )
    assert arguments(described, place, {"NAME": "aks"}) == [
        "kaito-webhook",
        "--name=aks",
        "--unknown=$(OTHER)",
        f"--dir={place.volumes}/tls",
        f"--file={place.volumes}/tls/a",
        "--x=/etc/kaito",
    ]


def test_secrets_become_files_and_other_volumes_are_refused(tmp_path: Path) -> None:
    described = pod()
    described["spec"]["volumes"] = [{"name": "t", "projected": {}}, {"name": "tls", "secret": {"secretName": "pair"}}]
    assert secret_volumes(described) == {"tls": "pair"}
    write_secret(tmp_path / "tls", {"data": {"tls.crt": base64.b64encode(b"pem").decode()}})
    assert (tmp_path / "tls" / "tls.crt").read_bytes() == b"pem"

    described["spec"]["volumes"] = [{"name": "disk", "hostPath": {"path": "/"}}]
    with pytest.raises(UnsupportedError, match="disk"):
        secret_volumes(described)


def test_a_probe_has_kubernetes_defaults_and_named_ports() -> None:
    container = pod(
        ports=[{"name": "probes", "containerPort": 8081}],
        readinessProbe={"httpGet": {"path": "/readyz", "port": "probes"}, "periodSeconds": 3},
    )["spec"]["containers"][0]
    assert probe_of(container, "readinessProbe", "127.97.0.1") == Probe("http://127.97.0.1:8081/readyz", period=3)
    assert probe_of(container, "livenessProbe", "127.97.0.1") is None


@given(st.lists(st.booleans()), st.integers(1, 4), st.integers(1, 4))
def test_a_verdict_needs_its_number_of_equal_answers_in_a_row(answers: list[bool], good: int, bad: int) -> None:
    count = Count(Probe("", successes=good, failures=bad))
    for index, answer in enumerate(answers):
        row = answers[: index + 1]
        needed = good if answer else bad
        expected = answer if len(row) >= needed and set(row[-needed:]) == {answer} else None
        assert count.verdict(answer=answer) is expected


def test_the_status_tells_when_readiness_changed_and_keeps_what_others_say() -> None:
    described = pod()
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T07:00:00Z"}
    described["status"] = {"conditions": [scheduled]}
    fate = Fate(running_since=NOW, started=True, ready=True)
    described["status"] = status(described, "10.244.0.1", fate, NOW)
    described["status"] = status(described, "10.244.0.1", fate, LATER)
    conditions = {item["type"]: item for item in described["status"]["conditions"]}
    assert conditions["PodScheduled"] == scheduled
    assert conditions["Ready"] == {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T08:00:00Z"}
    assert described["status"]["phase"] == "Running"

    fate.ready = False
    conditions = {item["type"]: item for item in status(described, "10.244.0.1", fate, LATER)["conditions"]}
    assert conditions["Ready"] == {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-22T08:01:00Z"}


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (-9, "Failed")])
def test_the_last_status_says_how_it_ended(code: int, phase: str) -> None:
    said = ended(pod(), "10.244.0.1", Fate(exit_code=code, ended_at=NOW), NOW)
    assert said["phase"] == phase
    assert said["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code % 256


def test_no_two_pods_have_an_address_and_a_pod_that_went_has_none() -> None:
    addresses = Addresses()
    taken = [addresses.take() for _ in range(50)]
    assert len({pair[0] for pair in taken}) == len({pair[1] for pair in taken}) == 50
    address, local = taken[0]
    assert addresses.local(address) == local
    addresses.give_back(address)
    assert addresses.local(address) == ""


def script(tmp_path: Path, text: str) -> Recipe:
    return Recipe((sys.executable, "-c", text), {}, tmp_path / "log", None, None, None)


async def until(changed: asyncio.Event, container: Container, *, restarts: int) -> None:
    while container.fate.running_since is None or container.fate.restarts < restarts:
        changed.clear()
        await changed.wait()


async def test_a_process_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    changed = asyncio.Event()
    container = Container(script(tmp_path, "pass"), changed.set)
    running = asyncio.create_task(container.run())
    await until(changed, container, restarts=1)
    await container.end(10)
    await running
    assert container.fate.running_since is None


async def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    text = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    changed = asyncio.Event()
    container = Container(script(tmp_path, text), changed.set)
    running = asyncio.create_task(container.run())
    await until(changed, container, restarts=0)

    async def deaf() -> str:
        return "" if (tmp_path / "log").read_text() else "it has not begun"

    await eventually(deaf)
    await container.end(0.1)
    await running
    assert container.fate.exit_code == -9


async def test_one_that_is_asked_to_end_before_it_started_ends_all_the_same(tmp_path: Path) -> None:
    container = Container(script(tmp_path, "import time; time.sleep(600)"), lambda: None)
    await container.end(10)
    await container.run()
    assert container.fate.exit_code == -15
