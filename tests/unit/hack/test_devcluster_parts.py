"""Files, ports, processes, certificates and state of a cluster."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from hack.devcluster import keeper, state
from hack.devcluster.kubeconfig import with_certificate, with_token_file
from hack.devcluster.layout import Layout, tail, write_private
from hack.devcluster.locks import try_lock
from hack.devcluster.pki import Leaf, issue, load_authority, new_authority, write_cluster_pki
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.processes import ProcessId, die_with_parent, process_id, wait_gone
from hack.devcluster.request import Request, Scope, load_request
from hack.devcluster.state import ClusterState, Phase, ProcessState


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "cluster")
    made.create()
    return made


def test_clearing_spares_logs_and_what_is_not_ours(layout: Layout) -> None:
    write_private(layout.kubeconfig, "x")
    write_private(layout.token("a"), "x")
    write_private(layout.log("etcd"), "x")
    (layout.root / "notes.txt").write_text("mine")

    layout.clear()

    assert sorted(path.name for path in layout.root.iterdir()) == ["logs", "notes.txt"]
    assert layout.log("etcd").exists()


def test_keys_and_tokens_are_readable_by_their_owner_only(layout: Layout) -> None:
    write_private(layout.token("a"), "secret")

    assert layout.token("a").stat().st_mode & 0o077 == 0
    assert layout.pki.stat().st_mode & 0o077 == 0


def test_the_tail_of_a_log_is_its_last_lines(layout: Layout) -> None:
    assert tail(layout.log("none")) == ""
    layout.log("etcd").write_text("".join(f"line {number}\n" for number in range(10_000)))

    assert tail(layout.log("etcd"), 2) == "line 9998\nline 9999"


def test_a_reserved_port_can_be_listened_on_again_and_again_but_found_free_by_nobody() -> None:
    with Ports() as ports:
        port = ports.take()
        for _ in range(2):
            with socket.create_server((LOOPBACK, port)):
                pass
        with socket.socket() as searching, pytest.raises(OSError, match="in use"):
            searching.bind((LOOPBACK, port))
    with socket.socket() as searching:
        searching.bind((LOOPBACK, port))


def test_ports_differ() -> None:
    with Ports() as ports:
        taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50


def test_a_pid_of_somebody_else_is_not_the_process() -> None:
    me = process_id(os.getpid())

    assert me.alive
    assert not ProcessId(me.pid, me.started - 1).alive, "a reused pid must not count"
    ProcessId(me.pid, me.started - 1).signal(signal.SIGKILL)  # would end this test run if it were sent


async def test_an_ended_process_is_not_alive_even_before_it_is_reaped() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    known = process_id(child.pid)
    assert await wait_gone([known], 0) == [known]

    known.signal(signal.SIGKILL)

    assert await wait_gone([known], 30) == []
    await child.wait()


async def test_a_child_dies_with_the_process_that_started_it() -> None:
    """Three generations: this test, a parent that is killed, and the child that must go with it."""
    script = (
        "import os, subprocess, sys\n"
        "from hack.devcluster.processes import die_with_parent\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        "                         preexec_fn=die_with_parent(os.getpid()))\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    child = process_id(int(await parent.stdout.readline()))
    assert child.alive

    parent.kill()

    await parent.wait()
    assert await wait_gone([child], 30) == [], "the child outlived its parent"


def test_a_child_of_another_parent_ends_at_once() -> None:
    pid = os.fork()
    if pid == 0:
        die_with_parent(os.getpid())()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1, "the parent was gone before: exec must not happen"


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    with try_lock(tmp_path / "lock") as first, try_lock(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with try_lock(tmp_path / "lock") as third:
        assert third, "the lock must be free after its block"


def test_pauses_between_restarts_grow_to_a_limit_and_start_over_after_a_healthy_run() -> None:
    pauses, pause = [], 0.0
    for _ in range(8):
        pause = keeper.next_pause(pause, 0.1)
        pauses.append(pause)

    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert keeper.next_pause(10.0, keeper.FORGET_AFTER_SECONDS) == keeper.FIRST_PAUSE_SECONDS


def test_certificates_are_signed_by_the_authority_of_their_purpose(layout: Layout) -> None:
    write_cluster_pki(layout)
    certificates = {
        path.stem: x509.load_pem_x509_certificate(path.read_bytes())
        for path in layout.pki.glob("*.crt")
        if path.stem != "service-account"
    }

    certificates["kube-apiserver"].verify_directly_issued_by(certificates["ca"])
    certificates["etcd-client"].verify_directly_issued_by(certificates["etcd-ca"])
    certificates["front-proxy-client"].verify_directly_issued_by(certificates["front-proxy-ca"])
    with pytest.raises(ValueError, match=r"[Ii]ssuer"):
        certificates["admin"].verify_directly_issued_by(certificates["etcd-ca"])


def test_only_the_administrator_is_in_the_group_that_may_everything(layout: Layout) -> None:
    write_cluster_pki(layout)

    subjects = {
        path.stem: x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()
        for path in layout.pki.glob("*.crt")
        if path.stem != "service-account"
    }
    masters = [name for name, subject in subjects.items() if "system:masters" in subject]

    assert masters == ["admin"]


def test_an_authority_read_back_signs_as_before(layout: Layout) -> None:
    write_cluster_pki(layout)
    authority = load_authority(layout)

    pem, _ = issue(authority, Leaf("late", names=("127.0.0.1", "late.example"), server=True))

    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(authority.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["late.example"]
    assert new_authority("other").pem != authority.pem


def test_programs_get_a_token_file_and_no_certificate(layout: Layout) -> None:
    config = with_token_file(layout, "https://127.0.0.1:1", "kaito-controller", "kaito-system")

    assert config["users"][0]["user"] == {"tokenFile": str(layout.token("kaito-controller"))}
    assert config["contexts"][0]["context"]["namespace"] == "kaito-system"
    assert "client-certificate" in with_certificate(layout, "https://127.0.0.1:1", "admin")["users"][0]["user"]


@given(speed=st.floats(0.1, 100), scope=st.sampled_from(Scope), replicas=st.integers(1, 9))
def test_a_request_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, speed: float, scope: Scope, replicas: int
) -> None:
    layout = Layout(tmp_path_factory.mktemp("request"))
    request = Request("/binaries", scope, replicas, speed, "/scenario.yaml")

    request.save(layout)

    assert load_request(layout.request) == request


def test_scopes_include_the_smaller_ones() -> None:
    included = [[other.value for other in Scope if scope.includes(other)] for scope in Scope]

    assert included == [["control-plane"], ["control-plane", "webhook"], ["control-plane", "webhook", "all"]]


process_ids = st.builds(ProcessId, pid=st.integers(1, 4_000_000), started=st.integers(0, 2**40))
process_states = st.builds(
    ProcessState,
    name=st.text(min_size=1),
    process=st.none() | process_ids,
    restarts=st.integers(0, 100),
    waiting_for=st.text(),
    ports=st.dictionaries(st.text(), st.integers(1, 65535), max_size=3),
)


@given(
    st.builds(
        ClusterState,
        phase=st.sampled_from(Phase),
        scope=st.sampled_from([scope.value for scope in Scope]),
        supervisor=process_ids,
        message=st.text(),
        processes=st.lists(process_states, max_size=4).map(tuple),
        endpoints=st.dictionaries(st.text(), st.text(), max_size=3),
    )
)
def test_a_state_survives_its_file(value: ClusterState) -> None:
    assert state.from_json(state.to_json(value)) == value


def test_an_unknown_process_is_refused_with_the_names_there_are() -> None:
    etcd = ProcessState("etcd", None, 0, "", {})
    cluster = ClusterState(Phase.READY, "all", ProcessId(1, 1), processes=(etcd,))

    assert cluster.find("etcd") is etcd
    with pytest.raises(KeyError, match="there are etcd"):
        cluster.find("scheduler")
